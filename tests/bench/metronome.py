"""Beats at a steady rate, from a process of its own, as commands come from elsewhere.

A loop's own timers are exact to a millisecond only, and a loop that is kept turning instead takes
the interpreter from the thread that writes.
"""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
from collections.abc import Callable

BEAT = struct.Struct("d")

CHILD = """
import os, struct, sys, time
rate, beats = float(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
start = time.perf_counter()
for beat in range(beats):
    time.sleep(max(0.0, start + beat / rate - time.perf_counter()))
    os.write(1, struct.pack("d", time.perf_counter()))
"""


async def beats(rate: float, count: int, on_beat: Callable[[float], None]) -> None:
    """Call `on_beat`, `rate` times a second, with the moment (`time.perf_counter`) of the beat.

    The moment is that at which it was sent: a loop that is held up has it count.
    """
    loop, done, left = asyncio.get_running_loop(), asyncio.Event(), count
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(rate), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    heard = process.stdout.fileno()

    def hear() -> None:
        nonlocal left
        data = os.read(heard, 64 * BEAT.size)  # each beat is written at once, so none is cut
        for (moment,) in BEAT.iter_unpack(data):
            on_beat(moment)
            left -= 1
        if not left or not data:
            loop.remove_reader(heard)
            done.set()

    loop.add_reader(heard, hear)
    process.stdin.write(b"\n")
    process.stdin.flush()
    await done.wait()
    process.communicate()
    if left:
        raise RuntimeError(f"{left} beats are missing")
