"""What a test of the load command needs: the sample, small dialogues, and a loop without waits."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import greenroom
from greenroom.actors.ports import Journal
from greenroom.adapters.commands.load import TURN_ATTEMPTS
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.dataset import Call, Dialogue, Utterance
from greenroom.adapters.load.driver import Driver
from greenroom.adapters.load.pace import Pace
from greenroom.adapters.load.report import Counters
from greenroom.adapters.load.transcripts import Transcripts
from greenroom.adapters.load.trouble import NONE, Trouble
from greenroom.adapters.load.verify import Verdict, verify

T = TypeVar("T")

SAMPLE = Path(__file__).with_name("data") / "dialogues.jsonl.gz"

COMMAND = (sys.executable, "-P", "-m", "greenroom")


def environment() -> dict[str, str]:
    """The environment of a subprocess that starts in another folder, and finds the tests' kits."""
    paths = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(Path(__file__).parent)]
    absolute = os.pathsep.join(os.path.abspath(path) for path in paths if path)
    return os.environ | {"PYTHONPATH": absolute}


def dialogue(number: int, *, exchanges: int = 3, calls: int = 1) -> Dialogue:
    """A dialogue whose texts are like no other's; the second answer has calls behind it."""
    turns = []
    for place in range(exchanges):
        called = tuple(_call(number, n) for n in range(calls)) if place == 1 else ()
        turns += [
            Utterance(speaker="user", text=f"question {place} of {number}?"),
            Utterance(speaker="system", text=f"answer  {place} of\n{number}. ", calls=called),
        ]
    return Dialogue(dialogue_id=f"d-{number}", services=("Rooms_1",), turns=tuple(turns))


def dialogues(count: int) -> list[Dialogue]:
    return [dialogue(number) for number in range(count)]


def _call(dialogue: int, number: int) -> Call:
    parameters = {"dialogue": dialogue, "rooms": [1, {"beds": None}]}
    return Call(service="Rooms_1", method="Find", parameters=parameters, results=number)


async def host(
    shown: Sequence[Dialogue],
    journal: Journal | None = None,
    *,
    pipeline: Any = None,
    sessions: int = 200,
    rate: float = 0.0,
    rooms: int = 1,
    trouble: Trouble = NONE,
    **settings: Any,
) -> tuple[Counters, greenroom.Runtime]:
    """Host dialogues on a runtime that is started and stopped for it."""
    settings = {
        "max_sessions": 1000,
        "max_sessions_per_user": 1000,
        "turn_attempts": TURN_ATTEMPTS,
    } | settings
    runtime = greenroom.Runtime(
        pipeline or Transcripts(shown, trouble), journal=journal or MemoryJournal(), **settings
    )
    async with runtime:
        driver = Driver(
            runtime, sessions=sessions, users=7, rooms=rooms, trouble=trouble, pace=Pace(rate)
        )
        await driver.run(shown)
    return driver.counters, runtime


async def host_and_verify(
    shown: Sequence[Dialogue], *, trouble: Trouble = NONE, **options: Any
) -> tuple[Counters, Verdict]:
    """Host dialogues in a journal in memory, and compare what it then has."""
    journal = MemoryJournal()
    counters, _ = await host(shown, journal, trouble=trouble, **options)
    return counters, await verify(journal, shown, trouble)


def run_at_once(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a loop whose clock jumps to the next timer whenever nothing else is due."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(work)


class _JumpingLoop(asyncio.SelectorEventLoop):
    """Only for work that waits for nothing but timers and itself."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """However long it takes: threads are what this clock does not know of."""
        await super().shutdown_default_executor()

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now_s

    def jump(self, seconds: float) -> None:
        self._now_s += seconds


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, loop: _JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self._loop.jump(max(timeout or 0.0, 0.0))
        return super().select(0 if timeout is not None else None)
