"""P14: no interleaving exceeds any capacity limit, and none leaks a slot."""

from __future__ import annotations

from typing import Any

from ....actors.session.messages import Departed, Passivate, Stayed
from ....actors.session.part import Phase
from ....supervisor.capacity import Slot
from .base import Promise


class CapacityHolds(Promise):
    code = "P14"

    def step(self) -> None:
        for process in self.house.live:
            self._check(process)

    def stopped(self, process: Any) -> None:
        self.require(process.runtime.resident == 0, f"slots held for ever: {_slots(process)}")
        self.require(len(process.runtime._directory) == 0, "a mailbox is known for ever")
        self.require(len(process.runtime._logs) == 0, "a live log is kept for ever")

    def rested(self) -> None:
        for process in self.house.live:
            full = process.runtime.capacity()
            kept = [(use.in_use, use.waiting) for use in (full.sessions, full.turns)]
            self.require(kept == [(0, 0), (0, 0)], f"held, or waited for, for ever: {full}")

    def _check(self, process: Any) -> None:
        full = process.runtime.capacity()
        uses = (full.sessions, full.turns, *full.turns_by_user.values())
        over = [use for use in uses if use.limit is not None and use.in_use > use.limit]
        self.require(not over, f"more is in use than may be: {full}")
        ledger, places = process.supervisor.ledger, process.supervisor._places
        config, slots = process.runtime.config, _slots(process)
        self.require(ledger.in_use <= config.max_sessions, f"{ledger.in_use} slots are in use")
        self.require(slots.keys() == places.keys(), f"slots {slots}, places {list(places)}")
        leaving = sum(slot is Slot.PASSIVATING for slot in slots.values())
        self.require(ledger.passivating == leaving, f"{leaving} leave, {ledger.passivating} known")
        owned: dict[str, set[str]] = {}
        for name, user in ledger._owners.items():
            owned.setdefault(user, set()).add(name)
        counted = {user: ledger.owned_by(user) for user in ledger.by_user()}
        self.require(owned == counted, f"owners {owned}, counted {counted}")
        self.require(ledger._owners.keys() <= slots.keys(), "somebody owns what has no slot")
        for user, names in owned.items():
            full = len(names) > config.max_sessions_per_user
            self.require(not full, f"{user} has {sorted(names)}")
        for name, place in places.items():
            reserved = slots[name] is Slot.RESERVED
            self.require((place.actor is None) is reserved, f"{name} is {slots[name]}")
            if slots[name] is Slot.PASSIVATING and process.stopping is None:
                self.require(_leaves(process, place), f"{name} never leaves, and has not stayed")


def _leaves(process: Any, place: Any) -> bool:
    """Whether a session is on its way out, has word of that, or has sent word."""
    known = (*(place.box._system or ()), *(process.runtime._mailbox._system or ()))
    words = any(type(mail.message) in (Passivate, Stayed, Departed) for mail in known)
    return words or place.actor.phase is not Phase.LIVE


def _slots(process: Any) -> dict[str, Slot]:
    return dict(process.supervisor.ledger._slots)
