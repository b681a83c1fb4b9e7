"""Which resident session has been idle longest, and which for too long."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ..actors.ports import SessionId

Activity: TypeAlias = Callable[[SessionId], float]
"""When a session was last active, in monotonic seconds."""


class IdleQueue:
    """Resident sessions in the order of their last activity, as last looked at.

    Activity is not reported here, that would cost every message: an entry is a lower bound, and
    is corrected when it comes to the front. A session costs O(log n) per idle period.
    """

    def __init__(self, idle_s: float) -> None:
        self.idle_s = idle_s
        self._heap: list[tuple[float, int, SessionId]] = []
        self._entries: dict[SessionId, tuple[float, int, SessionId]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, session: SessionId, active_s: float) -> None:
        """Watch a session that was last active at `active_s`."""
        self._count += 1
        entry = self._entries[session] = (active_s, self._count, session)
        heapq.heappush(self._heap, entry)

    def correct(self, session: SessionId, active_s: float) -> None:
        """It may be due earlier than was thought; nothing happens if it is not watched."""
        if session in self._entries:
            self.add(session, active_s)

    def remove(self, session: SessionId) -> None:
        """Watch it no more."""
        self._entries.pop(session, None)
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._entries):
            self._heap = [entry for entry in self._heap if self._entries.get(entry[2]) is entry]
            heapq.heapify(self._heap)

    def next_due(self) -> float | None:
        """The earliest time at which a session can have been idle for too long."""
        self._drop_removed()
        return self._heap[0][0] + self.idle_s if self._heap else None

    def due_s(self, session: SessionId, active: Activity) -> float | None:
        """The earliest time at which this session can be taken for idle; None: it is not watched.

        It may be watched from later on than it was last active: it was found at work.
        """
        entry = self._entries.get(session)
        return None if entry is None else max(entry[0], active(session)) + self.idle_s

    def due(self, now: float, active: Activity) -> list[SessionId]:
        """Take out the sessions that have been idle for more than `idle_s` seconds at `now`."""
        found = []
        while (due := self.next_due()) is not None and due < now:
            _, _, session = heapq.heappop(self._heap)
            active_s = active(session)
            if active_s + self.idle_s < now:
                del self._entries[session]
                found.append(session)
            else:
                self.add(session, active_s)
        return found

    def take_least_recent(
        self, active: Activity, may_leave: Callable[[SessionId], bool]
    ) -> SessionId | None:
        """Take out the least recently active session that may leave; None if none may."""
        kept = []
        taken = None
        for active_s, session in self._in_order(active):
            if may_leave(session):
                taken = session
                break
            kept.append((session, active_s))
        for session, active_s in kept:
            self.add(session, active_s)
        return taken

    def _in_order(self, active: Activity) -> Iterator[tuple[float, SessionId]]:
        """Take out sessions, least recently active first. An entry at the front that is exact is
        the minimum, as all others are lower bounds."""
        while self.next_due() is not None:
            listed_s, _, session = heapq.heappop(self._heap)
            active_s = active(session)
            if active_s > listed_s:
                self.add(session, active_s)
                continue
            del self._entries[session]
            yield active_s, session

    def _drop_removed(self) -> None:
        while self._heap and self._entries.get(self._heap[0][2]) is not self._heap[0]:
            heapq.heappop(self._heap)
