"""How often something may begin."""

from __future__ import annotations

import asyncio
from typing import Final

BURST_S: Final = 0.05
"""Starts missed within this time may be made up for: a loop wakes late at high rates."""


class Pace:
    """A token bucket on the loop's clock: `per_s` starts a second over all callers; 0: no bound."""

    def __init__(self, per_s: float = 0.0) -> None:
        self._interval_s = 1 / per_s if per_s > 0 else 0.0
        self._next_s = 0.0

    async def start(self) -> float:
        """Wait for a token. Returns the loop's time at which the start was due, not made."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._interval_s:
            return now
        due = max(self._next_s, now - BURST_S)
        self._next_s = due + self._interval_s
        if due > now:
            await asyncio.sleep(due - now)
        return max(due, now)
