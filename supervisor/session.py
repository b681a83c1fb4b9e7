"""The handle a program holds of a session: one method per command."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ..actors.errors import InvalidInput
from ..actors.kernel.reply import Reply
from ..actors.ports import Policy, SessionId, UserId
from ..actors.session import values
from ..actors.session.answers import (
    CancelReceipt,
    HistoryPage,
    JoinReceipt,
    Receipt,
    SessionInfo,
    SessionSnapshot,
    TurnResult,
    TurnTicket,
)
from ..actors.session.commands import (
    Acknowledge,
    Act,
    AddMemory,
    Approve,
    Command,
    Deny,
    End,
    Interrupt,
    Join,
    Leave,
    Pause,
    Post,
    Resume,
    Send,
    Start,
    TransferHost,
    UpdateContext,
)
from ..actors.session.cursor import Cursor, parse
from ..actors.session.events import KINDS, DeliveryFailed, PresenceChanged
from ..actors.session.items import Item
from ..actors.session.messages import (
    AwaitTurn,
    GetHistory,
    GetInfo,
    GetSnapshot,
    GetTranscript,
    Keyed,
    Present,
    ReportFailure,
    RequireMember,
    Subscribe,
)
from ..actors.session.transcript import Line
from ..actors.sinks import CallbackSink, IteratorSink
from ..actors.subscriber import SubscriberActor
from .replay import Replay, pace
from .subscription import Subscription

if TYPE_CHECKING:
    from .runtime import Runtime

T = TypeVar("T")

MAX_PAGE: Final = 1000
"""Events of history that may be asked for at once."""

MAX_DATA_BYTES: Final = 4 << 20
"""Of an action's data, or of one patch of shared context, as it is journaled: well below what a
journal takes at once, so that no caller's data can fail a write."""


