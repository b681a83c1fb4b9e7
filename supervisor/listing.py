"""The supervisor's part on listings: one pass over those it holds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, TypeAlias

from ..actors.ports import SessionId
from .explaining import Explaining
from .explanation import Explanation, Verdict
from .place import Place
from .residents import Resident, ResidentQuery, Residents

SLICE: Final = 2_000
"""Sessions looked at before others are let in: that takes 1 to 2 ms."""

Held: TypeAlias = tuple[SessionId, Place | None]
"""A session, and its place; None: it is kept off the stage."""


class Listing(Explaining):
    """Who is here, and who of them stands out. Nothing is kept for that: asking is what costs."""

    async def residents(self, query: ResidentQuery) -> Residents:
        """Look at each once, and keep the first ones only. On the loop of the runtime.

        Whoever comes meanwhile is not in it, and who leaves may be.
        """
        rank, fits = self._rank(query), self._fits(query)
        best: list[Held] = []
        total = matched = 0
        for found in self._slices():
            total += len(found)
            if fits:
                found = [entry for entry in found if all(fit(entry) for fit in fits)]
            matched += len(found)
            best = heapq.nlargest(query.limit, chain(best, found), rank)
            await asyncio.sleep(0)
        rows = (self._row(*entry) for entry in best)
        return Residents(
            total=total, matched=matched, rows=tuple(row for row in rows if row is not None)
        )

    def _slices(self) -> Iterator[list[Held]]:
        """All that are here, some at a time.

        Only their names are copied: 100,000 pairs at once would have the garbage collector look at
        everything there is, for 40 ms.
        """
        names, place_of = list(self._places), self._places.get
        for start in range(0, len(names), SLICE):
            part = names[start : start + SLICE]
            yield [(name, place) for name in part if (place := place_of(name)) is not None]
        off = (*self.parked, *self._quarantine.sessions(self._stage.clock.monotonic()))
        yield [(name, None) for name in dict.fromkeys(off) if name not in self._places]

    def _rank(self, query: ResidentQuery) -> Callable[[Held], int]:
        match query.sort:
            case "depth":
                return _depth
            case "updated":
                return self._updated_ms
            case "restarts":
                return lambda held: self._restarts_of(held[0])

    def _fits(self, query: ResidentQuery) -> list[Callable[[Held], bool]]:
        fits: list[Callable[[Held], bool]] = []
        if query.owner is not None:
            fits.append(lambda held: _owner(held) == query.owner)
        if query.state is not None:
            fits.append(lambda held: _state(held) == query.state)
        if query.prefix:
            fits.append(lambda held: _begins(held, query.prefix))
        if query.verdict is not None:
            fits.append(lambda held: self._verdict(held) is query.verdict)
        return fits

    def _row(self, session: SessionId, place: Place | None) -> Resident | None:
        """What is known of it by now; None if it is gone."""
        known = self._explained(session)
        if known is None:
            return None
        held = (session, place)
        actor = None if place is None else place.actor
        running = None if actor is None else actor.state.running
        return Resident(
            id=session,
            verdict=known.verdict,
            depth=_depth(held),
            restarts=known.restarts,
            owner=known.owner,
            name=_name(held),
            state=known.state,
            running_turn=None if running is None else running.turn,
            queued_turns=0 if actor is None else len(actor.state.queued),
            since_ms=known.since_ms,
            updated_ms=None if actor is None else actor.state.updated_ms,
            error=_error(known),
        )

    def _verdict(self, held: Held) -> Verdict:
        session, place = held
        if place is not None:
            return self.verdict_of(session, place)
        return Verdict.PARKED if session in self.parked else Verdict.QUARANTINED

    def _restarts_of(self, session: SessionId) -> int:
        parked = self.parked.get(session)
        return self._restarted(session) if parked is None else parked.restarts or 0

    def _updated_ms(self, held: Held) -> int:
        session, place = held
        if place is None:
            left = self._leaves.of(session)
            return 0 if left is None else left.at_ms
        return place.since_ms if place.actor is None else place.actor.state.updated_ms


def _depth(held: Held) -> int:
    place = held[1]
    return 0 if place is None else place.box.depth


def _owner(held: Held) -> str | None:
    place = held[1]
    if place is None or place.actor is None:
        return None if place is None or place.new is None else place.new.row.owner
    return place.actor.state.owner


def _name(held: Held) -> str | None:
    place = held[1]
    if place is None or place.actor is None:
        return None if place is None or place.new is None else place.new.row.name
    return place.actor.state.name


def _state(held: Held) -> str | None:
    place = held[1]
    return None if place is None or place.actor is None else place.actor.state.lifecycle


def _begins(held: Held, prefix: str) -> bool:
    return held[0].startswith(prefix) or (_name(held) or "").startswith(prefix)


def _error(known: Explanation) -> str:
    """What it is kept off for, or else what it last crashed with."""
    return known.error or ("" if known.left is None else known.left.error)
