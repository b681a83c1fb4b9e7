"""Waiting by a runtime's clock."""

from __future__ import annotations

import asyncio
from functools import partial

from ..actors.ports import Clock


async def pause(clock: Clock, seconds: float) -> None:
    """Wait, by a clock that a test may move."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, partial(_end, over))
    try:
        await over
    finally:
        timer.cancel()


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
