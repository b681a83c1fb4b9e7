"""Kills a `victim` again and again on one journal, and looks after each death what is there."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from crash.look import check_file, look
from crash.told import Told
from recorded import SAMPLE, environment

from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.load.dataset import read_dialogues
from greenroom.adapters.load.trouble import Trouble
from greenroom.adapters.load.verify import verify

VICTIM = Path(__file__).with_name("victim.py")

GUARD_S = 60.0
LINES = 120
"""A process is killed after so many lines at most: some 20 turns."""


class Victim:
    """The process that forks lives, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def begin(self, life: dict[str, Any]) -> int:
        """Begin a life; the process that lives it."""
        self._put(msgspec.json.encode(life))
        return self._wait_for("born")

    def lines(self) -> Iterator[list[Any]]:
        """What it says until it has ended; the last line tells how."""
        while True:
            line = self.line()
            if line[0] == "ended":
                self._put(b"")
                yield line
                return
            yield line

    def line(self) -> list[Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the victim has died by itself"
        words: list[Any] = msgspec.json.decode(line)
        return words

    def _wait_for(self, word: str) -> Any:
        self.early: list[list[Any]] = []
        while (line := self.line())[0] != word:
            self.early.append(line)
        return line[-1]

    def _put(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()


@contextmanager
def a_victim() -> Iterator[Victim]:
    command = [sys.executable, "-P", str(VICTIM), str(SAMPLE)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            victim = Victim(process)
            assert victim.line() == ["ready"]
            yield victim
        finally:
            process.kill()


class Figures(msgspec.Struct, kw_only=True):
    kills: int = 0
    acknowledged: int = 0
    published: int = 0
    journals: int = 0
    sessions_read: int = 0


class Series:
    """Kills on one journal after another until there were enough; a finished one is verified.

    `options` are fields of a victim's life. `dialogues` of the sample are played on each journal.
    """

    def __init__(
        self, folder: Path, seed: int, *, dialogues: int = 30, lines: int = LINES, **options: Any
    ) -> None:
        self.figures = Figures()
        self._folder, self._seed, self._options = folder, seed, options
        self._rng = random.Random(seed)
        self._all = list(read_dialogues(SAMPLE))
        self._count, self._lines = dialogues, lines
        self._trouble = Trouble(
            barge_in=options.get("barge_in", 0.0), approve=options.get("approve", 0.0)
        )

    def run(self, kills: int) -> Figures:
        """Kill so often, and have the last journal finished in peace."""
        with a_victim() as victim:
            while self.figures.kills < kills:
                self._one_journal(victim, kills)
        return self.figures

    def _one_journal(self, victim: Victim, kills: int) -> None:
        self.figures.journals += 1
        path = self._folder / f"{self.figures.journals}.db"
        told, shown = Told(), self._rng.sample(self._all, self._count)
        names = [dialogue.dialogue_id for dialogue in shown]
        while len(told.done) < len(names):
            life = self._options | {
                "path": str(path),
                "seed": self._rng.randrange(2**32),
                "dialogues": [name for name in names if name not in told.done],
                "taps": sorted(told.taps - told.tapped),
            }
            self._one_life(victim, life, told, kill=self.figures.kills < kills)
            self._look(path, told)
            if told.newest and self._rng.random() < 0.2:
                check_file(path)
        told.touched.update(told.newest)
        self._look(path, told)
        check_file(path)
        journal = SqliteJournal(path, read_only=True)
        verdict = asyncio.run(verify(journal, shown, self._trouble))
        assert not verdict.mismatches, verdict.mismatches
        self.figures.acknowledged += told.acknowledged
        self.figures.published += sum(map(len, told.heard.values()))

    def _look(self, path: Path, told: Told) -> None:
        names, told.touched = told.touched, set()
        look(path, told, names)
        self.figures.sessions_read += len(names)

    def _one_life(self, victim: Victim, life: dict[str, Any], told: Told, *, kill: bool) -> None:
        """Have it live, and kill it after some line and some microseconds."""
        after = int(self._rng.triangular(0, self._lines, 0)) if kill else None
        spin_s = self._rng.choice((0.0, self._rng.random() / 500))
        pid, status = victim.begin(life), None
        for line in victim.early:
            told.note(line)
        seen = len(victim.early)
        if after is not None and seen >= after:
            after = _kill(pid, spin_s)
        for line in victim.lines():
            if line[0] == "ended":
                status = line[1]
                break
            told.note(line)
            seen += 1
            if after is not None and seen >= after:
                after = _kill(pid, spin_s)
        assert status in (0, signal.SIGKILL), f"it ended by itself with {status}"
        self.figures.kills += status == signal.SIGKILL


def _kill(pid: int, spin_s: float) -> None:
    until = time.perf_counter() + spin_s
    while time.perf_counter() < until:
        pass
    os.kill(pid, signal.SIGKILL)
