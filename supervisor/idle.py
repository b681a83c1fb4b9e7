"""Which of many has been idle longest, and which for too long."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T", bound=Hashable)

Activity: TypeAlias = Callable[[T], float]
"""When one was last active, in monotonic seconds."""


class IdleQueue(Generic[T]):
    """Sessions on stage, or live logs, in the order of their last activity, as last looked at.

    Activity is not reported here, that would cost every message: an entry is a lower bound, and
    is corrected when it comes to the front. Each costs O(log n) per idle period.
    """

    def __init__(self, idle_s: float) -> None:
        self.idle_s = idle_s
        self._heap: list[tuple[float, int, T]] = []
        self._entries: dict[T, tuple[float, int, T]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, one: T, active_s: float) -> None:
        """Watch one that was last active at `active_s`."""
        self._count += 1
        entry = self._entries[one] = (active_s, self._count, one)
        heapq.heappush(self._heap, entry)

    def correct(self, one: T, active_s: float) -> None:
        """It may be due earlier than was thought; nothing happens if it is not watched."""
        if one in self._entries:
            self.add(one, active_s)

    def remove(self, one: T) -> None:
        """Watch it no more."""
        self._entries.pop(one, None)
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._entries):
            self._heap = [entry for entry in self._heap if self._entries.get(entry[2]) is entry]
            heapq.heapify(self._heap)

    def next_due(self) -> float | None:
        """The earliest time at which any can have been idle for too long."""
        self._drop_removed()
        return self._heap[0][0] + self.idle_s if self._heap else None

    def due_s(self, one: T, active: Activity[T]) -> float | None:
        """The earliest time at which this one can be taken for idle; None: it is not watched.

        It may be watched from later on than it was last active: it was found at work.
        """
        entry = self._entries.get(one)
        return None if entry is None else max(entry[0], active(one)) + self.idle_s

    def due(self, now: float, active: Activity[T]) -> list[T]:
        """Take out those that have been idle for more than `idle_s` seconds at `now`."""
        found = []
        while (due := self.next_due()) is not None and due < now:
            _, _, one = heapq.heappop(self._heap)
            active_s = active(one)
            if active_s + self.idle_s < now:
                del self._entries[one]
                found.append(one)
            else:
                self.add(one, active_s)
        return found

    def take_least_recent(self, active: Activity[T], may_leave: Callable[[T], bool]) -> T | None:
        """Take out the least recently active one that may leave; None if none may."""
        kept = []
        taken = None
        for active_s, one in self._in_order(active):
            if may_leave(one):
                taken = one
                break
            kept.append((one, active_s))
        for one, active_s in kept:
            self.add(one, active_s)
        return taken

    def _in_order(self, active: Activity[T]) -> Iterator[tuple[float, T]]:
        """Take out one after the other, least recently active first. An entry at the front that is
        exact is the minimum, as all others are lower bounds."""
        while self.next_due() is not None:
            listed_s, _, one = heapq.heappop(self._heap)
            active_s = active(one)
            if active_s > listed_s:
                self.add(one, active_s)
                continue
            del self._entries[one]
            yield active_s, one

    def _drop_removed(self) -> None:
        while self._heap and self._entries.get(self._heap[0][2]) is not self._heap[0]:
            heapq.heappop(self._heap)
