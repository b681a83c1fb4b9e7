"""A voice session in a test's hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rooms.hall import room
from theatre import Script

import greenroom


@asynccontextmanager
async def booth(*guests: str, **options: Any) -> AsyncIterator[tuple[greenroom.Session, Script]]:
    """Ann's session `s` and the pipeline that the test steps; ended when the test is done."""
    script = Script()
    async with room(*guests, **{"pipeline": script, **options}) as session:
        try:
            yield session, script
        finally:
            await session.end("ann")


async def go(session: greenroom.Session, *phases: Any) -> None:
    """Ann moves the session through `phases`."""
    for phase in phases:
        assert (await session.set_phase("ann", phase)).phase == phase


async def phase_of(session: greenroom.Session) -> str:
    return (await session.info()).phase
