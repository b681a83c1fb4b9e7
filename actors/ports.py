"""What the core asks of the outside: a journal, a pipeline, sinks and a clock."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import msgspec

from .kernel.reply import Reply

if TYPE_CHECKING:
    from .session.items import Item

SessionId: TypeAlias = str
UserId: TypeAlias = str

SESSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@~-]{0,127}", re.ASCII)
"""What a session id may be: 1 to 128 URL-safe characters that name no path."""

Commit: TypeAlias = Reply[int]
"""Set, on the loop, once the write is durable; to the journal's error if it is not."""


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is created: its revision 0, encoded, and its first index row."""

    genesis: bytes
    row: IndexRow


class IndexRow(msgspec.Struct, frozen=True, gc=False):
    """What a listing shows of a session without reading it. Times are UTC milliseconds.

    `events` is how many the room history retains. `members` are the participants in the order of
    joining; None, as in every listing, says nothing: an append leaves them as they were.

    `title` has 38 characters at most. It is empty in a row that an older version has written, until
    the session is next written to. `feedback` is how much of it is counted (spec S05).
    """

    id: SessionId
    owner: UserId
    name: str
    state: str
    created_ms: int
    updated_ms: int
    participants: int = 1
    messages: int = 0
    turns: int = 0
    events: int = 0
    members: tuple[UserId, ...] | None = None
    title: str = ""
    language: str = "en"
    interactions: int = 0
    feedback: int = 0
    wake_ms: int = 0


class End(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last thing a session published: position `position` of epoch `epoch`."""

    epoch: int
    position: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Ownership of a session, and everything needed to fold its state.

    `epoch` is this owner's. `events` are the encoded events after `snapshot` (a revision and an
    encoded state), after `base` when there is none, or after revision 0; the last one has revision
    `revision`. `base` is what `trim` has put in the place of older events; a snapshot older than it
    is none, and beside a newer one no base is given. `end` is where the last activation said it
    stopped publishing; None after a crash. A new session, which has published nothing, begins with
    position 0 of epoch 0, and in an epoch that no session of its id was ever owned in.

    `durable` is set, on the loop, when the claim itself is; None if it is already. Whatever is
    durable under its epoch takes the claim with it. Until then nothing else may be published under
    that epoch, as a loss of power could have it given out once more.
    """

    epoch: int
    revision: int
    genesis: bytes
    snapshot: tuple[int, bytes] | None
    events: list[bytes]
    end: End | None
    base: tuple[int, bytes] | None = None
    durable: Reply[None] | None = None


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of a session go on from: its genesis, and the `base` that stands for those
    that are no longer kept, with its revision."""

    genesis: bytes
    base: tuple[int, bytes] | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Encoded events in order of revision, contiguous. `head` is the session's last revision.

    `first` is the revision of `events[0]`. It is greater than the one asked for when older events
    are no longer retained.
    """

    first: int
    events: list[bytes]
    head: int


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions to list: most recently updated first; `after` is the last row of a page.

    With `since_ms` only those updated then or later. In the order `id` no write moves a session:
    whoever pages through it meets each that is there all the while, and none twice.
    """

    owner: UserId | None = None
    state: str | None = None
    limit: int = 100
    after: IndexRow | None = None
    since_ms: int | None = None
    order: Literal["recent", "id"] = "recent"


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a listing; `more` tells whether another one follows."""

    rows: list[IndexRow]
    more: bool


class Stale(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session that was last updated at `updated_ms` (UTC milliseconds), and ends at `head`."""

    id: SessionId
    head: int
    updated_ms: int


class Trimmable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session of which older events may be dropped.

    It keeps the events from `base + 1` to `head`; its room history begins at revision `oldest`.
    """

    id: SessionId
    base: int
    oldest: int
    head: int


class Totals(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All sessions of a journal, counted: those active, retained events, users in any of them,
    interactions, and feedback that is counted.
    """

    sessions: int
    active: int
    events: int
    users: int
    interactions: int = 0
    feedback: int = 0


