"""P9: what an activation holds is what its journal tells, also after an unknown outcome."""

from __future__ import annotations

from typing import Any

from ....actors.session.part import Phase
from ....actors.session.state import encode_state
from .base import Promise


class TheJournalIsTheState(Promise):
    code = "P9"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._seen: dict[str, tuple[int, int]] = {}
        self._snapshots: dict[str, int] = {}

    def step(self) -> None:
        for name, tale in self.house.tales.items():
            self._check_snapshot(name, tale)
        for process in self.house.live:
            for name, place in process.supervisor._places.items():
                self._check(name, place.actor)

    def _check(self, name: str, actor: Any) -> None:
        """An activation from which everything is out has the state that its journal tells."""
        if actor is None or actor.phase is not Phase.LIVE or actor._outbox:
            return
        tale = self.house.tales[name]
        if tale.record.epoch != actor.epoch:
            return  # another owner has it, and this one will hear of that
        revision = actor.state.revision
        known = revision == len(tale.events)
        self.require(known, f"{name} is at {revision}, its journal at {len(tale.events)}")
        if self._seen.get(name) != (actor.epoch, revision):
            self._seen[name] = (actor.epoch, revision)
            same = encode_state(actor.state) == tale.at[-1]
            self.require(same, f"{name} is not what was journaled, at {revision}")

    def _check_snapshot(self, name: str, tale: Any) -> None:
        kept = tale.record.snapshot
        if kept is not None and self._snapshots.get(name) != kept[0]:
            self._snapshots[name] = kept[0]
            self.require(kept[1] == tale.at[kept[0]], f"{name}: its snapshot at {kept[0]} lies")
