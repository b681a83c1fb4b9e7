"""P16: SIGTERM and SIGKILL recover the same way; a second signal stops now. With real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from house import GUARD_S
from recorded import environment
from theatre import echo, play, settle, texts

import greenroom

HOST = Path(__file__).with_name("host.py")


class Hosting:
    """A process that hosts, and the lines that it has said."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[list[Any]] = []

    def hear(self, word: str, *more: Any) -> list[Any]:
        """Read on until a line that begins so."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.lines.append(msgspec.json.decode(line))
            if self.lines[-1][: 1 + len(more)] == [word, *more]:
                return self.lines[-1]
        raise AssertionError(f"{word} {more}: never said, but {self.lines}")

    def end(self, number: int) -> int:
        """Send the signal; how the process ended."""
        self.process.send_signal(number)
        return self.process.wait(GUARD_S)

    def said(self, word: str) -> list[list[Any]]:
        return [line[1:] for line in self.lines if line[0] == word]


@contextmanager
def hosting(path: Path, *, attempts: int = 1, budget_s: float = 0.05) -> Iterator[Hosting]:
    command = [sys.executable, "-P", str(HOST), str(path), str(attempts), str(budget_s)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as process:
        try:
            hosted = Hosting(process)
            hosted.hear("ready")
            yield hosted
        finally:
            process.kill()


@pytest.mark.parametrize("attempts", [1, 2], ids=["lost", "run again"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_p16_p21_the_next_process_finds_the_same_whichever_signal_ended_the_last(
    tmp_path: Path, number: signal.Signals, attempts: int
) -> None:
    path = tmp_path / "journal.db"
    with hosting(path, attempts=attempts) as host:
        status = host.end(number)
    assert status == (-signal.SIGKILL if number is signal.SIGKILL else 0)

    async def scene() -> None:
        async with greenroom.Runtime(
            echo, journal=f"sqlite:///{path}", turn_attempts=attempts
        ) as runtime:
            busy, quiet = runtime.session("busy"), runtime.session("quiet")
            results = [await busy.result(turn) for turn in (1, 2)]
            history = texts(await busy.transcript("ann"))
            said = [text for (text,) in host.said("acknowledged")]
            assert [text for text in history if text in said] == said
            assert texts(await quiet.transcript("ann")) == ["hello", "hello! "]
            assert [result.status for result in results] == [
                "lost" if attempts == 1 else "completed",
                "completed",
            ]
            assert results[1].text == "after "
            await check_cursor(busy, *host.said("cursor")[0])

    play(scene)


async def check_cursor(session: greenroom.Session, revision: int, cursor: str) -> None:
    """It goes on after `cursor` with no durable event missing, and none twice."""
    head = (await session.info()).revision
    wanted = list(range(revision + 1, head + 1))
    found: list[int] = []
    async for item in session.events("ann", after=cursor):
        if not isinstance(item, greenroom.Gap) and item.durable:
            found.append(item.revision)
        if found[-1:] == [head]:
            break
    assert found == wanted


def test_p16_the_first_signal_drains_and_the_report_is_logged(tmp_path: Path) -> None:
    with hosting(tmp_path / "journal.db") as host:
        host.process.send_signal(signal.SIGTERM)
        (report,) = host.hear("report")[1:]

        assert host.process.wait(GUARD_S) == 0
    assert report == {"passivated": ["quiet"], "handed_back": ["busy"], "left": []}
    assert host.said("log")[0] == ["signal_received"]
    assert ["runtime_drained"] in host.said("log")


def test_p16_a_second_signal_stops_now(tmp_path: Path) -> None:
    with hosting(tmp_path / "journal.db", budget_s=10 * GUARD_S) as host:
        began = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        host.hear("log", "signal_received")
        assert host.process.poll() is None

        assert host.end(signal.SIGINT) == 0
        (report,) = host.hear("report")[1:]

        assert report["handed_back"] == ["busy"]
        assert time.monotonic() - began < GUARD_S


class Noting:
    """A runtime that notes how it is stopped, and has stopped when it is hurried."""

    def __init__(self) -> None:
        self.budgets: list[float | None] = []
        self._hurried = asyncio.Event()

    async def stop(self, *, budget_s: float | None) -> greenroom.DrainReport:
        self.budgets.append(budget_s)
        if budget_s == 0:
            self._hurried.set()
        await self._hurried.wait()
        return greenroom.DrainReport(passivated=[], handed_back=[], left=[])


def test_p16_the_first_signal_gives_the_whole_budget_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)

    async def scene() -> None:
        runtime: Any = Noting()
        stopping = asyncio.create_task(
            greenroom.until_signalled(runtime, budget_s=7.0, signals=(signal.SIGUSR1,))
        )
        await settle()
        assert runtime.budgets == []
        await signalled(runtime, 1)
        assert not stopping.done()
        await signalled(runtime, 2)

        await stopping
        assert runtime.budgets == [7.0, 0]

    async def signalled(runtime: Any, count: int) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(runtime.budgets) < count:
            await settle()

    play(scene)
    assert signal.getsignal(signal.SIGUSR1) == before
