"""What a message costs as a house grows: with its sessions, their history, and their participants.

    python tests/bench/growth.py [--smoke] [--rounds N] [--json out.json]

A line is a curve: what a message costs at each size, and, in the last columns, how many times as
much as at the smallest. A message is posted and acknowledged, on the journal in memory, a hundred
at once. `sessions, all of them` posts to all resident sessions in random order; `sessions, a
hundred of them` to the same hundred, however many others there are. `history` is that of one
session, whose room keeps all of it; `participants` are those of one session that nobody reads.

Each point is a process of its own; they are measured in turns. The number in brackets is the spread
of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import itertools
import logging
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from children import Child
from measure import Case, machine, run_rounds, table, timed, write_json

import greenroom

HOST = "ann"
TEXT = "What I wanted to say about this is not long, but it is not short either. "
IN_FLIGHT = 100
FEW = 100
BATCH = 1000


@dataclass(frozen=True)
class Curve:
    """A row of the table: which size grows, and through which values."""

    name: str
    kind: str
    sizes: tuple[int, ...]


def curves(*, smoke: bool) -> list[Curve]:
    """Every row of the table."""
    wide = (10, 20) if smoke else (100, 1_000, 10_000, 100_000)
    people = (1, 5) if smoke else (1, 10, 100, 1_000)
    return [
        Curve("sessions, all of them", "all", wide),
        Curve("sessions, a hundred of them", "few", wide),
        Curve("history", "history", wide),
        Curve("participants", "participants", people),
    ]


# --- in a child ----------------------------------------------------------------------------------


async def post_all(sessions: Sequence[greenroom.Session], text: str = TEXT) -> None:
    """One message to each, a hundred at once."""
    for start in range(0, len(sessions), IN_FLIGHT):
        replies = [session.post(HOST, text) for session in sessions[start : start + IN_FLIGHT]]
        for posted in replies:
            await posted


async def house(runtime: greenroom.Runtime, kind: str, size: int) -> list[greenroom.Session]:
    """What is to be measured, and the sessions that messages go to."""
    if kind in ("all", "few"):
        sessions: list[greenroom.Session] = []
        while len(sessions) < size:
            batch = min(BATCH, size - len(sessions))
            sessions += [await made for made in [runtime.create(HOST) for _ in range(batch)]]
        random.Random(7).shuffle(sessions)
        await post_all(sessions)
        return sessions if kind == "all" else sessions[:FEW]
    settings = greenroom.Settings(max_participants=size + 1, max_events=1_000_000)
    session = await runtime.create(HOST, settings=settings)
    if kind == "history":
        await post_all([session] * size)
    else:
        for number in range(1, size):
            await session.join(f"user-{number}")
    return [session]


async def measure(kind: str, size: int, messages: int) -> None:
    """Microseconds of a message, printed for each line that is read."""
    limits: Any = {"max_sessions": max(size, 1), "max_sessions_per_user": size, "idle_s": 86_400.0}
    async with greenroom.Runtime(live_age_s=0.001, **limits) as runtime:
        sessions = await house(runtime, kind, size)
        order = itertools.cycle(sessions)
        gc.collect()
        print(runtime.resident, flush=True)
        while sys.stdin.readline():
            now = list(itertools.islice(order, messages))
            with timed() as clock:
                await post_all(now)
            print(clock.seconds / messages * 1e6, flush=True)


# --- the table -----------------------------------------------------------------------------------


def measured(curve: Curve, rounds: int, messages: int) -> Case:
    """The curve, its points in turns."""
    with ExitStack() as stack:
        children = {
            f"{size:,}": stack.enter_context(
                Child(__file__, "--child", curve.kind, str(size), str(messages))
            )
            for size in curve.sizes
        }
        for child in children.values():
            child.ready()
            child.ask()  # warms up, and is not counted
        case = Case(curve.name, "us", {name: child.ask for name, child in children.items()})
        run_rounds([case], rounds)
    return case


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark how a message's cost grows.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.child:
        kind, size, messages = options.child
        asyncio.run(measure(kind, int(size), int(messages)))
        return
    rounds, messages = (1, 20) if options.smoke else (options.rounds, 5_000)
    take = functools.partial(measured, rounds=rounds, messages=messages)
    rows = [take(curve) for curve in curves(smoke=options.smoke)]
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds} of {messages:,} messages: median (spread)")
    for same, group in itertools.groupby(rows, key=lambda case: list(case.samples)):
        print(table(list(group), same))
    if options.json:
        write_json(options.json, rows, rounds=rounds, messages=messages)


if __name__ == "__main__":
    main()
