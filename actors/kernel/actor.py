"""The actor: a pykka actor that runs when it has mail, and owns no thread."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, Self, TypeVar

import pykka
import structlog
from pykka import messages

from ..errors import MailboxClosed, OutcomeUnknown, WouldDeadlock, text_of, without_frames
from .dispatcher import Dispatcher
from .mailbox import CAPACITY, Mail, Mailbox
from .reply import Reply

A = TypeVar("A", bound="Actor")

log = structlog.get_logger()

_STOP: Final = messages._ActorStop
_PYKKA_MESSAGES: Final = frozenset(
    {_STOP, messages.ProxyCall, messages.ProxyGetAttr, messages.ProxySetAttr}
)


class Stopped:
    """The answer to pykka's question whether an actor has stopped, taken from its mailbox."""

    __slots__ = ("_mailbox",)

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def is_set(self) -> bool:
        return self._mailbox.closed


class Ref(pykka.ActorRef[A]):
    """pykka's reference to an actor, on greenroom's mailbox: usable from any thread.

    Unlike pykka's, it looks for a closed mailbox in the same step in which it queues, and never
    needs the actor itself.
    """

    actor_inbox: Mailbox  # type: ignore[assignment]

    def __init__(self, actor: A) -> None:
        self.actor_class = type(actor)
        self.actor_inbox = actor.actor_inbox

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        return self.actor_inbox.name

    @property
    def actor_stopped(self) -> Stopped:  # type: ignore[override]
        return Stopped(self.actor_inbox)

    def _actor_weakref(self) -> object:  # type: ignore[override]
        """What pykka's proxies call to look at the actor's attributes."""
        return self.actor_inbox.owner

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.actor_inbox is other.actor_inbox

    def __hash__(self) -> int:
        return hash(self.actor_inbox)

    def tell(self, message: Any) -> None:
        """Queue `message`; nobody hears of its outcome.

        Raises:
            MailboxClosed: the actor has stopped.
            Overloaded: its mailbox is full.
        """
        self.actor_inbox.put(Mail(message))

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Queue `message` and return its answer, or with `block=False` the `Reply`.

        `MailboxClosed` and `Overloaded` come as the answer, like every other error. With
        `block=True`, raises `WouldDeadlock` on the thread that runs the actors; then nothing is
        queued.
        """
        if block:
            self._refuse_to_deadlock()
        box = self.actor_inbox
        reply: Reply[Any] = Reply(box.dispatcher, None, True)
        try:
            box.put(Mail(message, reply))
        except Exception as error:
            reply.set_error(error)
        return reply.get(timeout=timeout) if block else reply

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Stop the actor before it takes another command: True, or False if it had stopped."""
        if block:
            self._refuse_to_deadlock()
        reply: Reply[bool] = Reply(self.actor_inbox.dispatcher)
        try:
            self.actor_inbox.put_system(Mail(_STOP(), reply_to=reply))
        except MailboxClosed:
            reply.set(False)
        return reply.get(timeout=timeout) if block else reply

    def _refuse_to_deadlock(self) -> None:
        dispatcher = self.actor_inbox.dispatcher
        if dispatcher is not None and dispatcher.is_current():
            raise WouldDeadlock


class Actor(pykka.Actor):
    """A pykka actor whose mailbox is run by a dispatcher.

    Subclasses implement `on_receive` as for pykka, or `handle` to answer later than they return.
    An exception in a handler, of any kind and under tell as under ask, is answered to the caller
    and handed to `on_failure`; then the actor stops. No other actor notices.

    Actors are not in pykka's registry, which is a list: leaving it costs 7.9 ms among 100,000.
    """

    actor_inbox: Mailbox  # type: ignore[assignment]

    def __init__(
        self,
        dispatcher: Dispatcher | None = None,
        *,
        mailbox: Mailbox | None = None,
        name: str | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        # Not pykka's __init__: it makes a threading.Event (1.2 KB) and a UUID for each actor.
        self.actor_inbox = mailbox or Mailbox(
            dispatcher, name=name or type(self).__name__, capacity=capacity
        )

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Ref[Self]:
        """Build the actor, let it run `on_start`, and have its mailbox delivered to it."""
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    @property
    def actor_ref(self) -> Ref[Self]:
        """A reference to this actor."""
        return Ref(self)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        return self.actor_inbox.name

    @property
    def actor_stopped(self) -> Stopped:  # type: ignore[override]
        return Stopped(self.actor_inbox)

    @staticmethod
    def _create_actor_inbox() -> Mailbox:  # type: ignore[override]
        return Mailbox()  # pykka gives no arguments; an actor builds its own with its dispatcher

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    def _start_actor_loop(self) -> None:
        try:
            self.on_start()
        except BaseException as error:
            self._fail(error)
        else:
            self.actor_inbox.attach(self)

    def stop(self) -> None:
        """Stop before the next command."""
        self.actor_inbox.put_system(Mail(_STOP()))

    def process(self, mail: Mail) -> None:
        """Handle one message and contain whatever comes of it, as the mailbox does."""
        try:
            self.handle(mail)
        except BaseException as error:
            self.contain(mail, error)

    def handle(self, mail: Mail) -> None:
        """Handle one message and answer it with what `on_receive` returns."""
        message, reply = mail.message, mail.reply_to
        if type(message) in _PYKKA_MESSAGES:
            answer = self._handle_receive(message)
            if type(message) is _STOP:
                answer = True
        else:
            answer = self.on_receive(message)
        if reply is not None:
            reply.set(answer)

    def contain(self, mail: Mail, error: BaseException) -> None:
        """Stop, and answer whoever asked. pykka's own loop would stop every actor of the process
        for a BaseException."""
        self._fail(error)
        if mail.reply_to is not None:
            mail.reply_to.set_error(self._told(error))

    def _stop(self) -> None:
        try:
            self.on_stop()
        except BaseException as error:
            self._report(error)
        self.actor_inbox.close()

    def _fail(self, error: BaseException) -> None:
        self._report(error)
        try:
            self.on_failure(type(error), error, error.__traceback__)
        except BaseException as second:
            self._report(second)
        without_frames(error)
        self.actor_inbox.close()

    def _told(self, error: BaseException) -> Exception:
        """What the caller hears of `error`: SystemExit or CancelledError would end its task."""
        if isinstance(error, Exception):
            return error
        unknown = OutcomeUnknown(self.actor_urn, why=text_of(error))
        unknown.__cause__ = error
        return unknown

    def _report(self, error: BaseException) -> None:
        with suppress(BaseException):  # whoever asked is answered, and the mailbox closed, anyway
            log.error("actor_failed", actor=self.actor_urn, error=text_of(error), exc_info=error)
