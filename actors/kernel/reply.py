"""The answer to an ask: `await` it on the loop, `get()` it from any other thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar, cast

import pykka
import structlog

from ..errors import ReplyTimeout, WouldDeadlock, text_of, without_frames
from .dispatcher import Dispatcher
from .tally import Tally

T = TypeVar("T")

log = structlog.get_logger()


class Reply(pykka.Future[T], Generic[T]):
    """One value or one error, set once by the actor; later sets are ignored and counted.

    `await reply` works on any running event loop, as often as wanted. `reply.get(timeout=s)`
    blocks any thread but the one that runs the actors, where it raises `WouldDeadlock` at once.
    `soon` says that the answer will most likely need nothing but the actor; it is quicker then.
    pykka's combinators return futures that only work by pulling, and are not offered.
    """

    # pykka.Future has instance attributes for its pull hook; class attributes spare every reply
    # two slots and the call of its __init__.
    _get_hook = None
    _abandoned = False
    late_sets: Final = Tally()
    """How often any reply was set a second time. A caller that gave up makes that normal."""

    def __init__(
        self,
        dispatcher: Dispatcher | None = None,
        to: Callable[[Any], T] | None = None,
        soon: bool = False,
    ) -> None:
        # By place where asks are made: by keyword they take 370 ns to make a reply, by place 210.
        self._dispatcher = dispatcher
        self._soon = soon
        self._to = to
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Reply[T]], None]] = []

    def __repr__(self) -> str:
        return f"<Reply {'done' if self._done else 'pending'}>"

    @property
    def done(self) -> bool:
        """Whether the value or the error is there."""
        return self._done

    @property
    def error(self) -> BaseException | None:
        """The error it was set to, or None; None while it is pending."""
        return self._error

    @property
    def abandoned(self) -> bool:
        """Whether somebody has waited for it and given up, and nobody waits any more."""
        return self._abandoned and not self._callbacks and not self._done

    def set(self, value: Any = None) -> None:
        """Answer with `value` and wake everyone who waits. Ignored if already answered."""
        if self._done:
            Reply.late_sets.add()
            return
        self._value = value
        self._done = True
        if self._callbacks:
            self._run_callbacks()

    def set_error(self, error: BaseException) -> None:
        """Answer with `error`, its frames dropped. Ignored if already answered."""
        if self._done:
            Reply.late_sets.add()
            return
        self._error = without_frames(error)
        self._done = True
        if self._callbacks:
            self._run_callbacks()

    def set_exception(self, exc_info: Any = None) -> None:
        """pykka's way to answer with the exception being handled."""
        error = (exc_info or sys.exc_info())[1]
        self.set_error(error if error is not None else RuntimeError("no exception to answer with"))

    def on_done(self, callback: Callable[[Reply[T]], None]) -> None:
        """Call `callback(reply)` once answered, on the thread that answers; at once if it is."""
        # Appended before looking: `set` marks done before it looks at the list, so whichever of the
        # two threads comes second sees the other's write.
        self._callbacks.append(callback)
        if self._done:
            self._run_callbacks()

    def get(self, *, timeout: float | None = None) -> T:
        """Block until answered, at most `timeout` seconds.

        Raises:
            WouldDeadlock: called on the actors' own thread before the answer is there.
            ReplyTimeout: no answer in time; the command may still be handled.
        """
        if not self._done:
            if self._dispatcher is not None and self._dispatcher.is_current():
                raise WouldDeadlock
            answered = threading.Lock()  # an Event takes 2.6 us to make, and waiting for it more
            answered.acquire()

            def wake(_: Reply[T]) -> None:
                answered.release()

            self.on_done(wake)
            if not answered.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
                self._forget(wake)
                raise ReplyTimeout(cast("float", timeout))
        return self.result()

    def result(self) -> T:
        """The value, or the error raised. Only for a reply that is done."""
        if self._error is not None:
            raise self._error.with_traceback(None)  # each raise would add its caller's frames
        return cast("T", self._value if self._to is None else self._to(self._value))

    def __await__(self) -> Generator[Any, None, T]:
        dispatcher = self._dispatcher
        if self._soon and not self._done and dispatcher is not None and dispatcher.is_current():
            # The pass that runs the actor was scheduled before this task is: what needs nothing
            # but the actor is answered when the task goes on. Through a future it would go on a
            # turn of the loop later: an awaited ask takes 10.8 us so, and 7.2 us like this. What
            # needs a thread is better not done so: the turn contends with that thread (15 % of
            # a post to SQLite).
            self._soon = False  # who comes next waits on a future, and so is seen: `abandoned`
            try:
                yield
            except BaseException:
                self._abandoned = True
                raise
        if not self._done:
            yield from self._wait()
        return self.result()

    __iter__ = __await__

    def _wait(self) -> Generator[Any, None, None]:
        """Wait until answered, on whatever loop runs."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        home = threading.get_ident()

        def wake(_: Reply[T]) -> None:
            if threading.get_ident() == home:
                _release(waiter)
            else:
                loop.call_soon_threadsafe(_release, waiter)

        self.on_done(wake)
        try:
            yield from waiter
        except BaseException:
            self._forget(wake)
            raise

    def _run_callbacks(self) -> None:
        callbacks = self._callbacks
        while callbacks:
            try:
                callback = callbacks.pop(0)
            except IndexError:  # another thread took the last one
                return
            try:
                callback(self)
            except BaseException as error:
                with suppress(BaseException):
                    log.error("reply_callback_failed", error=text_of(error))

    def _forget(self, callback: Callable[[Reply[T]], None]) -> None:
        """Drop the callback of a caller that gave up, unless it is being called."""
        self._abandoned = True
        with suppress(ValueError):
            self._callbacks.remove(callback)

    def _not_offered(self, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError("a Reply has no combinators: await it, or get() it")

    set_get_hook = filter = join = map = reduce = _not_offered


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
