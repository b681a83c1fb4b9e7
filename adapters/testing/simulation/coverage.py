"""Which situations a workload has come to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....supervisor.capacity import Slot


def states(house: Any) -> Iterator[str]:
    """What is worth counting, after a step: each once."""
    found = set()
    for process in house.live:
        ledger = process.supervisor.ledger
        if process.journal.waiting:
            found.add("writes wait")
        if process.supervisor.parked:
            found.add("parked")
        if process.stopping is not None:
            found.add("draining")
        for name, place in process.supervisor._places.items():
            slot = ledger.slot(name)
            if slot is Slot.PASSIVATING:
                found.add("mail while leaving" if place.box.depth else "leaving")
            if slot is Slot.RESERVED:
                found.add("being created" if place.new is not None else "being woken")
            if place.actor is not None and place.actor._outbox:
                found.add("not durable yet")
    if len(house.live) > 1:
        found.add("two processes")
    if any(tale.state.approval is not None for tale in house.tales.values()):
        found.add("suspended")
    yield from sorted(found)
