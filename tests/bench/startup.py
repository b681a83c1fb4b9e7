"""What it costs to begin: the import, the runtime's start, and the first message.

    python tests/bench/startup.py [--smoke] [--rounds N] [--json out.json]

Everything is of fresh processes, whose bytecode is compiled already. `greenroom` is what it costs
beyond its three dependencies, which are imported before; `dependencies` is what these cost. The
runtime is one with a journal in memory; its first message is that to a session made before, and
acknowledged. The number in brackets is the spread of the rounds.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Case, machine, run_rounds, table, write_json

DEPENDENCIES = ("pykka", "msgspec", "structlog")

CHILD = f"""
import asyncio, json, os, time

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

try:
    resident()
except OSError:
    resident = lambda: 0

figures, place = {{}}, (time.perf_counter(), resident())

def passed(name):
    global place
    now = time.perf_counter(), resident()
    figures[name] = ((now[0] - place[0]) * 1e3, (now[1] - place[1]) / 2**20)
    place = time.perf_counter(), resident()

import {", ".join(DEPENDENCIES)}
passed("dependencies")
import greenroom
passed("greenroom")

async def main():
    passed("loop")
    runtime = greenroom.Runtime()
    await runtime.start()
    passed("start")
    session = await runtime.create("ann")
    passed("create")
    await session.post("ann", "Hello?")
    passed("post")
    await runtime.stop()

asyncio.run(main())
print(json.dumps(figures))
"""


def in_a_child(bytecode: str, name: str, place: int) -> float:
    """Milliseconds, or mebibytes, that the part `name` of a fresh process took.

    Bytecode is kept in the folder `bytecode`, whatever the environment says about it.
    """
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    figures: dict[str, tuple[float, float]] = json.loads(done.stdout)
    return figures[name][place]


def cases(bytecode: str) -> list[Case]:
    """Every row of the table."""

    def part(name: str, place: int = 0) -> Callable[[], float]:
        return functools.partial(in_a_child, bytecode, name, place)

    def imports(place: int) -> dict[str, Callable[[], float]]:
        return {name: part(name, place) for name in ("greenroom", "dependencies")}

    return [
        Case("import, time", "ms", imports(0)),
        Case("import, memory", "MiB", imports(1)),
        Case("start a runtime", "ms", {"greenroom": part("start")}),
        Case("create the first session", "ms", {"greenroom": part("create")}),
        Case("post the first message", "ms", {"greenroom": part("post")}),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark how greenroom begins.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    rounds = 1 if options.smoke else options.rounds
    with tempfile.TemporaryDirectory() as bytecode:
        measured = cases(bytecode)
        in_a_child(bytecode, "greenroom", 0)  # compiles everything
        run_rounds(measured, rounds)
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds}: median (spread)")
    both, alone = measured[:2], measured[2:]
    print(table(both, ["greenroom", "dependencies"]))
    print(table(alone, ["greenroom"]))
    if options.json:
        write_json(options.json, measured, rounds=rounds)


if __name__ == "__main__":
    main()
