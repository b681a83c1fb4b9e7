"""Turns for the threads that work for the loop, when the loop itself never rests."""

from __future__ import annotations

import asyncio
import time
from typing import Final

PATIENCE_S: Final = 0.005
"""How long work may be under way without any of it being done before the loop gives way."""

AGAIN_S: Final = 0.001
NAP_S: Final = 20e-6


class GiveWay:
    """Lets go of the GIL for an instant while work handed to other threads makes no progress.

    A loop that always has something to do lets go of the GIL in every `select`, but takes it back
    before the thread that it woke is running; and as that thread's patience (the switch interval)
    starts anew each time, it can lose for seconds. Measured with 2 cores, a loop kept busy in
    steps of 0.5 ms and groups of 100 appends: the slowest commits took 0.4 to 9.7 s; with these
    naps 24 to 70 ms, for 1 to 5 % of the loop's time. All calls are made on the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._armed = False
        self._under_way = 0
        self._progress = False
        self.naps = 0
        """How often the loop gave way."""

    def begin(self) -> None:
        """A piece of work has been handed over."""
        self._under_way += 1
        if not self._armed:
            self._armed = True
            self._loop.call_later(PATIENCE_S, self._look)

    def done(self, pieces: int = 1) -> None:
        """That many pieces have come back."""
        self._under_way -= pieces
        self._progress = True

    def _look(self) -> None:
        if not self._under_way:
            self._armed = False
            return
        if not self._progress:
            self.naps += 1
            time.sleep(NAP_S)
        self._loop.call_later(PATIENCE_S if self._progress else AGAIN_S, self._look)
        self._progress = False
