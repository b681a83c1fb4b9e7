"""Long work on a file, beside the loop: it stops when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Stopped: TypeAlias = Callable[[], bool]
"""Asked by the work now and then: whether to give up."""


async def beside(work: Callable[[Stopped], T]) -> T:
    """Run `work` in a thread. Who is cancelled while waiting leaves when the work has stopped."""
    stop = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(work, stop.is_set))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await task
        raise
