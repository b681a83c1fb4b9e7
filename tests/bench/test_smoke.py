"""Every benchmark runs and prints all of its rows. No time is judged here."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from house import GUARD_S

ROWS = {
    "kernel": [
        "tell, all actors, idle ones",
        "tell, all actors, queued up",
        "tell, to one actor",
        "ask, awaited one by one",
        "ask, 100 in flight",
        "ask, from another thread",
        "spawn an actor",
        "stop an actor",
        "idle actor, resident (RSS)",
        "idle actor, Python heap (tracemalloc)",
    ],
    "density": [
        "resident idle session, fresh",
        "create a session",
        "resident idle session, ten messages",
        "stored session, ten messages",
        "wake, warm, p50",
        "wake, warm, p99",
    ]
    + (["wake, cold, p50", "wake, cold, p99"] if hasattr(os, "posix_fadvise") else []),
    "fanout": [
        "delivered, one event at a time",
        "delivered, in bursts",
        "publisher, one event at a time",
        "publisher, in bursts",
        "heap grown while some have stalled",
    ],
    "web_fanout": [
        "delivered, people who chat",
        "delivered, one event at a time",
        "delivered, in bursts",
        "idle connection, resident (RSS)",
    ],
    "session_path": [
        f"{sessions} sessions: {what}".replace("one sessions", "one session")
        for sessions in ("one", "many")
        for what in (
            "join and leave",
            "message, answered",
            "message, delivered",
            "messages, many senders",
        )
    ],
    "durable": [
        f"{title}, {size}: {what}"
        for title in ("1 session", "10 sessions")
        for size in ("200 B", "2 KB")
        for what in (
            "commands",
            "in a group",
            "acknowledged at full speed, p50",
            "acknowledged at full speed, p99",
        )
    ]
    + [
        "acknowledged at 1,000 commands/s, p50",
        "acknowledged at 1,000 commands/s, p99",
    ],
    "growth": [
        "sessions, all of them",
        "sessions, a hundred of them",
        "history",
        "participants",
    ],
    "startup": [
        "import, time",
        "import, processor time",
        "import, memory",
        "start a runtime",
        "create the first session",
        "post the first message",
    ],
    "turns": [
        "post to another session, p50",
        "post to another session, p99",
        "pieces of text, published",
        "memory grown meanwhile",
    ],
    "full_house": [
        "ask a healthy session, p50",
        "ask a healthy session, p99",
        "ask a healthy session, p99.9",
    ],
}


@pytest.mark.parametrize("benchmark", ROWS)
def test_a_benchmark_prints_every_row(benchmark: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    program = Path(__file__).with_name(f"{benchmark}.py")

    printed = run(program, "--json", str(figures))

    rows = json.loads(figures.read_text())["rows"]
    assert [row["name"] for row in rows] == ROWS[benchmark]
    for row in rows:
        assert any(line.startswith(row["name"]) for line in printed.splitlines())
        assert all(row["samples"].values())


def test_all_benchmarks_make_one_report_and_pictures(tmp_path: Path) -> None:
    figures, plots = tmp_path / "figures.json", tmp_path / "plots"
    some = ("growth", "startup")

    printed = run(
        Path(__file__).with_name("all.py"),
        *("--only", *some, "--json", str(figures), "--plots", str(plots)),
    )

    assert tuple(json.loads(figures.read_text())["benchmarks"]) == some
    assert all(ROWS[name][0] in printed for name in some)
    drawn = sorted(plots.iterdir())
    assert [picture.stem for picture in drawn] == sorted(some)
    for picture in drawn:
        assert ET.parse(picture).getroot().tag.endswith("svg")


def test_a_benchmark_that_fails_fails_all(tmp_path: Path) -> None:
    for name in ("all", "measure", "plots", "targets"):  # and none of the benchmarks
        shutil.copy(Path(__file__).with_name(f"{name}.py"), tmp_path)

    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path / "all.py", "--only", "startup")


def test_every_target_is_of_a_row_that_is_measured() -> None:
    figures = {
        name: {
            "rows": [
                {
                    "name": row.replace("10 sessions", sessions),
                    "more_is_better": False,
                    "median": defaultdict(lambda: 1.0),
                    "samples": defaultdict(lambda: [1.0], first=[2.0], last=[1.0]),
                }
                for row in rows
                for sessions in ("100 sessions", "10,000 sessions")
            ]
        }
        for name, rows in ROWS.items()
    }

    aimed = [target.figure(figures[target.benchmark]) for target in bench_targets()]

    assert len(aimed) > 30
    assert all(figure > 0 for figure in aimed)


def bench_targets() -> list[Any]:
    """Of the file beside this one, which is on nobody's path."""
    path = Path(__file__).with_name("targets.py")
    spec = importlib.util.spec_from_file_location("targets", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["targets"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    targets: list[Any] = module.targets()
    return targets


def test_a_soak_ends_with_nothing_left(tmp_path: Path) -> None:
    printed = run(Path(__file__).with_name("soak.py"), "--journal", str(tmp_path))

    assert printed.splitlines()[-1] == "wrong: nothing"


def run(program: Path, *arguments: str) -> str:
    """What a benchmark prints when it is only tried."""
    return subprocess.run(
        [sys.executable, str(program), "--smoke", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=3 * GUARD_S,
        check=True,
    ).stdout