class Session:
    """A session, wherever it is just now: on stage, or passivated and woken by the next call.

    Every method queues its command at once, from any thread, and returns a `Reply`: `await` it
    on the loop, or `get()` it from another thread. Commands of one caller are handled in the order
    of its calls. A reply comes when what it tells is durable.

    Every reply may raise `SessionNotFound`, `CapacityError` (no slot to wake it), `Overloaded`,
    `RuntimeClosed`, `SessionClosed`, `SessionParked` and `OutcomeUnknown`, beside the refusals
    named with each method. `InvalidInput` is raised by the call itself.

    A command that takes a `key` may be sent again under the same one, when its outcome is not
    known: it is done once, and gives its first answer, for `key_ttl_ms`, also after a restart.
    Another command under the same key is refused with `IdempotencyConflict`. A command that was
    refused, or has changed nothing, leaves its key unused.
    """

    __slots__ = ("_runtime", "id")

    def __init__(self, runtime: Runtime, session: SessionId) -> None:
        self._runtime = runtime
        self.id = session

    def __repr__(self) -> str:
        return f"<Session {self.id}>"

    # --- life ---

    def start(self, user: UserId) -> Reply[Receipt]:
        """Open a created session for messages. Refused: NotHost, WrongState."""
        return self._ask(Start(by=values.name(user, "user")))

    def pause(self, user: UserId) -> Reply[Receipt]:
        """Take no messages for a while; queued turns wait. Refused: NotHost, WrongState."""
        return self._ask(Pause(by=values.name(user, "user")))

    def resume(self, user: UserId) -> Reply[Receipt]:
        """Take messages again. Refused: NotHost, WrongState."""
        return self._ask(Resume(by=values.name(user, "user")))

    def end(self, user: UserId) -> Reply[Receipt]:
        """End the session for good; its turns are cancelled, its readers see the end.

        Ending an ended session changes nothing. Refused: NotHost.
        """
        return self._ask(End(by=values.name(user, "user")))

    # --- people ---

    def join(
        self,
        user: UserId,
        *,
        name: str | None = None,
        role: str = "participant",
        key: str | None = None,
    ) -> Reply[JoinReceipt]:
        """Come in, or ask to, if the session needs approval; the receipt tells which.

        `role` is `participant`, `observer` (may only read), or one the session defines. Joining
        again changes nothing. Refused: SessionEnded, BadRole, JoinClosed, SessionFull.
        """
        user = values.name(user, "user")
        shown = user if name is None else values.name(name, "name")
        return self._do(Join(user=user, name=shown, role=values.name(role, "role")), key)

    def approve(self, host: UserId, user: UserId) -> Reply[Receipt]:
        """Let in a user who has asked. Refused: NotHost, NotPending, SessionFull, SessionEnded."""
        return self._ask(Approve(by=values.name(host, "host"), user=values.name(user, "user")))

    def deny(self, host: UserId, user: UserId) -> Reply[Receipt]:
        """Turn down a user who has asked. Refused: NotHost, NotPending, SessionEnded."""
        return self._ask(Deny(by=values.name(host, "host"), user=values.name(user, "user")))

    def transfer_host(self, host: UserId, to: UserId) -> Reply[Receipt]:
        """Hand the session over to another participant. Refused: NotHost, NotMember, SessionEnded.

        The former host stays, as a participant.
        """
        return self._ask(TransferHost(by=values.name(host, "host"), to=values.name(to, "to")))

    def present(
        self,
        user: UserId,
        *,
        active: bool = True,
        cursor: str | None = None,
        focus: str | None = None,
    ) -> None:
        """Tell the others where `user` is just now; a burst is published as its newest.

        Presence is never journaled, wakes no session and keeps none awake; of somebody who is no
        participant it is ignored.
        """
        presence = PresenceChanged(
            user=values.name(user, "user"),
            active=bool(active),
            cursor=None if cursor is None else values.text(cursor, "cursor", 1024),
            focus=None if focus is None else values.text(focus, "focus", 1024),
        )
        self._runtime.tell_resident(self.id, Present(presence))

    def leave(self, user: UserId) -> Reply[Receipt]:
        """Go. A host hands over to the participant who joined first; the last one out ends it.

        The user's subscriptions end with this. Refused: NotMember.
        """
        return self._ask(Leave(user=values.name(user, "user")))

    # --- messages and turns ---

    def post(self, user: UserId, text: str, *, key: str | None = None) -> Reply[Receipt]:
        """Say something that needs no answer. Refused: NotMember, NotAllowed, WrongState."""
        post = Post(user=values.name(user, "user"), text=values.text(text, "text"))
        return self._do(post, key)

    def send(
        self, user: UserId, text: str, *, policy: Policy = "enqueue", key: str | None = None
    ) -> Reply[Turn]:
        """Say something and have the pipeline answer. The reply: the turn is accepted, durably.

        `policy`, if a turn is running: `enqueue` waits for it, `reject` is refused with
        `TurnBusy`, `interrupt` ends it as superseded. Refused also: NotMember, NotAllowed,
        WrongState, TurnQueueFull, NoPipeline.
        """
        if policy not in ("enqueue", "reject", "interrupt"):
            raise InvalidInput("policy", policy, "'enqueue', 'reject' or 'interrupt'")
        user, text = values.name(user, "user"), values.text(text, "text")
        to = partial(Turn, self, user)
        return self._do(Send(user=user, text=text, policy=policy), key, to)

    def interrupt(self, user: UserId, turn: int | None = None) -> Reply[CancelReceipt]:
        """Cancel a running or queued turn; without `turn`, the one that is running.

        The receipt tells who was first. After `won`, nothing more of the turn is seen anywhere.
        Refused: NotMember, NotAllowed.
        """
        if turn is not None and (type(turn) is not int or turn < 1):
            raise InvalidInput("turn", turn, "a turn's number, from 1")
        return self._ask(Interrupt(user=values.name(user, "user"), turn=turn))

    def result(self, turn: int) -> Reply[TurnResult]:
        """How a turn ended, when it has. Refused: TurnNotFound (also if it ended long ago)."""
        return self._ask(AwaitTurn(turn))

    # --- shared data ---

    def act(
        self, user: UserId, action: str, data: dict[str, Any] | None = None, key: str | None = None
    ) -> Reply[Receipt]:
        """Do something that is no message; `data` is copied, and may not name `action_type`.

        Allowed in every state but ended. Refused: NotMember, NotAllowed, SessionEnded.
        """
        copied = _data({} if data is None else data, "data")
        if "action_type" in copied:
            raise InvalidInput("data", data, "a dict without the key action_type")
        act = Act(user=values.name(user, "user"), action=values.name(action, "action"), data=copied)
        return self._do(act, key)

    def update_context(
        self,
        user: UserId,
        patch: dict[str, Any],
        *,
        expected_version: int | dict[str, int] | None = None,
        if_absent: bool = False,
        key: str | None = None,
    ) -> Reply[Receipt]:
        """Merge `patch` into the shared context, by RFC 7396: None removes a key.

        The last writer of a key wins. With `expected_version`, a revision (or one for each key),
        it is refused with `VersionConflict` if a key was changed after that (of several, also of
        keys that are only named there; one that is not was never to be changed); with `if_absent`
        keys that are there are left alone. Values come back exactly as given, or are refused.
        Refused also: NotMember, NotAllowed, SessionEnded.
        """
        copied = _data(patch, "patch")
        if not copied:
            raise InvalidInput("patch", patch, "a dict with at least one key")
        update = UpdateContext(
            user=values.name(user, "user"),
            patch=copied,
            expected=_versions(expected_version),
            if_absent=if_absent,
        )
        return self._do(update, key)

    def add_memory(self, user: UserId, memory: str, *, key: str | None = None) -> Reply[Receipt]:
        """Share a memory, by its id; one that is shared already changes nothing.

        Refused: NotMember, NotAllowed, SessionEnded.
        """
        memory = values.name(memory, "memory")
        return self._do(AddMemory(user=values.name(user, "user"), memory=memory), key)

    def acknowledge(self, user: UserId, revision: int) -> Reply[Receipt]:
        """Say that `user` has seen every event up to `revision`. Refused: NotMember."""
        revision = _revision(revision, "revision")
        return self._ask(Acknowledge(user=values.name(user, "user"), revision=revision))

    # --- reading ---

    def info(self) -> Reply[SessionInfo]:
        """The session at a glance."""
        return self._ask(GetInfo())

    def transcript(self, user: UserId) -> Reply[tuple[Line, ...]]:
        """What was said and called, oldest first, as a model must see it. Refused: NotMember."""
        return self._ask(GetTranscript(values.name(user, "user")))

    def snapshot(self, user: UserId) -> Reply[SessionSnapshot]:
        """The whole state, and exactly the cursor from which to go on. Refused: NotMember."""
        return self._ask(GetSnapshot(values.name(user, "user")))

    def history(self, user: UserId, *, since: int = 0, limit: int = 100) -> Reply[HistoryPage]:
        """Up to `limit` (at most 1,000) events of room history after number `since`, oldest first.

        The page says when what was asked for is no longer retained. Refused: NotMember.
        """
        _revision(since, "since")
        if type(limit) is not int or not 0 <= limit <= MAX_PAGE:
            raise InvalidInput("limit", limit, f"0 to {MAX_PAGE}")
        return self._ask(GetHistory(values.name(user, "user"), since, limit))

    def replay(self, user: UserId, *, speed: float = 1.0, since: int = 0) -> Replay:
        """The room history after number `since` again, paced as it happened, as an async iterator.

        It begins with the oldest event that is retained and ends with the newest there is when the
        first one is asked for, whatever the room cuts meanwhile. Between two events it waits for
        the time that lay between them, divided by `speed`, and 2 s at most. Raises NotMember at the
        next event if the user is, or has become, no participant.
        """
        return Replay(
            self._ask,
            values.name(user, "user"),
            clock=self._runtime.clock,
            speed=pace(speed),
            since=_revision(since, "since"),
        )

    def require_member(self, user: UserId) -> Reply[None]:
        """Whether `user` takes part: None, or refused with NotMember."""
        return self._ask(RequireMember(values.name(user, "user")))

    def events(
        self, user: UserId, *, after: str | None = None, kinds: Iterable[str] | None = None
    ) -> Subscription:
        """What happens in the session, as an async (or, off the loop, plain) iterator of items.

        `after` is a cursor, `START`, or None for what is published from now on: reading begins
        with this call, not with the first item. Each item is `Published`, or a `Gap` where
        something is missing; its `cursor` goes on after it. A slow reader costs no memory, and
        finds a gap when it falls too far behind. The iterator ends when the session does, or when
        the user leaves it; `close` it (or use `async with`) to stop earlier. With `kinds`, such as
        `("message.posted", "turn.ended")`, only these events are given, and all gaps; cursors are
        the same.

        Raises InvalidCursor and WrongSession; the first item raises NotMember.
        """
        user = values.name(user, "user")
        cursor = self._cursor(after)
        sink = IteratorSink(self._runtime.dispatcher)
        return Subscription(self._ask(Subscribe(user, sink, cursor, _kinds(kinds))), sink)

    def subscribe(
        self,
        user: UserId,
        callback: Callable[[Item], Any],
        *,
        after: str | None = None,
        kinds: Iterable[str] | None = None,
        on_close: Callable[[Exception | None], None] = lambda _: None,
    ) -> Reply[SubscriberActor]:
        """Call `callback` with each item, on the loop, in order; awaited if it returns awaitables.

        It is called with one item at a time; if it raises, that is logged, the room hears of it
        once (`error.delivery`), and the next item follows. `on_close` hears of the end, with the
        error if there was one. The reply's `close()` stops it. Cursors, kinds, gaps and refusals
        as for `events`.
        """
        user = values.name(user, "user")
        sink = CallbackSink(callback, on_close, partial(self._report_failure, user))
        return self._ask(Subscribe(user, sink, self._cursor(after), _kinds(kinds)))

    def _report_failure(self, user: UserId, reason: str) -> None:
        failure = DeliveryFailed(user=user, reason=reason)
        self._runtime.tell_resident(self.id, ReportFailure(failure))

    def _cursor(self, after: str | None) -> Cursor | None:
        return None if after is None else parse(after, self.id)

    def _do(
        self, command: Command, key: str | None, to: Callable[[Any], Any] | None = None
    ) -> Reply[Any]:
        """Queue a command that adds something, under its idempotency key if it has one."""
        if key is None:
            return self._ask(command, to)
        return self._ask(Keyed(values.name(key, "key"), command), to)

    def _ask(self, message: object, to: Callable[[Any], Any] | None = None) -> Reply[Any]:
        return self._runtime.ask(self.id, message, to)


