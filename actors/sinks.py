"""Where subscribers put what they read: an iterator to pull, or a function to call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from .errors import text_of
from .kernel.dispatcher import Dispatcher
from .kernel.reply import Reply
from .kernel.tally import Tally
from .session.items import Item

log = structlog.get_logger()


HOLD: Final = 64
"""Items in hand with which an iterator takes no more before its reader has pulled all of them."""


class IteratorSink:
    """Holds the last batches until its reader has pulled them: at most `HOLD` items and a batch.

    A reader that keeps up is handed events without telling the subscriber of each one.
    `next` is for one reader at a time, on the loop or on any other thread.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._batch: deque[Item] = deque()
        self._pulled: Reply[None] | None = None
        self._wanted: Reply[bool] | None = None
        self._closed = False
        self._error: Exception | None = None

    def deliver(self, items: Sequence[Item]) -> Awaitable[None] | None:
        pulled: Reply[None] | None = None
        if len(self._batch) + len(items) >= HOLD:
            # There before the items are: a reader on another thread may have them all at once.
            pulled = self._pulled = Reply(self._dispatcher)
        self._batch.extend(items)
        self._tell_reader()
        return pulled

    def close(self, error: Exception | None) -> None:
        self._closed, self._error = True, error
        self._tell_reader()

    def pull(self) -> Item | Reply[bool] | None:
        """The next item; a reply to wait for before the next pull; or None: it is over.

        Raises what ended the subscription, if an error did.
        """
        wanted = self._wanted
        if wanted is None:
            # Asked before looking: whatever is delivered from here on answers it.
            wanted = self._wanted = Reply(self._dispatcher)
        # Before the batch: another thread may deliver the last one, and close, between the two.
        closed = self._closed
        batch = self._batch
        if batch:
            item = batch.popleft()
            if not batch and (pulled := self._pulled) is not None:
                self._pulled = None
                pulled.set(None)
            return item
        if not closed:
            if wanted.done:
                self._wanted = None
                return self.pull()
            return wanted
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return None

    def _tell_reader(self) -> None:
        if (wanted := self._wanted) is not None:
            wanted.set(True)


class CallbackSink:
    """Calls a function for each item, in order; what it returns is awaited if it can be.

    An exception is logged and counted, and the next item follows. `on_failure` hears of the first
    one only: what it tells of may come back to this very callback.
    """

    failures: Final = Tally()
    """How often any callback has raised."""

    def __init__(
        self,
        callback: Callable[[Item], Any],
        on_close: Callable[[Exception | None], None],
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._callback = callback
        self._on_close = on_close
        self._on_failure: Callable[[str], None] | None = on_failure
        self._closed = False

    def deliver(self, items: Sequence[Item]) -> Awaitable[None] | None:
        for index, item in enumerate(items):
            result = self._call(item)
            # The result is looked at, not the function: an object with an async __call__ is no
            # coroutine function, and its events were lost (spec RX20).
            # Most return None, and asking an abstract class takes 0.2 us of the 2 of a delivery.
            if result is not None and isinstance(result, Awaitable):
                return self._finish(result, items[index + 1 :])
        return None

    def close(self, error: Exception | None) -> None:
        self._closed = True
        self._on_close(error)

    async def _finish(self, first: Awaitable[Any], rest: Sequence[Item]) -> None:
        await self._settle(first)
        for item in rest:
            if self._closed:
                return
            result = self._call(item)
            if isinstance(result, Awaitable):
                await self._settle(result)

    def _call(self, item: Item) -> Any:
        try:
            return self._callback(item)
        except BaseException as error:
            self._count(error)
            return None

    async def _settle(self, result: Awaitable[Any]) -> None:
        try:
            await result
        except BaseException as error:
            if told_to_stop():
                raise asyncio.CancelledError from None
            self._count(error)

    def _count(self, error: BaseException) -> None:
        CallbackSink.failures.add()
        with suppress(BaseException):  # a log that fails must not keep the reader from the rest
            log.error("subscriber_failed", error=text_of(error), exc_info=error)
        on_failure, self._on_failure = self._on_failure, None
        if on_failure is not None:
            on_failure(text_of(error))


def told_to_stop() -> bool:
    """Whether the running task is cancelled, and not just something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
