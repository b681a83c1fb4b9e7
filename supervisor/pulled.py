"""A reader's end of something: an iterator, on the loop or off it."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from ..actors.kernel.reply import Reply

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """What a reader pulls from."""

    def pull(self) -> T_co | Reply[bool] | None:
        """The next one; a reply to wait for before the next pull; or None: it is over."""
        ...


class Pulled(Generic[T]):
    """Pulled by one reader: `async for` on the loop, a plain `for` on any other thread."""

    def __init__(self, source: Source[T]) -> None:
        self._source = source

    def close(self) -> None:
        """Stop reading. What has not been pulled yet is gone. Closing twice is harmless."""
        raise NotImplementedError

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while isinstance(found := self._source.pull(), Reply):
            await found
        if found is None:
            raise StopAsyncIteration
        return found

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        while isinstance(found := self._source.pull(), Reply):
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
