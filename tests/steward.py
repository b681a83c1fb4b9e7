"""What a test of retention needs: a keeper that comes when called, and days that pass at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from theatre import ManualClock

import greenroom
from greenroom.actors.ports import Journal
from greenroom.adapters.journals import memory, memory_retention, sqlite, sqlite_retention
from greenroom.supervisor.keeper import AGAIN_S, FIRST_S

DAY_S = 24 * 3600.0


def timed(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """A clock by which journals date what they hide, too."""
    clock = ManualClock()
    for module in (memory, memory_retention, sqlite, sqlite_retention):
        monkeypatch.setattr(module, "now_ms", clock.now_ms)
    return clock


async def keep_house(runtime: greenroom.Runtime, clock: ManualClock) -> None:
    """Have the keeper do everything that is due: now, if days have passed at once, or next."""
    if not await _rounds(runtime, clock, 0.0):
        await _rounds(runtime, clock, max(FIRST_S, runtime._keeper._period_s))


async def _rounds(runtime: greenroom.Runtime, clock: ManualClock, wait_s: float) -> int:
    """How many the keeper has made."""
    keeper, made = runtime._keeper, 0
    seen = keeper._round
    await clock.advance(wait_s)
    while keeper._round is not seen and keeper._round is not None:
        seen, made = keeper._round, made + 1
        await seen
        await clock.advance(AGAIN_S)
    return made


async def cold(runtime: greenroom.Runtime, name: str, *said: str, **options: Any) -> None:
    """A session of Ann's that has left the stage."""
    session = await runtime.create(user="ann", id=name, **options)
    for text in said:
        await session.post("ann", text)
    assert await runtime.passivate(name)


async def listed(runtime: greenroom.Runtime) -> list[str]:
    return sorted(row.id for row in (await runtime.sessions(limit=1000)).rows)


def files(directory: Path) -> list[str]:
    """What is in an archive, by name; a journal may be in the same directory."""
    found = directory.iterdir() if directory.exists() else ()
    return sorted(file.name for file in found if not file.name.startswith("store.db"))


def archived(directory: Path, name: str) -> list[dict[str, Any]]:
    """What an archive has of the session `name`."""
    bodies = [json.loads((directory / file).read_text("utf-8")) for file in files(directory)]
    return [body for body in bodies if body["session_id"] == name]


class Ledger:
    """An archive that notes what it is given, and fails or waits when told to."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.failing: set[str] = set()
        self.before: Any = None

    async def put(self, session: str, journal: Journal) -> bool:
        if self.before is not None:
            await self.before(session)
        if session in self.failing:
            raise greenroom.ArchiveFailed(session, why="the disk is full")
        self.kept.append(session)
        return True
