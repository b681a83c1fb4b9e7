"""Points at which a test holds what it tests."""

from __future__ import annotations

import asyncio


class Gate:
    """Holds every coroutine that passes, until it is opened. For one loop.

    A pipeline that is to be caught in the middle of something awaits `passed`; the test sees in
    `waiting` that it is there, does what is to happen meanwhile, and opens.
    """

    def __init__(self, name: str = "gate") -> None:
        self.name = name
        self.waiting = 0
        self._event = asyncio.Event()

    def __repr__(self) -> str:
        state = "open" if self._event.is_set() else f"{self.waiting} waiting"
        return f"<Gate {self.name}: {state}>"

    async def passed(self) -> None:
        """Return once the gate is open."""
        self.waiting += 1
        try:
            await self._event.wait()
        finally:
            self.waiting -= 1

    def open(self) -> None:
        """Let through who waits, and whoever comes."""
        self._event.set()

    def shut(self) -> None:
        """Hold whoever comes from now on."""
        self._event.clear()
