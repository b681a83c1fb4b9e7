"""Resources and end hooks when everything goes wrong, under schedules that a seed draws."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from company import SESSIONS, Company, owner_of
from hypothesis import given, settings
from hypothesis.strategies import integers
from sim.test_session_schedules import check_outcomes
from theatre import crash_on_boom, play, settle

import greenroom

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=60, deadline=None, derandomize=True)
ACTS = 60


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Any:
    """A handler that crashes on "boom"."""
    with pytest.MonkeyPatch.context() as patch:
        crash_on_boom(patch)
        yield


class Backstage:
    """Resources that are slow, break and hang; a hook that is slow, raises, hangs and asks."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.opened: list[int] = []
        self.closed: Counter[int] = Counter()
        self.hooks: list[str] = []
        self.under_way: Counter[str] = Counter()
        self.runtime: Any = None

    @asynccontextmanager
    async def resources(self, opening: greenroom.Opening) -> AsyncIterator[int]:
        await settle(self.rng.randrange(6))
        if self.rng.random() < 0.2 and opening.session_id in self.hooks:
            raise OSError("away")
        number = len(self.opened)
        self.opened.append(number)
        try:
            yield number
        finally:
            self.closed[number] += 1
            await settle(self.rng.randrange(6))
            match self.rng.randrange(8):
                case 0:
                    raise OSError("broken")
                case 1:
                    await asyncio.Event().wait()

    async def hook(self, snapshot: Any, reason: greenroom.EndReason) -> None:
        name = snapshot.info.id if snapshot is not None else "?"
        self.hooks.append(name)
        self.under_way[name] += 1
        assert name == "?" or self.under_way[name] == 1
        try:
            await settle(self.rng.randrange(6))
            match self.rng.randrange(8):
                case 0:
                    raise OSError("broken")
                case 1:
                    await asyncio.Event().wait()
                case 2 if name != "?":
                    await self.runtime.session(name).info()
                case 3 if name != "?":
                    await self.runtime.session(name).transcript(owner_of(name))
        finally:
            self.under_way[name] -= 1


@SCHEDULES
@given(seed=SEEDS)
def test_p04_p11_p14_v33_resources_are_closed_and_hooks_called_once_and_nothing_is_lost(
    seed: int,
) -> None:
    async def scene() -> None:
        backstage = Backstage(seed)
        company = Company(seed, resources=backstage.resources, on_end=backstage.hook)
        runtime = backstage.runtime = company.runtime
        await runtime.start()
        for _ in range(ACTS):
            await company.act()
            company.check()
        await company.come_to_rest()
        company.check()
        for name in SESSIONS:
            check_outcomes(company, name)
        for reader in company.readers:
            await reader.detach()
        stopping = asyncio.get_running_loop().create_task(runtime.stop())
        await company.clock.advance(20.0)
        await stopping
        await settle(200)

        assert runtime.resident == 0
        assert backstage.closed == Counter(backstage.opened), "left open, or closed twice"
        assert len(backstage.hooks) == runtime.stats.activated
        assert not runtime._stage.backstage.leaving
        assert not runtime._stage.backstage.hooks

    play(scene)
