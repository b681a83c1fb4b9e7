"""Durations, rates and the figures of a run."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists
from recorded import run_at_once

from greenroom.actors.session.stage import Stats
from greenroom.adapters.load.histogram import Histogram
from greenroom.adapters.load.pace import BURST_S, Pace
from greenroom.adapters.load.report import Counters, Report, report, summary, write_report
from greenroom.adapters.load.verify import Mismatch, Verdict


def histogram(durations_us: list[int]) -> Histogram:
    filled = Histogram()
    for duration in durations_us:
        filled.add(duration / 1e6)
    return filled


@given(lists(integers(0, 10**10), min_size=1), floats(0.01, 1))
def test_a_quantile_is_within_half_a_percent_of_an_observed_one(
    durations_us: list[int], share: float
) -> None:
    ordered = sorted(durations_us)
    rank = next(n for n in range(1, len(ordered) + 1) if n >= share * len(ordered))

    found = histogram(durations_us).quantile_ms(share) * 1000

    assert ordered[rank - 1] == pytest.approx(found, rel=0.005, abs=0.5)


def test_nothing_observed_is_zero_and_extremes_are_counted() -> None:
    assert Histogram().quantile_ms(0.99) == 0
    extremes = Histogram()
    extremes.add(-1.0)
    extremes.add(1e15)
    assert extremes.total == 2
    assert extremes.quantile_ms(0.5) == 0


def test_a_rate_is_kept_over_all_callers() -> None:
    async def starts(per_s: float, callers: int, each: int) -> tuple[list[float], float]:
        pace, due = Pace(per_s), list[float]()

        async def call() -> None:
            for _ in range(each):
                due.append(await pace.start())

        await asyncio.gather(*(call() for _ in range(callers)))
        return due, asyncio.get_running_loop().time()

    due, ended = run_at_once(starts(100, 10, 20))

    assert [pytest.approx(n / 100) for n in range(200)] == sorted(due)
    assert pytest.approx(1.99) == ended
    assert run_at_once(starts(0, 10, 20))[1] == 0


def test_a_late_caller_may_make_up_for_little_only() -> None:
    async def late() -> float:
        pace, loop = Pace(1000), asyncio.get_running_loop()
        await pace.start()
        await asyncio.sleep(10)
        began = loop.time()
        for _ in range(1000):
            await pace.start()
        return loop.time() - began

    assert pytest.approx(1 - BURST_S, abs=0.01) == run_at_once(late())


def figures(**changes: object) -> Report:
    counters, stats = Counters(), Stats(activated=5, passivated=2, published=100, events=40)
    counters.created, counters.found, counters.dialogues = 3, 1, 4
    stats.turns_ended = {"completed": 7, "lost": 1}
    for _ in range(100):
        counters.ack.add(random.Random(1).uniform(0.001, 0.002))
    return msgspec.structs.replace(report(counters, stats, seconds=2.0), **changes)


def test_figures_are_counted_together_and_written_as_json(tmp_path: Path) -> None:
    seen = figures()

    assert (seen.turns, seen.turns_per_s, seen.events_per_s, seen.woken) == (8, 4.0, 50.0, 2)
    assert 1 < seen.ack_p50_ms < 2
    write_report(seen, tmp_path / "out.json")
    assert seen == msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Report)


def test_no_time_at_all_is_no_rate() -> None:
    assert report(Counters(), Stats(), seconds=0.0).turns_per_s == 0


def test_a_run_is_flawless_without_errors_and_mismatches() -> None:
    def verdict(*mismatches: Mismatch) -> Verdict:
        return Verdict(dialogues=2, turns=4, texts=8, mismatches=list(mismatches))

    differs = verdict(Mismatch(dialogue="d", why="it does"))
    assert figures().flawless
    assert figures(verdict=verdict()).flawless
    assert not figures(errors=1).flawless
    assert not figures(verdict=differs).flawless
    assert summary(figures(verdict=differs))[-1] == ("verified", "1 of 2 dialogues differ")


def test_errors_are_counted_and_the_first_are_kept_in_one_line() -> None:
    counters = Counters()
    for number in range(100):
        counters.add_error(f"error\n  {number}")

    assert counters.errors == 100
    assert counters.error_texts[:2] == ["error 0", "error 1"]
    assert len(counters.error_texts) == 20
