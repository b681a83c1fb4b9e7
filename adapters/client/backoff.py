"""When to try again what has failed: later and later, and not all clients at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...actors.ports import Clock
from ..pauses import pause

FIRST_S: Final = 0.1
MOST_S: Final = 5.0


class Backoff:
    """The pauses between the tries of one thing: doubled each time, and drawn from that by `draw`
    (which gives a number from 0 to 1). `patience_s` is how long it is tried, in seconds.
    """

    def __init__(self, clock: Clock, draw: Callable[[], float], patience_s: float) -> None:
        self._clock, self._draw, self._patience_s = clock, draw, patience_s
        self._next_s = FIRST_S
        self._since_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was tried for long enough."""
        if self._since_s is None:
            return False
        return self._clock.monotonic() - self._since_s >= self._patience_s

    def reset(self) -> None:
        """It has worked."""
        self._next_s, self._since_s = FIRST_S, None

    async def pause(self, least_s: float = 0.0) -> None:
        """Wait before the next try, for `least_s` seconds at least, as the server has asked."""
        if self._since_s is None:
            self._since_s = self._clock.monotonic()
        top_s, self._next_s = self._next_s, min(self._next_s * 2, MOST_S)
        await pause(self._clock, max(least_s, 0.0) + top_s * (0.5 + self._draw() / 2))
