"""A reader that comes and goes, and notes every item."""

from __future__ import annotations

import asyncio
from typing import Any

from ....actors.errors import GreenroomError
from ....actors.session.cursor import START
from ....actors.session.items import Gap, Published
from ....supervisor.subscription import Subscription
from ..settling import settle


class Reader:
    """Reads a session as its host, leaving and coming back with its cursor."""

    def __init__(self, house: Any, name: str) -> None:
        self.house, self.name = house, name
        self.user = ""
        self.items: list[Any] = []
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._lag = 0
        self._wake = asyncio.Event()
        self.revision = 0
        """Of the last durable event it has had."""

    @property
    def attached(self) -> bool:
        return self._task is not None and not self._task.done()

    def attach(self, lag: int = 0) -> None:
        """Come back with the cursor of the last item seen, or from the start; or change pace."""
        self._lag = lag
        self._wake.set()
        state = self.house.state(self.name)
        if state is None or self.attached:
            return
        self.user = state.host
        after = self.items[-1].cursor if self.items else START
        session = self.house.process.runtime.session(self.name)
        self._subscription = session.events(self.user, after=after)
        self._task = asyncio.get_running_loop().create_task(self._read(self._subscription))

    async def detach(self) -> None:
        """Leave, with whatever had been seen by then."""
        if self._task is not None and self._subscription is not None:
            self._subscription.close()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, subscription: Subscription) -> None:
        try:
            async for item in subscription:
                before = self.items[-1] if self.items else None
                self.items.append(item)
                if isinstance(item, Published) and item.durable:
                    self.revision = item.revision
                self.house.counts["state gap"] += isinstance(item, Gap)
                self.house.tell("read", self, before, item)
                await self._pause()
        except GreenroomError as error:
            self.house.trace("reader", self.name, error.code)

    async def _pause(self) -> None:
        if self._lag > 0:
            await settle(self._lag)
        while self._lag < 0:
            self._wake.clear()
            await self._wake.wait()


def is_durable(item: Any) -> bool:
    """Whether a reader's item is an event that is journaled."""
    return bool(getattr(item, "durable", False))
