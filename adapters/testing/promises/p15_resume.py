"""P15: a reader resumes from a cursor with no duplicate and no silent loss; loss is a `Gap`."""

from __future__ import annotations

from typing import Any

from ....actors.session.about import addressee
from ....actors.session.items import Gap
from ..simulation.reader import is_durable
from .base import Promise


class ReadersMissNothing(Promise):
    code = "P15"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._revisions: dict[str, int] = {}

    def read(self, reader: Any, before: Any, item: Any) -> None:
        name = reader.name
        if is_durable(item):
            last = self._revisions.get(name, 0)
            missed = self._missed(reader, last, item.revision - 1)
            self.require(item.revision > last, f"{name}: {item.revision} after {last}")
            self.require(not missed, f"{name}: {item.revision} after {last}, without {missed}")
            self._revisions[name] = item.revision
            known = self.house.tale(name).events[item.revision - 1] == item.event
            self.require(known, f"{name}: {item.revision} is another event in the journal")
        if before is not None and not isinstance(before, Gap) and not isinstance(item, Gap):
            follows = self._follows(reader, before, item)
            self.require(follows, f"{name}: {_place(before)} then {_place(item)}")

    def rest(self, reader: Any, state: Any) -> None:
        last = self._revisions.get(reader.name, 0)
        missed = self._missed(reader, last, state.revision)
        self.require(not missed, f"{reader.name}: read to {last}, without {missed}")

    def _missed(self, reader: Any, last: int, until: int) -> list[int]:
        """The revisions of events for this reader after `last`, up to `until`."""
        events = self.house.tale(reader.name).events
        return [
            revision
            for revision in range(last + 1, until + 1)
            if addressee(events[revision - 1]) in (None, reader.user)
        ]

    def _follows(self, reader: Any, before: Any, after: Any) -> bool:
        """Whether nothing was published between the two for this reader."""
        name = reader.name
        if before.healed and before.epoch == 0:
            return bool(after.healed)  # what lies between is what the gap announced
        if before.epoch == after.epoch:
            return bool(self._next(reader, before.epoch, before.position) == after.position)
        published = self.house.published[name]
        between = [epoch for epoch in published if before.epoch < epoch < after.epoch]
        is_last = self._next(reader, before.epoch, before.position) > published.get(before.epoch, 0)
        starts = self._next(reader, after.epoch, 0) == after.position
        return bool(is_last and not between and starts)

    def _next(self, reader: Any, epoch: int, position: int) -> int:
        """The next position in an epoch at which there may be something for this reader."""
        position += 1
        directed = self.house.directed
        while directed.get((reader.name, epoch, position), reader.user) != reader.user:
            position += 1
        return position


def _place(item: Any) -> str:
    return f"{item.epoch}:{item.position} ({type(item.event).__name__})"
