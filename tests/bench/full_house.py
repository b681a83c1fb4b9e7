"""What asking costs in a full house, and what trouble-makers in it add to that.

    python tests/bench/full_house.py [--smoke] [--sessions N] [--rate N] [--seconds S] [--rounds N]
                                     [--journal DIR] [--json out.json]

Ten thousand sessions are on stage, as many as the runtime may hold, and a thousand messages a
second are posted to nine thousand healthy ones, each acknowledged when SQLite has it on the disk.
`quiet` is that. `trouble` is the same load while one session crashes in a loop, one turn hangs, one
subscriber has stalled, and fifty messages a second go to sessions that are not on stage, so that
each wakes one and makes another one leave. Both are of the same runtime in turns; the number in
brackets is the spread of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
from measure import Case, machine, table, write_json
from troubles import FullHouse

from greenroom.adapters.load.histogram import Histogram

QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


async def measure(
    folder: Path, sessions: int, rate: float, seconds: float, rounds: int
) -> tuple[list[Case], str]:
    """Quiet and trouble in turns; first some of both that is not counted."""
    cases = [
        Case(f"ask a healthy session, {name}", "ms", {}, samples={"trouble": [], "quiet": []})
        for name in QUANTILES
    ]
    async with FullHouse(folder, sessions) as house:
        for trouble in (False, True):
            await house.asked(seconds / 2, rate, trouble=trouble)
        stats = house.runtime.stats
        before, crashes = stats.passivated, house.crashes
        for round_ in range(2 * rounds):
            trouble = round_ % 2 == 1
            waited = await house.asked(seconds, rate, trouble=trouble)
            note(cases, "trouble" if trouble else "quiet", waited)
        assert house.runtime.resident <= sessions
        told = (
            f"{house.crashes - crashes:,} crashes, {stats.passivated - before:,} passivated, "
            f"errors {dict(house.errors) or 'none'}"
        )
    return cases, told


def note(cases: Sequence[Case], contender: str, waited: Histogram) -> None:
    for case, share in zip(cases, QUANTILES.values(), strict=True):
        case.samples[contender].append(waited.quantile_ms(share))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark greenroom's full house.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each part of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--journal", type=Path, metavar="DIR", help="where the journal is made")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sessions, seconds, rounds = options.sessions, options.seconds, options.rounds
    if options.smoke:
        sessions, seconds, rounds = 100, 0.3, 1
    with tempfile.TemporaryDirectory(dir=options.journal) as folder:
        work = measure(Path(folder), sessions, options.rate, seconds, rounds)
        cases, told = asyncio.run(work)
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds}: median (spread)")
    print(f"  {sessions:,} sessions, {options.rate:,.0f}/s; with trouble: {told}")
    print(table(cases, ["trouble", "quiet"]))
    if options.json:
        write_json(options.json, cases, sessions=sessions, rate=options.rate)


if __name__ == "__main__":
    main()
