"""A process that hosts sessions until a signal ends it, and says what is acknowledged as it goes.

python host.py <journal.db> <attempts> <budget_s>
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog

import greenroom


def say(*words: Any) -> None:
    """One line, in one piece."""
    os.write(1, msgspec.json.encode(words) + b"\n")


async def answer(turn: greenroom.Turn) -> AsyncIterator[str]:
    """Say what it was told; "think" goes on for ever, unless it is run again."""
    yield f"{turn.input.text}! "
    if turn.input.text == "think" and turn.attempt == 1:
        await asyncio.Event().wait()


async def fill(runtime: greenroom.Runtime) -> None:
    """A session that has gone well, and one at work for which another turn waits."""
    quiet = await runtime.create(user="ann", id="quiet")
    turn = await quiet.send("ann", "hello")
    await turn.result()
    busy = await runtime.create(user="ann", id="busy")
    events = busy.events("ann", after=greenroom.START)
    for number in range(3):
        await busy.post("ann", f"post {number}")
        say("acknowledged", f"post {number}")
    for text in ("think", "after"):
        await busy.send("ann", text)
        say("acknowledged", text)
    heard: list[Any] = []
    while len(heard) < 8:  # three posts, two messages, a start, a place in the line, a word
        item = await anext(events)
        heard.append(item)
        if len(heard) == 4:
            say("cursor", item.revision, str(item.cursor))
    say("ready")


async def main(path: str, attempts: str, budget_s: str) -> None:
    async with (
        greenroom.Runtime(
            answer, journal=f"sqlite:///{path}", turn_attempts=int(attempts)
        ) as runtime,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(fill(runtime))  # if it fails, nobody waits for a signal
        report = await greenroom.until_signalled(runtime, budget_s=float(budget_s))
    say("report", report)


def tell(_: Any, __: str, line: Any) -> Any:
    say("log", line["event"])
    raise structlog.DropEvent


if __name__ == "__main__":
    structlog.configure(processors=[tell])
    asyncio.run(main(*sys.argv[1:]))
