"""What it costs to begin: the import, the runtime's start, and the first message.

    python tests/bench/startup.py [--smoke] [--rounds N] [--json out.json]

Everything is of fresh processes, whose bytecode is compiled already. `greenroom` is what it costs
beyond its three dependencies, which are imported before; `dependencies` is what these cost. The
runtime is one with a journal in memory; its first message is that to a session made before, and
acknowledged. The number in brackets is the spread of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from measure import Case, Shared, machine, run_rounds, table, write_json

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

def here():
    return time.perf_counter() * 1e3, time.process_time() * 1e3, resident() / 2**20

figures, place = {{}}, here()

def passed(name):
    global place
    passed = [now - before for now, before in zip(here(), place)]
    figures[name] = dict(zip(("ms", "cpu_ms", "mib"), passed))
    place = here()

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


class Begun:
    """A fresh process for each round, and what its parts took. Bytecode is kept in a folder of its
    own, whatever the environment says about it."""

    def __init__(self, bytecode: str) -> None:
        self._environ = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        self._environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.run()  # compiles everything

    def run(self) -> dict[tuple[str, str], float]:
        command = [sys.executable, "-c", CHILD]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=self._environ
        )
        figures = json.loads(done.stdout)
        return {(part, what): figures[part][what] for part in figures for what in figures[part]}


def cases(begun: Begun) -> list[Case]:
    """Every row of the table."""
    shared = Shared(begun.run)

    def part(name: str, what: str = "ms") -> Callable[[], float]:
        return shared.each((name, what))

    def imports(what: str) -> dict[str, Callable[[], float]]:
        return {name: part(name, what) for name in ("greenroom", "dependencies")}

    return [
        Case("import, time", "ms", imports("ms")),
        Case("import, processor time", "ms", imports("cpu_ms")),
        Case("import, memory", "MiB", imports("mib")),
        Case("start a runtime", "ms", {"greenroom": part("start")}),
        Case("create the first session", "ms", {"greenroom": part("create")}),
        Case("post the first message", "ms", {"greenroom": part("post")}),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark how greenroom begins.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    rounds = 1 if options.smoke else options.rounds
    with tempfile.TemporaryDirectory() as bytecode:
        measured = cases(Begun(bytecode))
        run_rounds(measured, rounds)
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds}: median (spread)")
    both, alone = measured[:3], measured[3:]
    print(table(both, ["greenroom", "dependencies"]))
    print(table(alone, ["greenroom"]))
    if options.json:
        write_json(options.json, measured, rounds=rounds)


if __name__ == "__main__":
    main()
