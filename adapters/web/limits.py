"""How often somebody may ask."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ...actors.ports import Clock

MAX_BUCKETS: Final = 50_000
"""Principals, or addresses, that are remembered: about 8 MB."""


class Buckets:
    """A token bucket for each of many names: `burst` at once, and `rate_per_s` from then on.

    Of a bucket only the time is kept at which it will be full again (GCRA, ITU-T I.371). Beyond
    `most` names the one that has been silent for longest is forgotten, and has a full bucket again.
    Times are the clock's monotonic seconds.
    """

    def __init__(
        self, clock: Clock, rate_per_s: float, burst: int, most: int = MAX_BUCKETS
    ) -> None:
        self._now = clock.monotonic
        self._interval_s = 1 / rate_per_s
        self._slack_s = (burst - 1) * self._interval_s
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Names that are remembered."""
        return len(self._full_at)

    def take(self, name: str) -> float:
        """Take one token: 0.0, or, if there is none, in how many seconds there is one."""
        full_at, now = self._full_at, self._now()
        at = full_at.get(name, now)
        if at <= now:
            at = now
        elif at - now > self._slack_s + 1e-9:
            return at - now - self._slack_s
        full_at[name] = at + self._interval_s
        full_at.move_to_end(name)
        if len(full_at) > self._most:
            full_at.popitem(last=False)
        return 0.0
