"""Waiting for all that can happen without time or outside help."""

from __future__ import annotations

import asyncio
from typing import Final

PASSES: Final = 50
"""Of an ordinary loop, after which a house in which nothing is held is taken to have settled."""


async def settle(passes: int | None = None) -> None:
    """Let everything that can happen without time or outside help happen.

    On a `VirtualLoop` it returns when nothing is left to do; on any other one after `PASSES` passes
    of the loop. With `passes`, after so many on either.
    """
    idle = getattr(asyncio.get_running_loop(), "idle", None)
    if passes is None and idle is not None:
        await idle()
        return
    for _ in range(PASSES if passes is None else passes):
        await asyncio.sleep(0)
