"""A session that is shown things, in a test's hand: its camera, and those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from media.pictures import frame, numbers
from rooms.hall import refused, room
from theatre import GatedJournal, ManualClock

import greenroom
from greenroom.actors.session.actor import SessionActor


class Eye:
    """Notes the frames that a watch of `user` gives, and how it ends."""

    def __init__(self, session: greenroom.Session, user: str, buffer: int = 1) -> None:
        self.watch = session.watch_frames(user, buffer)
        self.frames: list[greenroom.Frame] = []
        self.ended = False
        self.error: Exception | None = None
        self._task = asyncio.get_running_loop().create_task(self._look())

    @property
    def seen(self) -> list[int]:
        return numbers(self.frames)

    async def _look(self) -> None:
        try:
            async for found in self.watch:
                self.frames.append(found)
        except greenroom.GreenroomError as error:
            self.error = error
        self.ended = True


@asynccontextmanager
async def studio(
    *guests: str, clock: ManualClock | None = None, journal: Any = "memory:", **options: Any
) -> AsyncIterator[tuple[greenroom.Session, ManualClock]]:
    """Ann's session and its guests, and a camera that she has started."""
    clock = clock or ManualClock()
    limits = greenroom.VisualSettings(**options)
    async with room(*guests, clock=clock, journal=journal, visual=limits) as session:
        assert await session.start_visual("ann", "camera") is True
        yield session, clock


def actor(session: greenroom.Session) -> SessionActor:
    found = session._runtime._directory.get(session.id)
    assert found is not None
    assert isinstance(found.owner, SessionActor)
    return found.owner


async def film(session: greenroom.Session, clock: ManualClock, *numbers: int) -> None:
    """Ann shows these frames, a second apart."""
    for number in numbers:
        receipt = await session.offer_frame("ann", frame(number))
        assert receipt.accepted
        await clock.advance(1.0)


TAKEN = greenroom.FrameReceipt(accepted=True)
TOO_EARLY = greenroom.FrameReceipt(accepted=False, reason="too_early")
NOT_STARTED = greenroom.FrameReceipt(accepted=False, reason="not_started")


async def crash(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    """The journal fails, and the session is restarted."""
    journal.fail(greenroom.NotWritten("full"))
    await refused(session.post("ann", "boom"), greenroom.NotWritten)
    await clock.advance(1.0)  # until it is restarted
