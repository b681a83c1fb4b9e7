"""Every benchmark, one after the other: one table, what was aimed for, one JSON, and pictures.

    python tests/bench/all.py [--smoke] [--only NAME ...] [--full] [--json out.json] [--plots DIR]

In seven to ten minutes on two processors that have nothing else to do. `--full` takes as many
rounds, and as long, as each benchmark does by itself. Exits with 1 if one of them fails, and never
for what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import Case, machine, table
from plots import draw
from targets import Report, targets

BRIEF: dict[str, list[str]] = {
    "kernel": ["--rounds", "3"],
    "session_path": ["--rounds", "3"],
    "durable": ["--rounds", "3"],
    "density": ["--rounds", "1"],
    "fanout": ["--rounds", "3"],
    "web_fanout": ["--rounds", "1"],
    "growth": ["--rounds", "5"],
    "full_house": ["--rounds", "3", "--seconds", "5"],
    "turns": ["--rounds", "3", "--deltas", "300000"],
    "startup": ["--rounds", "15"],
}
"""What is run, and how it is made to fit."""


def run(name: str, options: Sequence[str], figures: Path) -> Report | None:
    """The figures of one benchmark, which prints them, too; None if it fails."""
    program = Path(__file__).with_name(f"{name}.py")
    start, worked, load = time.monotonic(), _worked_s(), _load()
    print(f"\n{name} {' '.join(options)}".rstrip(), flush=True)
    done = subprocess.run([sys.executable, str(program), *options, "--json", str(figures)])
    if done.returncode:
        print(f"{name} has failed: {done.returncode}", file=sys.stderr)
        return None
    report: Report = json.loads(figures.read_text())
    seconds = time.monotonic() - start
    worked = _worked_s() - worked
    print(
        f"  {seconds:.0f} s, {worked:.0f} s of a processor; "
        f"load of the machine {load} before, {_load()} after",
        flush=True,
    )
    return {**report, "seconds": seconds, "processor_s": worked, "load": load}


def _worked_s() -> float:
    """Processor time of all benchmarks up to now: what they take when nothing is in their way."""
    times = os.times()
    return times.children_user + times.children_system


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"


def whole_table(reports: dict[str, Report]) -> str:
    """Every row of every benchmark; rows of the same contenders have a head of their own."""
    parts: list[str] = []
    for name, report in reports.items():
        groups: dict[tuple[str, ...], list[Case]] = {}
        for row in report["rows"]:
            case = Case(row["name"], row["unit"], {}, row["more_is_better"], row["samples"])
            groups.setdefault(tuple(row["samples"]), []).append(case)
        parts += [f"{name}\n{table(cases, list(who))}" for who, cases in groups.items()]
    return "\n\n".join(parts)


def judged(reports: dict[str, Report]) -> list[dict[str, Any]]:
    """Each target whose benchmark has been run, with what was measured."""
    return [
        {
            "what": target.what,
            "benchmark": target.benchmark,
            "figure": figure,
            "target": f"{target.bound} {target.value:.3g} {target.unit}",
            "unit": target.unit,
            "met": target.met(figure),
        }
        for target in targets()
        if target.benchmark in reports
        for figure in [target.figure(reports[target.benchmark])]
    ]


def targets_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [["target", "", "measured", "aimed for", ""]]
    lines += [
        [
            row["benchmark"],
            row["what"],
            f"{row['figure']:.3g} {row['unit']}",
            row["target"],
            "met" if row["met"] else "not met",
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run every benchmark.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    how.add_argument("--full", action="store_true", help="as each does by itself: takes longer")
    parser.add_argument("--only", nargs="+", choices=list(BRIEF), default=list(BRIEF))
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw them there, as SVG")
    options = parser.parse_args(arguments)
    start, reports = time.monotonic(), dict[str, Report]()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            brief = ["--smoke"] if options.smoke else [] if options.full else BRIEF[name]
            report = run(name, brief, Path(folder) / f"{name}.json")
            if report is not None:
                reports[name] = report
    aims = [] if options.smoke else judged(reports)
    print(f"\n{'  '.join(f'{name} {value}' for name, value in machine().items())}")
    print("median of the rounds (their spread)\n")
    print(whole_table(reports))
    if aims:
        print(f"\n{targets_table(aims)}")
    print(f"\n{time.monotonic() - start:.0f} s in all")
    if options.json:
        found = {**machine(), "benchmarks": reports, "targets": aims}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    if options.plots:
        draw(options.plots, reports)
    return 0 if len(reports) == len(options.only) else 1


if __name__ == "__main__":
    sys.exit(main())
