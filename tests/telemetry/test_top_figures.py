"""What the terminal view makes of looks at a house."""

from __future__ import annotations

import pytest

from greenroom.actors.session.stage import Stats
from greenroom.adapters.tui.figures import COLUMNS, Past, Rates, ago, cells, gauges, style
from greenroom.adapters.tui.house import Tick
from greenroom.supervisor.explanation import Verdict
from greenroom.supervisor.occupancy import Occupancy
from greenroom.supervisor.residents import Resident


def look(at_ms: int, published: int = 0, started: int = 0, limit: int | None = None) -> Tick:
    return Tick(
        at_ms=at_ms,
        ready=True,
        sessions=Occupancy(in_use=3, limit=10, waiting=2),
        turns=Occupancy(in_use=1, limit=limit),
        streams=4,
        deepest=5,
        stats=Stats(
            published=published,
            turns_started=started,
            turns_ended={"completed": 1200, "failed": 2},
        ),
        matched=0,
        rows=(),
    )


def test_rates_are_per_second_between_two_looks() -> None:
    past = Past()
    assert past.take(look(1000, 500, 50)) == Rates(0, 0)
    assert past.take(look(3000, 520, 51)) == Rates(10, 0.5)
    assert past.take(look(3000, 520, 51)) == Rates(0, 0)
    assert past.take(look(4000, 3)) == Rates(0, 0), "a server that was started anew"
    assert past.take(look(5000, 8)) == Rates(5, 0)


def test_gauges_tell_what_is_full() -> None:
    told = dict(gauges(look(0), Rates(12.34, 0.25)))
    assert told["sessions"] == "███░░░░░░░ 3 of 10, 2 wait"
    assert (told["events/s"], told["turns/s"]) == ("12", "0.2")
    assert told["turns ended"] == "1,202 (2 failed)"
    assert "turns" not in told
    assert dict(gauges(look(0, limit=1), Rates()))["turns"] == "██████████ 1 of 1"


def test_a_row_has_what_the_dashboard_has() -> None:
    row = Resident(
        id="s1", verdict=Verdict.RESIDENT, depth=1500, restarts=0, owner="ann", since_ms=1000
    )
    assert cells(row, 3500) == ("s1", "ann", "resident", "1,500", "", "", "2.5 s")
    assert len(COLUMNS) == len(cells(row, 0))
    parked = Resident(id="s2", verdict=Verdict.PARKED, depth=0, restarts=3, running_turn=7)
    assert cells(parked, 0) == ("s2", "", "running", "0", "7", "3", "")
    assert (style(row), style(parked)) == ("", "green")


@pytest.mark.parametrize(
    ("ms", "short"),
    [(-5, "0.0 s"), (59_949, "59.9 s"), (60_000, "1 min"), (3_600_000, "1 h"), (10**10, "2,777 h")],
)
def test_durations_are_short(ms: int, short: str) -> None:
    assert ago(ms) == short
