"""The two beats of all streams: when what has gathered is sent, and when silence is looked at."""

from __future__ import annotations

from typing import Final, Protocol

from ....actors.ports import Clock, Timer

BEATS: Final = 4
"""Looks at each stream in the time of a heartbeat."""


class Beaten(Protocol):
    """A stream, as the rhythm sees it."""

    def flush(self) -> None:
        """Send what has gathered."""
        ...

    def look(self, now_s: float) -> None:
        """See whether it has been silent, or has been stalled, for too long."""
        ...


class Rhythm:
    """One timer each for all streams, where timers of their own would be as many as streams.

    What comes after a while without anything is sent at once; from then on, what comes within
    `batch_s` goes in one piece. Times are seconds; `now_s` is when either timer last went off, for
    those to whom a clock of their own is too dear.
    """

    def __init__(self, clock: Clock, *, batch_s: float, heartbeat_s: float) -> None:
        self.now_s = clock.monotonic()
        self._clock = clock
        self._batch_s, self._heartbeat_s = batch_s, heartbeat_s
        self._full: list[Beaten] = []
        self._next_s = float("-inf")
        self._flushing = False
        self._streams: set[Beaten] = set()
        self._beating: Timer | None = None

    def add(self, stream: Beaten) -> None:
        """Look at `stream` from now on."""
        self._streams.add(stream)
        if self._beating is None:
            self._beating = self._clock.call_later(self._heartbeat_s / BEATS, self._beat)

    def remove(self, stream: Beaten) -> None:
        """It has ended."""
        self._streams.discard(stream)
        if not self._streams and self._beating is not None:
            self._beating.cancel()
            self._beating = None

    def due(self, stream: Beaten) -> None:
        """Have `stream` flushed, soon."""
        self._full.append(stream)
        if not self._flushing:
            self._flushing = True
            wait_s = self._next_s - self._clock.monotonic()
            self._clock.call_later(max(wait_s, 0.0), self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.now_s = self._clock.monotonic()
        self._next_s = self.now_s + self._batch_s
        full, self._full = self._full, []
        for stream in full:
            stream.flush()

    def _beat(self) -> None:
        self._beating = self._clock.call_later(self._heartbeat_s / BEATS, self._beat)
        self.now_s = self._clock.monotonic()
        for stream in tuple(self._streams):
            stream.look(self.now_s)
