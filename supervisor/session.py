"""The handle a program holds of a session: one method per command."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..actors.errors import InvalidInput
from ..actors.kernel.reply import Reply
from ..actors.ports import Policy, SessionId, UserId
from ..actors.session import values
from ..actors.session.answers import (
    CancelReceipt,
    JoinReceipt,
    Receipt,
    SessionInfo,
    TurnResult,
    TurnTicket,
)
from ..actors.session.commands import (
    Approve,
    End,
    Interrupt,
    Join,
    Leave,
    Pause,
    Post,
    Resume,
    Send,
    Start,
)
from ..actors.session.cursor import Cursor, parse
from ..actors.session.live import Item
from ..actors.session.messages import AwaitTurn, GetHistory, GetInfo, Subscribe
from ..actors.session.transcript import Line
from ..actors.sinks import CallbackSink, IteratorSink
from ..actors.subscriber import SubscriberActor
from .subscription import Subscription

if TYPE_CHECKING:
    from .runtime import Runtime

T = TypeVar("T")


class Session:
    """A session, wherever it is just now: on stage, or passivated and woken by the next call.

    Every method queues its command at once, from any thread, and returns a `Reply`: `await` it
    on the loop, or `get()` it from another thread. Commands of one caller are handled in the order
    of its calls. A reply comes when what it tells is durable.

    Every reply may raise `SessionNotFound`, `CapacityError` (no slot to wake it), `Overloaded`,
    `RuntimeClosed`, `SessionClosed`, `SessionParked` and `OutcomeUnknown`, beside the refusals
    named with each method. `InvalidInput` is raised by the call itself.
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
        role: Literal["participant", "observer"] = "participant",
    ) -> Reply[JoinReceipt]:
        """Come in, or ask to, if the session needs approval; the receipt tells which.

        Joining again changes nothing. Refused: SessionEnded, JoinClosed, SessionFull.
        """
        if role not in ("participant", "observer"):
            raise InvalidInput("role", role, "'participant' or 'observer'")
        user = values.name(user, "user")
        shown = user if name is None else values.name(name, "name")
        return self._ask(Join(user=user, name=shown, role=role))

    def approve(self, host: UserId, user: UserId) -> Reply[Receipt]:
        """Let in a user who has asked. Refused: NotHost, NotPending, SessionFull, SessionEnded."""
        return self._ask(Approve(by=values.name(host, "host"), user=values.name(user, "user")))

    def leave(self, user: UserId) -> Reply[Receipt]:
        """Go. A host hands over to the participant who joined first; the last one out ends it.

        The user's subscriptions end with this. Refused: NotMember.
        """
        return self._ask(Leave(user=values.name(user, "user")))

    # --- messages and turns ---

    def post(self, user: UserId, text: str) -> Reply[Receipt]:
        """Say something that needs no answer. Refused: NotMember, NotAllowed, WrongState."""
        return self._ask(Post(user=values.name(user, "user"), text=values.text(text, "text")))

    def send(self, user: UserId, text: str, *, policy: Policy = "enqueue") -> Reply[Turn]:
        """Say something and have the pipeline answer. The reply: the turn is accepted, durably.

        `policy`, if a turn is running: `enqueue` waits for it, `reject` is refused with
        `TurnBusy`, `interrupt` ends it as superseded. Refused also: NotMember, NotAllowed,
        WrongState, TurnQueueFull, NoPipeline.
        """
        if policy not in ("enqueue", "reject", "interrupt"):
            raise InvalidInput("policy", policy, "'enqueue', 'reject' or 'interrupt'")
        user, text = values.name(user, "user"), values.text(text, "text")
        to = partial(Turn, self, user)
        return self._ask(Send(user=user, text=text, policy=policy), to)

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

    # --- reading ---

    def info(self) -> Reply[SessionInfo]:
        """The session at a glance."""
        return self._ask(GetInfo())

    def history(self, user: UserId) -> Reply[tuple[Line, ...]]:
        """The transcript, oldest first. Refused: NotMember."""
        return self._ask(GetHistory(values.name(user, "user")))

    def events(self, user: UserId, *, after: str | None = None) -> Subscription:
        """What happens in the session, as an async (or, off the loop, plain) iterator of items.

        `after` is a cursor, `START`, or None for what is published from now on: reading begins
        with this call, not with the first item. Each item is `Published`, or a `Gap` where
        something is missing; its `cursor` goes on after it. A slow reader costs no memory, and
        finds a gap when it falls too far behind. The iterator ends when the session does, or when
        the user leaves it; `close` it (or use `async with`) to stop earlier.

        Raises InvalidCursor and WrongSession; the first item raises NotMember.
        """
        user = values.name(user, "user")
        cursor = self._cursor(after)
        sink = IteratorSink(self._runtime.dispatcher)
        return Subscription(self._ask(Subscribe(user, sink, cursor)), sink)

    def subscribe(
        self,
        user: UserId,
        callback: Callable[[Item], Any],
        *,
        after: str | None = None,
        on_close: Callable[[Exception | None], None] = lambda _: None,
    ) -> Reply[SubscriberActor]:
        """Call `callback` with each item, on the loop, in order; awaited if it returns awaitables.

        It is called with one item at a time; if it raises, that is logged and the next one
        follows. `on_close` hears of the end, with the error if there was one. The reply's
        `close()` stops it. Cursors, gaps and refusals as for `events`.
        """
        sink = CallbackSink(callback, on_close)
        return self._ask(Subscribe(values.name(user, "user"), sink, self._cursor(after)))

    def _cursor(self, after: str | None) -> Cursor | None:
        return None if after is None else parse(after, self.id)

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
