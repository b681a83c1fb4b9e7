"""What the benchmarks share: interleaved rounds, medians with their spread, and a plain table."""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class Case:
    """One thing to measure, of several contenders.

    `measures` has a function for each contender that runs the thing once and returns what it took
    in `unit`; whatever it has to build first is not in that number.
    """

    name: str
    unit: str
    measures: dict[str, Callable[[], float]]
    more_is_better: bool = False
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median(self, contender: str) -> float:
        return statistics.median(self.samples[contender])

    def spread(self, contender: str) -> float:
        """How far apart the rounds lie: (largest - smallest) / median."""
        samples = self.samples[contender]
        return (max(samples) - min(samples)) / (self.median(contender) or 1)

    def times_better(self, contender: str, other: str) -> float:
        """How many times better `contender` is than `other`; below 1 it is worse."""
        mine, theirs = self.median(contender), self.median(other)
        better, worse = (mine, theirs) if self.more_is_better else (theirs, mine)
        return better / worse if worse else float("nan")


Name = TypeVar("Name")


class Shared(Generic[Name]):
    """One measurement that several rows have their figures of; a figure that is asked for once more
    is of the next one."""

    def __init__(self, measure: Callable[[], dict[Name, float]]) -> None:
        self._measure = measure
        self._left: dict[Name, float] = {}

    def each(self, name: Name) -> Callable[[], float]:
        """What measures that figure, for a `Case`."""
        return functools.partial(self._figure, name)

    def _figure(self, name: Name) -> float:
        if name not in self._left:
            self._left = self._measure()
        return self._left.pop(name)


@dataclass
class Clock:
    """How long the block took that was timed."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    clock, start = Clock(), time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - start


def run_rounds(cases: Sequence[Case], rounds: int) -> None:
    """Measure everything once per round, so that a noisy minute falls on all contenders alike.

    Who goes first changes from round to round.
    """
    for round_ in range(rounds):
        for case in cases:
            names = list(case.measures)
            first = round_ % len(names)
            for name in names[first:] + names[:first]:
                gc.collect()
                case.samples.setdefault(name, []).append(case.measures[name]())


class Loops:
    """Which event loop everything is measured on: asyncio's own, or with `--uvloop` uvloop's."""

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None

    @classmethod
    def offer(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--uvloop", action="store_true", help="on uvloop, not asyncio's loop")

    @classmethod
    def choose(cls, options: argparse.Namespace) -> None:
        if options.uvloop:
            import uvloop

            cls.factory = uvloop.new_event_loop


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on the loop that was chosen."""
    with asyncio.Runner(loop_factory=Loops.factory) as runner:
        return runner.run(main)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "loop": "asyncio" if Loops.factory is None else "uvloop",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "pykka": _version("pykka"),
    }


def table(cases: Sequence[Case], contenders: Sequence[str]) -> str:
    """A line per case: each contender's median and spread, then how the first one compares."""
    first, *others = contenders
    lines = [["", "unit", *contenders, *(f"x {other}" for other in others)]]
    lines.extend(
        [case.name, case.unit]
        + [f"{_number(case.median(name))} ({case.spread(name):.0%})" for name in contenders]
        + [_number(case.times_better(first, other)) for other in others]
        for case in cases
    )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_json(path: Path, cases: Sequence[Case], **about: Any) -> None:
    """The same figures, each round of them, for a program to read."""
    rows = [
        {
            "name": case.name,
            "unit": case.unit,
            "more_is_better": case.more_is_better,
            "median": {name: case.median(name) for name in case.samples},
            "samples": case.samples,
        }
        for case in cases
    ]
    path.write_text(json.dumps({**machine(), **about, "rows": rows}, indent=2) + "\n")


def resident_bytes() -> int:
    """Memory this process holds now; where the system does not say, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _number(value: float) -> str:
    """Three significant digits, and no more decimals than they need."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
