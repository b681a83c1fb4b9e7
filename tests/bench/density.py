"""What a session costs that nobody talks to: bytes of memory, and what it takes to have it.

    python tests/bench/density.py [--smoke] [--sessions N] [--json out.json]

Each figure is of N resident idle sessions (100,000 by default) in one process of their own, on the
memory journal, whose own copy of every session is in the number.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import Case, machine, resident_bytes, run_rounds, table, timed, write_json

import greenroom

SMOKE = 200
BATCH = 1000
"""Sessions under way at once while they are made."""


async def host(sessions: int, messages: int) -> dict[str, float]:
    """Make `sessions`, post `messages` to each, and see what they hold."""
    limits = {"max_sessions": sessions, "max_sessions_per_user": sessions, "idle_s": 86_400.0}
    async with greenroom.Runtime(live_age_s=0.001, **limits) as runtime:
        await runtime.create(user="first")
        before = resident_bytes()
        with timed() as clock:
            for start in range(1, sessions, BATCH):
                await fill(runtime, range(start, min(start + BATCH, sessions)), messages)
        assert runtime.resident == sessions
        held = resident_bytes() - before
    return {"bytes": held / sessions, "us": clock.seconds / sessions * 1e6}


async def fill(runtime: greenroom.Runtime, numbers: range, messages: int) -> None:
    made = [runtime.create(user=f"user-{number}") for number in numbers]
    replies = []
    for number, reply in zip(numbers, made, strict=True):
        session = await reply
        replies += [session.post(f"user-{number}", f"message {n}") for n in range(messages)]
    for posted in replies:
        await posted


def in_a_child(sessions: int, messages: int, figure: str) -> float:
    """The figure of a fresh process, so that nothing of another measurement is in it."""
    command = [sys.executable, __file__, "--child", str(sessions), str(messages)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(printed)
    return figures[figure]


def cases(sessions: int) -> list[Case]:
    def case(name: str, unit: str, messages: int, figure: str) -> Case:
        return Case(name, unit, {"greenroom": lambda: in_a_child(sessions, messages, figure)})

    return [
        case("resident idle session, fresh", "B", 0, "bytes"),
        case("resident idle session, ten messages", "B", 10, "bytes"),
        case("create a session", "us", 0, "us"),
    ]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=int, nargs=2)
    asked: Any = parser.parse_args(arguments)
    if asked.child:
        print(json.dumps(asyncio.run(host(*asked.child))))
        return
    sessions = SMOKE if asked.smoke else asked.sessions
    measured = cases(sessions)
    run_rounds(measured, 1 if asked.smoke else asked.rounds)
    print(machine(), f"{sessions:,} sessions", sep="\n")
    print(table(measured, ["greenroom"]))
    if asked.json:
        write_json(asked.json, measured, sessions=sessions)


if __name__ == "__main__":
    main(sys.argv[1:])
