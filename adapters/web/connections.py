"""The open streams of the house: how many there may be, and how all of them are told to end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from ...actors.errors import RuntimeClosed
from ...actors.ports import SessionId, UserId
from .errors import TooManyRequests
from .settings import WebSettings


class Drainable(Protocol):
    """An open stream, as who stops the server sees it."""

    def drain(self) -> None:
        """Tell the other end that the server is about to stop."""
        ...

    def end(self) -> None:
        """End: the server stops."""
        ...


class Connections:
    """Counts the streams that are open, of each principal and of each session; in `refused` those
    that were not let in, as `streams`.

    `begin_drain` tells each of them, and lets in no other one; `end` ends them.
    """

    def __init__(self, settings: WebSettings, refused: Counter[str] | None = None) -> None:
        self.draining = False
        self._refused = Counter() if refused is None else refused
        self._settings = settings
        self._open: set[Drainable] = set()
        self._ending = False
        self._none_left = asyncio.Event()
        self._users: Counter[UserId] = Counter()
        self._sessions: Counter[SessionId] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def admit(self, user: UserId, session: SessionId) -> Iterator[None]:
        """The place of one stream, while it is open.

        Raises RuntimeClosed once draining, and TooManyRequests.
        """
        if self.draining:
            raise RuntimeClosed("draining")
        settings = self._settings
        if self._users[user] >= settings.max_connections:
            self._refused["streams"] += 1
            raise TooManyRequests("open streams", settings.max_connections)
        if self._sessions[session] >= settings.max_subscribers:
            self._refused["streams"] += 1
            raise TooManyRequests("open streams", settings.max_subscribers, of="one session")
        self._users[user] += 1
        self._sessions[session] += 1
        try:
            yield
        finally:
            _less(self._users, user)
            _less(self._sessions, session)

    def add(self, stream: Drainable) -> None:
        """Have `stream` told when the server stops, at once if it does already."""
        self._open.add(stream)
        if self.draining:
            stream.drain()
        if self._ending:
            stream.end()

    def remove(self, stream: Drainable) -> None:
        """It has ended."""
        self._open.discard(stream)
        if not self._open:
            self._none_left.set()

    def begin_drain(self) -> None:
        """Tell every stream, and refuse all others. Doing so twice changes nothing."""
        if self.draining:
            return
        self.draining = True
        for stream in tuple(self._open):
            stream.drain()

    async def end(self, within_s: float) -> None:
        """Have every stream end, and wait for that, but no longer than it is said."""
        self._ending = True
        for stream in tuple(self._open):
            stream.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._open:
                    self._none_left.clear()
                    await self._none_left.wait()


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
