"""What the figures should come to: ratios of one run, and a few absolute figures.

Whether they do is printed beside them, and decides nothing: a slow machine is not an error.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Report = dict[str, Any]
"""What one benchmark has written."""

Figure = Callable[[Report], float]


@dataclass(frozen=True)
class Target:
    """A figure of one benchmark, and the bound it should keep."""

    what: str
    benchmark: str
    figure: Figure
    bound: Literal["at least", "at most"]
    value: float
    unit: str = "x"

    def met(self, figure: float) -> bool:
        return figure >= self.value if self.bound == "at least" else figure <= self.value


def row_of(report: Report, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in report["rows"] if row["name"] == name)
    return found


def median(name: str, contender: str = "greenroom", scale: float = 1.0) -> Figure:
    """The median of the rounds."""
    return lambda report: float(row_of(report, name)["median"][contender] / scale)


def times_better(name: str, other: str, mine: str = "greenroom") -> Figure:
    """How many times better greenroom is: the median of the rounds, each of which was side by side
    with the other's, so that a minute in which the machine was slow counts for neither."""

    def figure(report: Report) -> float:
        row = row_of(report, name)
        pairs = zip(row["samples"][mine], row["samples"][other], strict=True)
        more = row["more_is_better"]
        return float(statistics.median(a / b if more else b / a for a, b in pairs))

    return figure


def share(name: str, other: str) -> Figure:
    """How much greenroom takes of what the other does: the median of the rounds."""

    def figure(report: Report) -> float:
        samples = row_of(report, name)["samples"]
        pairs = zip(samples["greenroom"], samples[other], strict=True)
        return float(statistics.median(a / b for a, b in pairs))

    return figure


def growth(name: str) -> Figure:
    """What the last point of a curve costs, in terms of the first: the median of the rounds."""

    def figure(report: Report) -> float:
        first, *_, last = row_of(report, name)["samples"].values()
        return float(statistics.median(big / small for small, big in zip(first, last, strict=True)))

    return figure


def targets() -> list[Target]:
    """All of them, in the order of the benchmarks."""
    return [*_kernel(), *_density(), *_paths(), *_others()]


def _kernel() -> list[Target]:
    tells = {"idle": "tell, all actors, idle ones", "queued up": "tell, all actors, queued up"}
    others = {
        "tell, all actors": tells["idle"],
        "tell, to one": "tell, to one actor",
        "ask": "ask, awaited one by one",
        "spawn": "spawn an actor",
    }
    rows = [
        Target(
            f"tell over 5,000 actors ({how}), pykka",
            "kernel",
            times_better(name, "pykka"),
            "at least",
            30,
        )
        for how, name in tells.items()
    ]
    rows.append(
        Target("ask, awaited, pykka", "kernel", times_better(others["ask"], "pykka"), "at least", 4)
    )
    rows += [
        Target(f"{what}, Task + Queue", "kernel", times_better(name, "task+queue"), "at least", 1.3)
        for what, name in others.items()
    ]
    weight = share("idle actor, resident (RSS)", "pykka")
    return [*rows, Target("bytes per idle actor, pykka", "kernel", weight, "at most", 1 / 20)]


def _density() -> list[Target]:
    kib = {"fresh": 3, "ten messages": 8}
    wakes = {"p50": 0.5, "p99": 3.0}
    return [
        Target(
            f"resident idle session, {name}",
            "density",
            median(f"resident idle session, {name}", scale=1024),
            "at most",
            most,
            "KiB",
        )
        for name, most in kib.items()
    ] + [
        Target(
            f"wake among the stored, warm, {name}",
            "density",
            median(f"wake, warm, {name}"),
            "at most",
            most,
            "ms",
        )
        for name, most in wakes.items()
    ]


def _paths() -> list[Target]:
    whats = ("join and leave", "message, answered", "message, delivered", "messages, many senders")
    memory = [
        Target(
            f"{house}: {what}, {other}",
            "session_path",
            times_better(f"{house}: {what}", other),
            "at least",
            1.0,
        )
        for house in ("one session", "many sessions")
        for what in whats
        for other in ("lock", "queue")
    ]
    durable = [
        Target(
            f"{sessions} sessions, {size}, bare SQLite",
            "durable",
            times_better(f"{sessions} sessions, {size}: commands", "bare sqlite"),
            "at least",
            0.5,
        )
        for sessions in ("100", "10,000")
        for size in ("200 B", "2 KB")
    ]
    paced = share("acknowledged at 1,000 commands/s, p50", "one fdatasync")
    soon = Target("ack at 1,000 commands/s, p50, one fsync", "durable", paced, "at most", 4)
    return [*memory, *durable, soon]


def _others() -> list[Target]:
    stalled = times_better("delivered, one event at a time", "none stalled")
    bursts = times_better("delivered, in bursts", "none stalled")
    return [
        Target(
            "sessions, 100,000 against 100",
            "growth",
            growth("sessions, all of them"),
            "at most",
            1.2,
        ),
        Target("history, 100,000 against 100", "growth", growth("history"), "at most", 1.1),
        Target("10 of 1,000 stall, one event at a time", "fanout", stalled, "at least", 0.95),
        Target("10 of 1,000 stall, in bursts", "fanout", bursts, "at least", 0.95),
        Target(
            "import greenroom, beyond its dependencies",
            "startup",
            median("import, time"),
            "at most",
            60,
            "ms",
        ),
    ]
