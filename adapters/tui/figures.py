"""What the terminal view makes of the looks at a house: rates, gauges and rows, as text."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from ...supervisor.explanation import Verdict
from ...supervisor.occupancy import Occupancy
from ...supervisor.residents import Resident
from .house import Tick

COLUMNS: Final = ("Session", "Owner", "State", "Mailbox", "Turn", "Restarts", "Here for")
"""As on the dashboard."""

STATE: Final = COLUMNS.index("State")

KEPT: Final = 90
"""Looks of which the rates are remembered."""

_BAR: Final = 10


class Rates(NamedTuple):
    """Per second, between two looks."""

    events: float = 0.0
    turns: float = 0.0


class Past:
    """The rates of late. A server that was started anew begins with zeros again."""

    def __init__(self) -> None:
        self._last: Tick | None = None
        self.rates: deque[Rates] = deque([Rates()] * KEPT, KEPT)

    def take(self, tick: Tick) -> Rates:
        """Add one look: the rates since the one before it."""
        last, self._last = self._last, tick
        if last is None:
            return self.rates[-1]
        seconds = max((tick.at_ms - last.at_ms) / 1000, 0.001)
        events = max(tick.stats.published - last.stats.published, 0) / seconds
        turns = max(tick.stats.turns_started - last.stats.turns_started, 0) / seconds
        self.rates.append(Rates(events, turns))
        return self.rates[-1]


def gauges(tick: Tick, rates: Rates) -> list[tuple[str, str]]:
    """Names and values, in the order in which they stand."""
    stats, ended = tick.stats, tick.stats.turns_ended
    others = ", ".join(f"{n:,} {how}" for how, n in ended.items() if how != "completed")
    told = [("sessions", _fill(tick.sessions))]
    if tick.turns.limit is not None:  # not counted else
        told.append(("turns", _fill(tick.turns)))
    return [
        *told,
        ("events/s", _rate(rates.events)),
        ("turns/s", _rate(rates.turns)),
        ("deepest mailbox", f"{tick.deepest:,}"),
        ("streams", f"{tick.streams:,}"),
        ("turns ended", f"{sum(ended.values()):,}" + (f" ({others})" if others else "")),
        ("restarts", f"{stats.restarted:,}"),
        ("passivated", f"{stats.passivated:,}"),
        ("turned away", f"{stats.turned_away:,}"),
    ]


def cells(row: Resident, now_ms: int) -> tuple[str, ...]:
    """One session, in the order of `COLUMNS`."""
    return (
        row.id,
        row.owner or "",
        "running" if row.running_turn else str(row.verdict),
        f"{row.depth:,}",
        str(row.running_turn or ""),
        str(row.restarts or ""),
        "" if row.since_ms is None else ago(now_ms - row.since_ms),
    )


def style(row: Resident) -> str:
    """How a session's state is coloured: at work, at rest, or in the way of being either."""
    if row.running_turn:
        return "green"
    return "" if row.verdict is Verdict.RESIDENT else "yellow"


def ago(ms: int) -> str:
    """A duration in milliseconds, short."""
    seconds = max(ms, 0) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60):,} min" if seconds < 3600 else f"{int(seconds // 3600):,} h"


def _fill(of: Occupancy) -> str:
    waiting = f", {of.waiting:,} wait" if of.waiting else ""
    if of.limit is None:
        return f"{of.in_use:,}{waiting}"
    full = min(round(_BAR * of.in_use / of.limit), _BAR) if of.limit else _BAR
    return f"{'█' * full}{'░' * (_BAR - full)} {of.in_use:,} of {of.limit:,}{waiting}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
