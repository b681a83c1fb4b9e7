"""A dispatcher that a seed leads: the schedule is drawn, and drawn again the same."""

from __future__ import annotations

import asyncio
import random

from ...actors.kernel.dispatcher import Runnable


class SeededDispatcher:
    """Runs one message of one mailbox at a time on the loop; a seed draws which. For one thread.

    Between two draws the loop's own callbacks run, so tasks and commits interleave as well. The
    same seed and the same program give the same schedule. Without `loop`, on the running one.
    """

    def __init__(self, seed: int, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.draws = 0
        self._rng = random.Random(seed)
        self._loop = loop
        self._ready: list[Runnable] = []
        self._armed = False
        self._stopped = False

    def schedule(self, box: Runnable) -> None:
        self._ready.append(box)
        self._arm()

    def is_current(self) -> bool:
        return True

    def stop(self) -> None:
        """Run nothing any more, as if the process had died."""
        self._stopped = True
        self._ready.clear()

    def _arm(self) -> None:
        if not self._armed and not self._stopped:
            self._armed = True
            (self._loop or asyncio.get_running_loop()).call_soon(self._draw)

    def _draw(self) -> None:
        self._armed = False
        if self._stopped or not self._ready:
            return
        self.draws += 1
        box = self._ready.pop(self._rng.randrange(len(self._ready)))
        if box.run(1) and not self._stopped:
            self._ready.append(box)
        if self._ready:
            self._arm()
