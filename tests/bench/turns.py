"""What a pipeline that yields as fast as it can costs the others, and what it costs itself.

    python tests/bench/turns.py [--smoke] [--deltas N] [--rounds N] [--json out.json]

One session's pipeline yields a million pieces of text and never waits by itself, while something
is posted to a hundred other sessions, one by one. `greenroom` is that. `alone` is the best there
could be: the posts without a flood beside them, an `async for` over the same generator that only
counts, and the bytes of the text itself. All figures of a table come from one run, whose rounds
are interleaved; the number in brackets is their spread, the last column says how many times better
greenroom is than that.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from measure import Case, Shared, machine, resident_bytes, run_rounds, table, write_json

import greenroom

OTHERS = 100
"""Sessions that something is posted to beside the flood."""

POSTS = 500
"""At least so many, with a flood or without."""


def flood(deltas: int) -> Any:
    """A pipeline that never waits."""

    async def pipeline(turn: Any) -> AsyncIterator[str]:
        for number in range(deltas):
            yield f"{number % 1000} "

    return pipeline


@dataclass
class Seen:
    """What was measured while a flood ran, or none did."""

    posts_s: list[float] = field(default_factory=list)
    flooded_s: float = 0.0
    grown: int = 0

    def percentile_ms(self, share: float) -> float:
        """Of how long a post took."""
        ordered = sorted(self.posts_s)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3

    def figures(self, deltas: int) -> dict[str, float]:
        return {
            "p50": self.percentile_ms(0.5),
            "p99": self.percentile_ms(0.99),
            "rate": deltas / self.flooded_s if deltas else 0.0,
            "grown": self.grown / 2**20,
        }


async def host(deltas: int) -> Seen:
    """Post to the others for as long as the flood lasts, and a few times if there is none."""
    seen = Seen()
    limits: Any = {"max_sessions_per_user": OTHERS, "turn_max_outputs": deltas or 1}
    async with greenroom.Runtime(flood(deltas), **limits) as runtime:
        session = await runtime.create("ann")
        others = [await runtime.create("bob") for _ in range(OTHERS)]
        gc.collect()
        before, start = resident_bytes(), time.perf_counter()
        result = (await session.send("ann", "go")).result()
        while len(seen.posts_s) < POSTS or not result.done:
            posted = time.perf_counter()
            await others[len(seen.posts_s) % OTHERS].post("bob", "are you there?")
            seen.posts_s.append(time.perf_counter() - posted)
            if not result.done:
                seen.flooded_s = time.perf_counter() - start
                seen.grown = max(seen.grown, resident_bytes() - before)
            await asyncio.sleep(0)
        assert (await result).status == "completed"
    return seen


async def bare(deltas: int) -> float:
    """Deltas per second of a loop that only counts them."""
    start = time.perf_counter()
    async for _ in flood(deltas)(None):
        pass
    return deltas / (time.perf_counter() - start)


def cases(deltas: int) -> list[Case]:
    """Every row of the table."""
    shared = {
        "greenroom": Shared(lambda: asyncio.run(host(deltas)).figures(deltas)),
        "alone": Shared(lambda: asyncio.run(host(0)).figures(0)),
    }

    def both(figure: str) -> dict[str, Callable[[], float]]:
        return {name: seen.each(figure) for name, seen in shared.items()}

    text = sum(len(f"{number % 1000} ") for number in range(deltas))
    rate, grown = (shared["greenroom"].each(figure) for figure in ("rate", "grown"))
    return [
        Case("post to another session, p50", "ms", both("p50")),
        Case("post to another session, p99", "ms", both("p99")),
        Case(
            "pieces of text, published",
            "/s",
            {"greenroom": rate, "alone": lambda: asyncio.run(bare(deltas))},
            more_is_better=True,
        ),
        Case("memory grown meanwhile", "MiB", {"greenroom": grown, "alone": lambda: text / 2**20}),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark a pipeline that floods its session.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--deltas", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    deltas, rounds = (3_000, 1) if options.smoke else (options.deltas, options.rounds)
    measured = cases(deltas)
    run_rounds(measured, rounds)
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  {deltas:,} pieces of text, rounds {rounds}: median (spread)")
    print(table(measured, ["greenroom", "alone"]))
    if options.json:
        write_json(options.json, measured, deltas=deltas)


if __name__ == "__main__":
    main()
