"""Resources in a test's hand: a factory that waits, fails and notes what it made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from theatre import settle

import greenroom


class Workshop:
    """A factory of tools. It waits for `may_open` and `may_close`, and raises `failing`.

    `log` tells `opened` and `closed` with the number of the activation, and what else is noted.
    """

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.openings: list[greenroom.Opening] = []
        self.failing: BaseException | None = None
        self.may_open = asyncio.Event()
        self.may_close = asyncio.Event()
        self.may_open.set()
        self.may_close.set()
        self.closing = self.most_closing = 0

    @asynccontextmanager
    async def __call__(self, opening: greenroom.Opening) -> AsyncIterator[str]:
        self.openings.append(opening)
        number = len(self.openings)
        task = asyncio.current_task()
        await self.may_open.wait()
        if self.failing is not None:
            raise self.failing
        self.log.append(f"opened {number}")
        try:
            yield f"tools {number}"
        finally:
            self.closing += 1
            self.most_closing = max(self.most_closing, self.closing)
            try:
                await self.may_close.wait()
            finally:
                self.closing -= 1
                assert asyncio.current_task() is task
                self.log.append(f"closed {number}")


async def uses(turn: greenroom.Turn) -> AsyncIterator[str]:
    """A pipeline that says what it is given to work with."""
    yield f"with {turn.resources}"


async def until(happened: Callable[[], Any]) -> None:
    """Wait for what a thread does."""
    while not happened():
        await settle(1)
