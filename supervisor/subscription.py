"""A reader's end of a subscription: an iterator, on the loop or off it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ..actors.kernel.reply import Reply
from ..actors.session.items import Item
from ..actors.sinks import IteratorSink
from ..actors.subscriber import SubscriberActor


class Subscription:
    """Items of one session's live log, pulled by one reader.

    `async for` on the loop; a plain `for` on any other thread. Ends with the session, or with the
    user's membership; raises what refused or broke it.
    """

    def __init__(self, reader: Reply[SubscriberActor], sink: IteratorSink) -> None:
        self._reader = reader
        self._sink = sink
        # A refused subscription ends for whoever is pulling already.
        reader.on_done(self._on_answer)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while True:
            item = self._sink.pull()
            if item is None:
                raise StopAsyncIteration
            if not isinstance(item, Reply):
                return item
            await item

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        while True:
            item = self._sink.pull()
            if item is None:
                raise StopIteration
            if not isinstance(item, Reply):
                return item
            item.get()

    def close(self) -> None:
        """Stop reading. What was handed over and not pulled yet is gone."""
        self._reader.on_done(_close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _on_answer(self, reader: Reply[SubscriberActor]) -> None:
        if isinstance(reader.error, Exception):
            self._sink.close(reader.error)


def _close(reader: Reply[SubscriberActor]) -> None:
    if reader.error is None:
        reader.result().close()
