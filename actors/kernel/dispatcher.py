"""Who runs the mailboxes, and on which thread."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from threading import get_ident
from typing import Final, Protocol

THROUGHPUT: Final = 16
"""User messages one mailbox may have handled before the next mailbox gets its turn."""

SHARED: Final = 128
"""User messages that few mailboxes share in one go. A turn of the loop costs 4 us, as much as 4
messages: a mailbox that is flooded alone pays it for each 128, not for each 16."""

MANY: Final = SHARED // THROUGHPUT
"""More mailboxes than these do not share: each has its `THROUGHPUT`."""

PASS: Final = 256
"""Mailboxes run in one go before the loop sees to its sockets and timers."""


class Runnable(Protocol):
    """What a dispatcher runs: a mailbox."""

    def run(self, throughput: int) -> bool:
        """Handle up to `throughput` user messages; True asks to be scheduled again."""
        ...


class Dispatcher(Protocol):
    """Runs mailboxes. `schedule` may be called from any thread; `run` never overlaps for a box."""

    def schedule(self, box: Runnable) -> None:
        """Run `box` soon. A box is scheduled once until its `run` returned False."""
        ...

    def is_current(self) -> bool:
        """Whether the calling thread is the one that runs the mailboxes."""
        ...


class LoopDispatcher:
    """Runs all mailboxes on one asyncio loop, and wakes the loop once per batch.

    Actors and the tasks they create run in an empty context of their own, so nothing of the
    request that happened to wake the loop clings to a session for life.
    """

    __slots__ = ("_asleep", "_context", "_loop", "_ready", "_thread")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = get_ident()
        self._ready: deque[Runnable] = deque()
        self._asleep = [True]  # emptied by the one thread that wakes the loop
        self._context = Context()

    def schedule(self, box: Runnable) -> None:
        self._ready.append(box)
        if self._asleep:
            self._arm()

    def is_current(self) -> bool:
        return get_ident() == self._thread

    def _arm(self) -> None:
        try:
            self._asleep.pop()
        except IndexError:  # another thread was faster
            return
        if get_ident() == self._thread:
            self._loop.call_soon(self._drain, context=self._context)
        else:
            self._loop.call_soon_threadsafe(self._drain, context=self._context)

    def _drain(self) -> None:
        ready = self._ready
        try:
            boxes = len(ready)
            # An awaited ask pays for a pass of its own: it is spared max() and min(), 60 ns each.
            throughput = SHARED // (boxes or 1)
            if boxes > MANY:
                throughput, boxes = THROUGHPUT, min(boxes, PASS)
            for _ in range(boxes):
                box, again = ready.popleft(), True
                try:
                    again = box.run(throughput)
                finally:  # a signal's KeyboardInterrupt may come between two messages
                    if again:
                        ready.append(box)
        finally:
            # A thread that appended while the loop was not asleep has not woken it: look again.
            self._asleep.append(True)
            if ready and self._asleep:
                self._arm()
