"""Waiting for all that can happen without time or outside help."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, runtime_checkable

PASSES: Final = 50
"""Of an ordinary loop, after which a house in which nothing is held is taken to have settled."""


@runtime_checkable
class Settles(Protocol):
    """A loop that knows when nothing is left to do."""

    async def idle(self) -> None:
        """Return when nothing is ready to run."""
        ...


async def settle(passes: int | None = None) -> None:
    """Let everything that can happen without time or outside help happen.

    On a `VirtualLoop` it returns when nothing is left to do; on any other one after `PASSES` passes
    of the loop. With `passes`, after so many on either.
    """
    loop = asyncio.get_running_loop()
    if passes is None and isinstance(loop, Settles):
        await loop.idle()
        return
    for _ in range(PASSES if passes is None else passes):
        await asyncio.sleep(0)
