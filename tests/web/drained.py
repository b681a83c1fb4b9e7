"""What answers in the process that `test_drain_process.py` stops, by module:attribute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import greenroom

PIECE_S = 0.05


async def answer(turn: greenroom.Turn) -> AsyncIterator[str]:
    """Count up to the number it is told, or for ever."""
    until = turn.input.text
    number = 0
    while until == "ever" or number < int(until):
        number += 1
        yield f"{number} "
        await asyncio.sleep(PIECE_S)