class Turn:
    """A turn that was accepted: `id` counts a session's turns from 1.

    `ahead` turns must end before it starts.
    """

    __slots__ = ("_session", "_user", "ahead", "id")

    def __init__(self, session: Session, user: UserId, ticket: TurnTicket) -> None:
        self._session = session
        self._user = user
        self.id = ticket.turn
        self.ahead = ticket.ahead

    def __repr__(self) -> str:
        return f"<Turn {self.id} of session {self._session.id}>"

    def result(self) -> Reply[TurnResult]:
        """How the turn ended, when it has. A turn that failed is a result, not an exception."""
        return self._session.result(self.id)

    def cancel(self) -> Reply[CancelReceipt]:
        """Cancel it in the name of its sender, running or queued."""
        return self._session.interrupt(self._user, self.id)


def _kinds(names: Iterable[str] | None) -> frozenset[type] | None:
    """The kinds of events with these names. Raises InvalidInput."""
    if names is None:
        return None
    wanted = [names] if isinstance(names, str) else list(names)
    for kind in wanted:
        if kind not in KINDS:
            raise InvalidInput("kinds", kind, f"of {', '.join(sorted(KINDS))}")
    return frozenset(KINDS[kind] for kind in wanted)


def _versions(expected: int | dict[str, int] | None) -> int | dict[str, int] | None:
    """A copy of what somebody expects to find. Raises InvalidInput."""
    if expected is None:
        return None
    if type(expected) is dict:
        return {
            values.text(key, "a key of expected_version"): _revision(version, "expected_version")
            for key, version in expected.items()
        }
    return _revision(expected, "expected_version")


def _revision(value: Any, field: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise InvalidInput(field, value, "a revision, from 0")
    return value


def _data(value: Any, field: str) -> dict[str, Any]:
    """A copy of a dict of plain data that one event can hold. Raises InvalidInput."""
    copied = values.plain(value, field)
    if type(copied) is not dict:
        raise InvalidInput(field, value, "a dict")
    size = len(msgspec.msgpack.encode(copied))
    if size > MAX_DATA_BYTES:
        raise InvalidInput(field, f"{size} bytes", f"at most {MAX_DATA_BYTES} bytes, encoded")
    return copied
