"""Creating what turns out to be there."""

from __future__ import annotations

import asyncio

import pytest
from theatre import GatedJournal, ManualClock, play, settle

import greenroom
from greenroom.actors.ports import Claim, NewSession


class SlowClaims(GatedJournal):
    """A journal whose claims wait for the test while `slow`."""

    def __init__(self) -> None:
        super().__init__()
        self.slow: asyncio.Event | None = None

    async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
        claimed = await super().claim(session, create=create)
        if self.slow is not None:
            await self.slow.wait()
        return claimed


def test_p04_creating_what_is_being_woken_is_answered_when_it_is_found() -> None:
    """It was answered when the session left: of one that people talk to, never."""

    async def scene() -> None:
        journal = SlowClaims()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            await runtime.passivate("s")
            journal.slow = asyncio.Event()
            posted = session.post("ann", "one")
            await settle()
            again = runtime.create(user="ann", id="s")
            await settle()
            assert not again.done

            journal.slow.set()
            await posted
            await settle()

            assert again.done
            with pytest.raises(greenroom.SessionExists):
                await again
            assert runtime.resident == 1

    play(scene)


def test_p04_creating_what_is_being_restarted_is_answered_when_it_is_back() -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.fail(greenroom.JournalFailed("no answer"))
            lost = session.post("ann", "lost")
            await settle()
            again = runtime.create(user="ann", id="s")
            await clock.advance(1.0)

            assert isinstance(lost.error, greenroom.OutcomeUnknown)
            assert isinstance(again.error, greenroom.SessionExists)
            assert (await session.info()).revision == 0

    play(scene)
