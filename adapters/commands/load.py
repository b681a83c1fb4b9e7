"""`greenroom load`: host recorded dialogues, and say how it went."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from ...actors.errors import ConfigError
from ...actors.ports import Journal
from ...supervisor.config import Config
from ...supervisor.journals import find_journal
from ..embedded import Runtime
from ..load.dataset import Dialogue, read_dialogues
from ..load.display import Progress, display
from ..load.driver import Driver
from ..load.pace import Pace
from ..load.report import SHOWN, Report, journal_bytes, report, summary, write_report
from ..load.transcripts import Transcripts
from ..load.trouble import Trouble
from ..load.verify import Verdict, verify
from .journals import DEFAULT, JournalUrl, to_read
from .output import console, printable, table

TURN_ATTEMPTS: Final = 100
"""A killed run leaves turns running: the next one runs them again. A recording may be played as
often as it takes; with 3 attempts, 30 kills in a row left 10 of 2,098 dialogues with a lost turn.
"""

_ONE = Number(gte=1)
_SHARE = Number(gte=0, lte=1)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """How the dialogues of a file are hosted."""

    sessions: Annotated[int, Parameter(help="Dialogues under way at once.", validator=_ONE)] = 200
    journal: JournalUrl = DEFAULT
    users: Annotated[int, Parameter(help="Users who own them.", validator=_ONE)] = 100
    rooms: Annotated[
        int, Parameter(help="People who take part in each session.", validator=_ONE)
    ] = 1
    barge_in: Annotated[
        float, Parameter(help="Share of turns that the next message interrupts.", validator=_SHARE)
    ] = 0.0
    approve: Annotated[
        float,
        Parameter(
            help="Share of tool calls put to approval, the session off the stage meanwhile.",
            validator=_SHARE,
        ),
    ] = 0.0
    rate: Annotated[
        float, Parameter(help="Messages a second at most; 0: no bound.", validator=Number(gte=0))
    ] = 0.0
    capacity: Annotated[int, Parameter(help="Sessions resident at most.", validator=_ONE)] = 10_000
    idle: Annotated[
        float, Parameter(help="Seconds until an idle session leaves.", validator=Number(gt=0))
    ] = 900.0
    report: Annotated[Path | None, Parameter(help="Write the figures there, as JSON.")] = None
    verify: Annotated[
        bool, Parameter(help="Compare the journal with the file afterwards.", negative="")
    ] = False
    limit: Annotated[
        int | None, Parameter(help="Only the first dialogues of the file.", validator=_ONE)
    ] = None

    @property
    def trouble(self) -> Trouble:
        """What goes wrong on purpose."""
        return Trouble(barge_in=self.barge_in, approve=self.approve)

    def config(self) -> Config:
        """The runtime's settings."""
        return Config(
            max_sessions=self.capacity,
            max_sessions_per_user=self.capacity,
            idle_s=self.idle,
            turn_attempts=TURN_ATTEMPTS,
        )


def load(
    file: Annotated[Path, Parameter(help="Dialogues, .jsonl or .jsonl.gz.")],
    /,
    *,
    options: Options = Options(),
) -> int:
    """Host recorded dialogues as sessions, and print what was seen.

    The recorded assistant is the pipeline. A run on a journal that has some of the dialogues
    already goes on where they stand.
    """
    path = options.report
    if path is not None and not path.absolute().parent.is_dir():
        raise ConfigError("report", str(path), "a file in a folder that exists")
    dialogues = read_dialogues(file, limit=options.limit)
    figures, number = asyncio.run(_load(dialogues, options))
    _print(figures)
    if path is not None:
        write_report(figures, path)
    if number is not None:
        return 128 + number
    return 0 if figures.flawless else 1


async def _load(dialogues: Sequence[Dialogue], options: Options) -> tuple[Report, int | None]:
    """Host, stop, and verify if it is wanted. Also the signal that cut it short, if one did."""
    journal = find_journal(options.journal)
    figures, number = await _host(dialogues, options, journal)
    verdict = None
    if options.verify and number is None:
        verdict = await _verify(dialogues, options, journal)
    interrupted, size = number is not None, journal_bytes(journal)
    figures = msgspec.structs.replace(
        figures, interrupted=interrupted, journal_bytes=size, verdict=verdict
    )
    return figures, number


async def _host(
    dialogues: Sequence[Dialogue], options: Options, journal: Journal
) -> tuple[Report, int | None]:
    loop = asyncio.get_running_loop()
    pipeline = Transcripts(dialogues, options.trouble)
    async with Runtime(pipeline, journal=journal, config=options.config()) as runtime:
        pace = Pace(options.rate)
        driver = Driver(
            runtime,
            sessions=options.sessions,
            users=options.users,
            rooms=options.rooms,
            trouble=options.trouble,
            pace=pace,
        )
        began = loop.time()
        async with display(lambda: _progress(runtime, driver, len(dialogues)), sys.stderr):
            number = await until_signal(driver.run(dialogues))
        return report(driver.counters, runtime.stats, seconds=loop.time() - began), number


async def _verify(dialogues: Sequence[Dialogue], options: Options, journal: Journal) -> Verdict:
    """From a journal opened anew, where there is one to be opened beside the object at hand."""
    kept = getattr(journal, "path", None) is not None
    read = to_read(options.journal) if kept else journal
    return await verify(read, dialogues, options.trouble)


async def until_signal(work: Coroutine[Any, Any, None]) -> int | None:
    """Run `work`; cancel it at SIGINT or SIGTERM, and return which. A second one kills as usual."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        loop.remove_signal_handler(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, int(number))
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return received[0] if received else None


def _progress(runtime: Runtime, driver: Driver, total: int) -> Progress:
    counters, stats = driver.counters, runtime.stats
    return Progress(
        done=counters.dialogues + counters.errors,
        total=total,
        resident=runtime.resident,
        passivated=stats.passivated,
        turns=sum(stats.turns_ended.values()),
        events=stats.published,
        deepest=runtime.deepest_mailbox,
        errors=counters.errors,
    )


def _print(figures: Report) -> None:
    out = console()
    out.print(table(summary(figures)))
    for text in figures.error_texts:
        out.print("error:", printable(text), soft_wrap=True)
    mismatches = figures.verdict.mismatches if figures.verdict else []
    for mismatch in mismatches[:SHOWN]:
        out.print("differs:", mismatch.dialogue, printable(mismatch.why), soft_wrap=True)