class Journal(Protocol):
    """Append-only events per session: the only truth. One writer per session, fenced by `epoch`.

    Every method is called on the loop that `open` ran on, and none blocks it. Writes are made in
    the order of the calls; everything queued when the writer is free becomes one group commit.
    A `Commit` is set on the loop, per session in the order of the calls. It may be done when the
    call returns.

    Writes fail with one of, told apart because the caller must act differently:

    Fenced: a newer epoch has claimed the session. Nothing was written.
    Conflict: the session does not end at `after`. Nothing was written.
    Rejected: these bytes can never be written. Nothing was written.
    NotWritten: the store is full, read-only or busy. Nothing was written, and the same may work.
    JournalFailed: it may or may not be durable. Claim the session, and look.

    Whoever opens a journal with `from_url` gets `JournalUnavailable`, `JournalLocked` or
    `JournalFormat` from `open`.
    """

    async def open(self) -> None:
        """Take the store. Raises JournalUnavailable, JournalLocked or JournalFormat."""
        ...

    async def close(self) -> None:
        """Write what is queued and let go of the store. Closing twice is harmless."""
        ...

    async def claim(self, session: SessionId, *, create: NewSession | None = None) -> Claim:
        """Take ownership: from now on only the returned epoch may write.

        With `create` the session must not exist, and begins at revision 0.

        Raises:
            SessionNotFound: no such session, or it was deleted (without `create`).
            SessionExists: the id is or was in use (with `create`).
        """
        ...

    def append(
        self, session: SessionId, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        """Write all `events` as revisions `after + 1 ...` or none, and `row` with them."""
        ...

    def snapshot(self, session: SessionId, state: bytes, *, epoch: int, revision: int) -> Commit:
        """Keep `state` as the fold of everything up to `revision`, replacing an older one."""
        ...

    def release(self, session: SessionId, *, epoch: int, end: End | None) -> Commit:
        """Record a clean leave: the owner published nothing after `end`."""
        ...

    async def read(self, session: SessionId, *, after: int, limit: int) -> Page:
        """Up to `limit` committed events after revision `after`. Raises SessionNotFound."""
        ...

    async def joined_by(self, user: UserId) -> list[IndexRow]:
        """The active and paused sessions that `user` takes part in, in the order of joining."""
        ...

    async def totals(self) -> Totals:
        """How much there is, from the index."""
        ...

    async def stale(
        self,
        before_ms: int,
        *,
        limit: int,
        ended: bool,
        keep: Collection[SessionId] = (),
    ) -> list[Stale]:
        """Up to `limit` sessions last updated before `before_ms`, the longest untouched first.

        With `ended` only ended ones. None of `keep`.
        """
        ...

    async def hide(self, stale: Sequence[Stale]) -> list[SessionId]:
        """Hide, as `delete` does, each session that still ends at its `head`: which they were.

        An owner elsewhere finds itself fenced.
        """
        ...

    async def erase(self, before_ms: int, *, limit: int) -> int:
        """Erase what is kept of sessions that were hidden before `before_ms`: how many events.

        About `limit` at once, at least those of one session's next step; 0: nothing is left to
        erase. The tombstones stay: each id is used, and late writers are fenced.
        """
        ...

    async def forget(self, before_ms: int, *, limit: int) -> int:
        """Remove up to `limit` tombstones of sessions hidden before `before_ms`, if all else of
        them is erased: how many. From then on their ids are free."""
        ...

    async def trimmable(self, *, least: int, after: SessionId = "", limit: int) -> list[Trimmable]:
        """Up to `limit` sessions, in order of id after `after`, that keep at least `least` events
        from before their room history."""
        ...

    async def trim(self, session: SessionId, base: bytes, *, revision: int) -> None:
        """Put `base` in the place of all events up to `revision`, which are dropped.

        Whoever owns the session needs not know: what is dropped can change no more. A `revision`
        that is no later than the last base changes nothing. Raises SessionNotFound, Rejected if
        `base` is too large, and Conflict for a revision beyond the head.
        """
        ...

    async def due(self, *, limit: int) -> list[IndexRow]:
        """Up to `limit` sessions that want to be woken, the earliest `wake_ms` first."""
        ...

    async def size(self) -> int:
        """Bytes that the store takes for what it holds; what is free for reuse is not counted."""
        ...

    async def note(self, name: str, value: str) -> None:
        """Keep `value` under `name` beside the sessions, for those who ask what rules it here."""
        ...

    async def list(self, query: SessionQuery) -> SessionPage:
        """One page of sessions from the index."""
        ...

    async def find(self, session: SessionId) -> IndexRow | None:
        """What listings show of one session; None if there is none, or it was deleted."""
        ...

    async def beginning(self, session: SessionId) -> Beginning:
        """What the events that are kept go on from. Raises SessionNotFound."""
        ...

    async def delete(self, session: SessionId, *, epoch: int) -> None:
        """Hide the session for good: its id stays used. Raises Fenced, SessionNotFound."""
        ...


class Archive(Protocol):
    """Where a session is kept before it is hidden from the journal."""

    async def put(self, session: SessionId, journal: Journal) -> bool:
        """Keep what `journal` holds of `session`; done when that is durable.

        The same session at the same revision, put twice, is kept once. False: nothing is kept of
        it, as it may not be exported. Raises SessionNotFound, and ArchiveFailed: then the session
        is not hidden.
        """
        ...


class Timer(Protocol):
    """A call that is due later, and may be taken back."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Where time comes from. Calls made by `call_later` run on the loop."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970: for what people see. It may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""
        ...

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Run `call` once after `delay_s` seconds."""
        ...


class Calendar(Protocol):
    """What knows the calendars of people: which instants a cron expression means, and where."""

    def check(self, cron: str, zone: str) -> None:
        """Refuse what is no schedule, or no time zone. Raises InvalidInput and ExtraMissing."""
        ...

    def next_ms(self, cron: str, zone: str, after_ms: int) -> int | None:
        """The first instant later than `after_ms` (both UTC milliseconds), always the same one.

        None: there is none any more, or none is known here. It raises nothing.
        """
        ...


class Sink(Protocol):
    """Where a subscriber puts what it reads. One batch is under way at a time."""

    def deliver(self, items: Sequence[Item]) -> Awaitable[None] | None:
        """Take a batch, in order. The next one follows when the awaitable, if any, is done.

        What it raises is logged and counted, and delivery goes on with the next batch.
        """
        ...

    def close(self, error: Exception | None) -> None:
        """Nothing more comes: the session ended, the reader left, or `error` happened."""
        ...


Pipeline: TypeAlias = Callable[[Any], Any]
"""From a `Turn` to its outputs: an async generator function (streams), a coroutine function, or
a plain function (run in a thread of its own). Outputs are `str`, `TextDelta`, `ToolCall`,
`ToolResult`, `Message`, `PhaseChange`, and at last `RequestApproval`; a function that is no
generator returns one of them, a list, or None."""

Policy: TypeAlias = Literal[
    "enqueue", "reject", "interrupt", "rollback", "steer", "merge", "latest"
]
"""How a message meets a running turn.

enqueue: wait for it. reject: be refused. interrupt: end it and go first. rollback: the same, and
take what it was asked and has said out of the transcript. steer: be handed to it at its next safe
point, or else be the next turn. merge: join the sender's last waiting turn, or else wait. latest:
wait, in the place of all the sender's waiting turns."""
