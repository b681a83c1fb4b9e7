"""The state of a session: what its rules decide from, and what is kept of it."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from ..ports import IndexRow, SessionId, UserId
from . import retention
from .empty import NO_ENTRIES, NO_ITEMS
from .entry import Done
from .events import Cause, Exchange, TurnKind, TurnStatus
from .records import LANGUAGE, Records, title_of
from .settings import Settings
from .transcript import Line, Message
from .wakes import Wakes, wants_ms

Lifecycle: TypeAlias = Literal["created", "active", "paused", "ended"]

REMEMBERED_TURNS: Final = 32
"""Ended turns whose outcome a session can still tell."""

REMEMBERED_KEYS: Final = 32
"""Answer keys of aborted turns whose late answers are still taken."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How a turn ended; `into`: its message was handed to that turn."""

    status: TurnStatus
    reason: str = ""
    cause: Cause | None = None
    into: int | None = None


class Origin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a fork began with: what `session` was at `revision`."""

    session: SessionId
    revision: int


class Genesis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session at revision 0. Creating one publishes no event.

    `incarnation` is random, and part of every cursor. Times are UTC milliseconds. A fork has an
    `origin`, and what it has from there: its first turn follows `last_turn`.
    """

    id: SessionId
    incarnation: str
    owner: UserId
    owner_name: str
    name: str
    created_ms: int
    started: bool
    settings: Settings
    context: dict[str, Any] = {}
    memories: list[str] = []
    history: list[Line] = []
    last_turn: int = 0
    outcomes: dict[int, Outcome] = {}
    greeted: bool = False
    dialog: list[Exchange] | None = None
    origin: Origin | None = None
    records: Records | None = None


class Participant(msgspec.Struct, kw_only=True, gc=False, omit_defaults=True):
    """`acted_ms`: when the user last did something. `seen`: the last revision acknowledged."""

    name: str
    role: str
    joined_ms: int
    acted_ms: int
    seen: int = 0


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    name: str
    role: str


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What the suspended turn waits for: `decisions` on its calls. `saved` is its pipeline's."""

    id: str
    calls: list[str]
    expires_ms: int
    saved: Any = None
    decisions: dict[str, bool] | None = None


class PendingTurn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn that waits, or runs (its `attempt`-th time).

    `resume` is the approval it went on with, `kept` how many lines it had by then, and `open` which
    calls among them had no result: a further attempt begins there. `cause` is why an activation
    left it running. A compaction that runs summarises the first `kept` lines of the transcript, all
    that stood before the last `keep` messages of people when it began; 0: there is nothing, or it
    is no longer what it was.
    """

    turn: int
    user: UserId
    attempt: int = 0
    kind: TurnKind = "answer"
    prompt: str = ""
    answer_key: str = ""
    steer: bool = False
    resume: Approval | None = None
    keep: int = 0
    kept: int = 0
    open: list[str] = []
    cause: Cause | None = None


class State(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Everything the rules decide from. Changed in place, only by `apply`.

    A fold that has gone wrong is thrown away and made anew from the journal, never repaired.
    A dict or list that is empty may be one that all sessions share (`empty.py`).
    `history` is ordered as a model must see it: an answer stands in its own turn, even if later
    turns have begun (spec V16). `versions` are the revisions at which context keys last changed.
    The room retains `retained` events, from revision `oldest` on; those of `uncharged` come on
    top. `done` are the idempotency keys in use, oldest first, each with when and what for.

    While there is an `approval` the running turn is suspended. `aborted` are the answer keys of
    turns that were ended before their answer came, with the turns. `closing` is who asked for the
    end that is near. `messages` are those in `history`.
    """

    id: SessionId
    incarnation: str
    owner: UserId
    name: str
    host: UserId
    lifecycle: Lifecycle
    created_ms: int
    updated_ms: int
    settings: Settings
    participants: dict[UserId, Participant]
    revision: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    pending: dict[UserId, JoinRequest] = NO_ENTRIES
    context: dict[str, Any] = NO_ENTRIES
    versions: dict[str, int] = NO_ENTRIES
    memories: dict[str, None] = NO_ENTRIES
    oldest: int = 1
    retained: int = 0
    uncharged: list[int] = NO_ITEMS
    done: dict[str, tuple[int, Done]] = NO_ENTRIES
    history: list[Line] = NO_ITEMS
    messages: int = 0
    last_turn: int = 0
    running: PendingTurn | None = None
    queued: tuple[PendingTurn, ...] = ()
    approval: Approval | None = None
    open_calls: dict[str, str] = NO_ENTRIES
    outcomes: dict[int, Outcome] = NO_ENTRIES
    aborted: dict[str, int] = NO_ENTRIES
    greeted: bool = False
    dialog: list[Exchange] | None = None
    closing: UserId | None = None
    origin: Origin | None = None
    records: Records | None = None
    wakes: Wakes | None = None

    @classmethod
    def at_creation(cls, genesis: Genesis) -> State:
        """The state at revision 0."""
        at_ms, owner, name = genesis.created_ms, genesis.owner, genesis.owner_name
        name = owner if name == owner else name  # one string less to hold, for most sessions
        host = Participant(name=name, role="host", joined_ms=at_ms, acted_ms=at_ms)
        return cls(
            id=genesis.id,
            incarnation=genesis.incarnation,
            owner=owner,
            name=genesis.name,
            host=owner,
            lifecycle="active" if genesis.started else "created",
            created_ms=at_ms,
            updated_ms=at_ms,
            started_ms=at_ms if genesis.started else None,
            settings=genesis.settings,
            participants={owner: host},
            context=genesis.context or NO_ENTRIES,
            memories=dict.fromkeys(genesis.memories) or NO_ENTRIES,
            history=list(genesis.history) or NO_ITEMS,
            messages=sum(isinstance(line, Message) for line in genesis.history),
            last_turn=genesis.last_turn,
            outcomes=dict(genesis.outcomes) or NO_ENTRIES,
            greeted=genesis.greeted,
            dialog=genesis.dialog,
            origin=genesis.origin,
            records=genesis.records,
        )

    def is_pending(self, turn: int) -> bool:
        """Whether the turn runs, is suspended or waits."""
        running = self.running is not None and self.running.turn == turn
        return running or any(waiting.turn == turn for waiting in self.queued)

    def index_row(self, *, members: bool = False) -> IndexRow:
        """What listings show of this state; with `members` also who takes part."""
        records = self.records
        # By position, once for each command that changes anything: by name it takes 0.8 us more.
        return IndexRow(
            self.id,
            self.owner,
            self.name,
            self.lifecycle,
            self.created_ms,
            self.updated_ms,
            len(self.participants),
            self.messages,
            self.last_turn,
            retention.retained(self),
            tuple(self.participants) if members else None,
            title_of(self),
            LANGUAGE if records is None else records.language,
            0 if records is None else records.interactions,
            0 if records is None else sum(records.feedback.values()),
            wants_ms(self),
        )


encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(State).decode
encode_genesis = msgspec.msgpack.Encoder().encode
decode_genesis = msgspec.msgpack.Decoder(Genesis).decode
