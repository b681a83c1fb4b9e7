"""What a message costs as a house grows: with its sessions, their history, and their participants.

    python tests/bench/growth.py [--smoke] [--rounds N] [--json out.json]

A line is a curve: what a message costs at each size, and, in the last columns, how many times as
much as at the smallest. A message is posted and acknowledged, on the journal in memory, a hundred
at once. `sessions, all of them` posts to all resident sessions in random order; `sessions, a
hundred of them` to the same hundred, however many others there are. `history` is that of one
session, whose room keeps all of it; `participants` are those of one session that nobody reads.

Each point is a process of its own, the two curves of sessions share theirs; they are measured in
turns. The number in brackets is the spread
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
class Growth:
    """What grows, through which sizes, and the rows of the table: how many sessions of all that are
    there are posted to."""

    kind: str
    sizes: tuple[int, ...]
    rows: dict[str, int | None]


def growths(*, smoke: bool) -> list[Growth]:
    """Every row of the table."""
    wide = (10, 20) if smoke else (100, 1_000, 10_000, 100_000)
    people = (1, 5) if smoke else (1, 10, 100, 1_000)
    sessions = {"sessions, all of them": None, "sessions, a hundred of them": FEW}
    return [
        Growth("sessions", wide, sessions),
        Growth("history", wide, {"history": None}),
        Growth("participants", people, {"participants": None}),
    ]


# --- in a child ----------------------------------------------------------------------------------


async def post_all(sessions: Sequence[greenroom.Session], text: str = TEXT) -> None:
    """One message to each, a hundred at once."""
    for start in range(0, len(sessions), IN_FLIGHT):
        replies = [session.post(HOST, text) for session in sessions[start : start + IN_FLIGHT]]
        for posted in replies:
            await posted


async def house(runtime: greenroom.Runtime, kind: str, size: int) -> list[greenroom.Session]:
    """What is to be measured: its sessions, in random order."""
    if kind == "sessions":
        sessions: list[greenroom.Session] = []
        while len(sessions) < size:
            batch = min(BATCH, size - len(sessions))
            sessions += [await made for made in [runtime.create(HOST) for _ in range(batch)]]
        random.Random(7).shuffle(sessions)
        await post_all(sessions)
        return sessions
    settings = greenroom.Settings(max_participants=size + 1, max_events=1_000_000)
    session = await runtime.create(HOST, settings=settings)
    if kind == "history":
        await post_all([session] * size)
    else:
        for number in range(1, size):
            await session.join(f"user-{number}")
    return [session]


def rows_of(kind: str) -> dict[str, int | None]:
    return next(growth.rows for growth in growths(smoke=False) if growth.kind == kind)


async def measure(kind: str, size: int, messages: int) -> None:
    """Microseconds of a message, printed for each line that is read, which says what row it is."""
    limits: Any = {"max_sessions": max(size, 1), "max_sessions_per_user": size, "idle_s": 86_400.0}
    async with greenroom.Runtime(live_age_s=0.001, **limits) as runtime:
        sessions = await house(runtime, kind, size)
        orders = {row: itertools.cycle(sessions[:few]) for row, few in rows_of(kind).items()}
        gc.collect()
        print(runtime.resident, flush=True)
        while row := sys.stdin.readline().strip():
            now = list(itertools.islice(orders[row], messages))
            with timed() as clock:
                await post_all(now)
            print(clock.seconds / messages * 1e6, flush=True)


# --- the table -----------------------------------------------------------------------------------


def measured(growth: Growth, rounds: int, messages: int) -> list[Case]:
    """The curves, their points in turns."""
    with ExitStack() as stack:
        children = {
            f"{size:,}": stack.enter_context(
                Child(__file__, "--child", growth.kind, str(size), str(messages))
            )
            for size in growth.sizes
        }
        for child in children.values():
            child.ready()
            for row in growth.rows:
                child.ask(row)  # warms up, and is not counted
        cases = [
            Case(row, "us", {n: functools.partial(c.ask, row) for n, c in children.items()})
            for row in growth.rows
        ]
        run_rounds(cases, rounds)
    return cases


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
    grown = [measured(growth, rounds, messages) for growth in growths(smoke=options.smoke)]
    rows = list(itertools.chain.from_iterable(grown))
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds} of {messages:,} messages: median (spread)")
    for same, group in itertools.groupby(rows, key=lambda case: list(case.samples)):
        print(table(list(group), same))
    if options.json:
        write_json(options.json, rows, rounds=rounds, messages=messages)


if __name__ == "__main__":
    main()
