"""The open streams of the house: how many there may be, and how all of them are told to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ...actors.errors import RuntimeClosed
from ...actors.ports import SessionId, UserId
from .errors import TooManyRequests
from .settings import WebSettings


class Drainable(Protocol):
    """An open stream, as who stops the server sees it."""

    def drain(self) -> None:
        """Tell the other end that the server stops, and end soon."""
        ...


class Connections:
    """Counts the streams that are open, of each principal and of each session; in `refused` those
    that were not let in, as `streams`.

    `begin_drain` tells each of them to end, and lets in no other one.
    """

    def __init__(self, settings: WebSettings, refused: Counter[str] | None = None) -> None:
        self.draining = False
        self._refused = Counter() if refused is None else refused
        self._settings = settings
        self._open: set[Drainable] = set()
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

    def remove(self, stream: Drainable) -> None:
        """It has ended."""
        self._open.discard(stream)

    def begin_drain(self) -> None:
        """Have every stream end, and refuse all others. Doing so twice changes nothing."""
        if self.draining:
            return
        self.draining = True
        for stream in tuple(self._open):
            stream.drain()


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
