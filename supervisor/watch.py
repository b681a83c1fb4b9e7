"""A watcher's end of a session's frames: an iterator, on the loop or off it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ..actors.kernel.reply import Reply
from ..actors.session.frames import Frame
from ..actors.session.watch import FrameBuffer


class FrameWatch:
    """Frames of one session as they are accepted, pulled by one reader.

    `async for` on the loop; a plain `for` on any other thread.
    """

    def __init__(self, begun: Reply[None], buffer: FrameBuffer) -> None:
        self._buffer = buffer
        # A refused watch ends for whoever is pulling already.
        begun.on_done(self._on_answer)

    @property
    def dropped(self) -> int:
        """Frames that this watch has missed, as its buffer was full."""
        return self._buffer.dropped

    def close(self) -> None:
        """Stop watching. What has not been pulled yet is gone. Closing twice is harmless."""
        self._buffer.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        while isinstance(found := self._buffer.pull(), Reply):
            await found
        if found is None:
            raise StopAsyncIteration
        return found

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        while isinstance(found := self._buffer.pull(), Reply):
            found.get()
        if found is None:
            raise StopIteration
        return found

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

    def _on_answer(self, begun: Reply[None]) -> None:
        if isinstance(begun.error, Exception):
            self._buffer.end(begun.error)
