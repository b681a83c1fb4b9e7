"""A process that hosts sessions until the operating system asks it to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from ..supervisor.messages import DrainReport
from .embedded import Runtime

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


async def until_signalled(
    runtime: Runtime, *, budget_s: float | None = None, signals: Sequence[int] = SIGNALS
) -> DrainReport:
    """Wait for SIGTERM or SIGINT, then stop `runtime`; a second signal stops it now.

        async with greenroom.Runtime(agent, journal="sqlite:///greenroom.db") as runtime:
            report = await greenroom.until_signalled(runtime)

    The first signal drains, for `budget_s` seconds (None: as the config says). The report, which
    is also logged, names the sessions whose turns were handed back. With the next process on the
    same journal nothing is lost that was acknowledged, as after SIGKILL.

    To be called on the main thread, whose loop the runtime runs on. What was done about the signals
    before is done again afterwards. If whoever waits is cancelled, the runtime goes on. Raises
    what `Runtime.stop` raises, ValueError or RuntimeError on another thread, and
    NotImplementedError on loops without signals, such as those of Windows.
    """
    asked = asyncio.Event()
    hurrying: list[asyncio.Task[DrainReport]] = []

    def on_signal(number: int) -> None:
        log.info("signal_received", signal=signal.Signals(number).name, again=asked.is_set())
        if asked.is_set():
            hurrying.append(asyncio.get_running_loop().create_task(runtime.stop(budget_s=0)))
        asked.set()

    before = _handle(signals, on_signal)
    try:
        await asked.wait()
        report = await runtime.stop(budget_s=budget_s)
        if hurrying:
            await asyncio.gather(*hurrying)
    finally:
        _restore(before)
    log.info(
        "runtime_drained",
        passivated=len(report.passivated),
        handed_back=report.handed_back,
        left=report.left,
    )
    return report


def _handle(signals: Sequence[int], on_signal: Callable[[int], None]) -> dict[int, Any]:
    """Have `on_signal` called on the loop; what was done about each signal before."""
    loop, before = asyncio.get_running_loop(), {}
    for number in signals:
        known = signal.getsignal(number)
        loop.add_signal_handler(number, on_signal, number)
        before[number] = known
    return before


def _restore(before: dict[int, Any]) -> None:
    loop = asyncio.get_running_loop()
    for number, handler in before.items():
        loop.remove_signal_handler(number)
        if handler is not None:  # one that was not set from Python cannot be set again
            signal.signal(number, handler)
