"""Time and randomness, from the machine: the only place where greenroom asks for them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from ..actors.ports import Timer


class SystemClock:
    """The machine's clocks, and timers on the running loop."""

    def now_ms(self) -> int:
        return now_ms()

    monotonic = staticmethod(time.monotonic)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay_s, call)


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def new_id(size: int) -> str:
    """`size` random bytes from the operating system, in hexadecimal."""
    return os.urandom(size).hex()
