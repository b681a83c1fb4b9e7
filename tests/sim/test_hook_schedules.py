"""Hooks and scopes when everything goes wrong, under schedules that a seed draws."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from company import SESSIONS, Company, owner_of
from hypothesis import given, settings
from hypothesis.strategies import integers
from sim.test_session_schedules import check_outcomes
from theatre import crash_on_boom, play, settle

import greenroom

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=50, deadline=None, derandomize=True)
ACTS = 60


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Any:
    """A handler that crashes on "boom"."""
    with pytest.MonkeyPatch.context() as patch:
        crash_on_boom(patch)
        yield


class Followers:
    """Hooks that are slow, raise, hang and ask; each notes what it is told, by session."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.told: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        self.under_way: Counter[str] = Counter()
        self.overlapped = False
        self.runtime: Any = None
        kinds = ("on_activate", "on_passivate", "on_turn")
        self.hooks = {kind: self._hook(kind) for kind in kinds}

    def _hook(self, kind: str) -> Callable[..., Any]:
        async def hook(view: Any, reason: Any) -> None:
            name = view.session if kind == "on_turn" else view.id
            self.told[name].append((kind, reason))
            self.under_way[name] += 1
            self.overlapped |= self.under_way[name] > 1
            try:
                await self._trouble(name)
            finally:
                self.under_way[name] -= 1

        return hook

    async def _trouble(self, name: str) -> None:
        await settle(self.rng.randrange(4))
        match self.rng.randrange(12):
            case 0:
                raise OSError("broken")
            case 1:
                raise asyncio.CancelledError
            case 2:
                await asyncio.Event().wait()
            case 3:
                await self.runtime.explain(name)
            case 4:
                await self.runtime.session(name).info()

    def count(self, kind: str) -> Counter[str]:
        return Counter(reason for told in self.told.values() for one, reason in told if one == kind)


class Scopes:
    """Scopes that somebody enters, and leaves some time, from tasks that may be cancelled."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.tasks: list[asyncio.Task[None]] = []

    def act(self) -> None:
        rng = self.company.rng
        if rng.random() < 0.6:
            work = self._keep(rng.choice(SESSIONS), rng.choice((None, 2.0, 8.0)))
            self.tasks.append(asyncio.get_running_loop().create_task(work))
        elif self.tasks:
            rng.choice(self.tasks).cancel()

    async def _keep(self, name: str, max_s: float | None) -> None:
        session = self.company.runtime.session(name)
        user = self.company.rng.choice((None, owner_of(name)))
        try:
            async with session.keep_awake(user, reason="for a while", max_s=max_s):
                await settle(self.company.rng.randrange(60))
        except greenroom.GreenroomError:
            return

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@SCHEDULES
@given(seed=SEEDS)
def test_p04_p11_p14_sessions_are_followed_in_order_and_kept_by_nobody_for_ever(seed: int) -> None:
    async def scene() -> None:
        follow = Followers(seed)
        company = Company(seed, hook_timeout_s=1.0, **follow.hooks)
        runtime = follow.runtime = company.runtime
        scopes = Scopes(company)
        await runtime.start()
        for _ in range(ACTS):
            if company.rng.random() < 0.2:
                scopes.act()
            await company.act()
            company.check()
        await scopes.end()
        await company.come_to_rest()
        for name in SESSIONS:
            check_outcomes(company, name)
        for reader in company.readers:
            await reader.detach()
        for _ in range(300):
            await company.clock.advance(1.0)
        stats, backstage = runtime.stats, runtime._stage.backstage

        assert backstage is not None
        assert not follow.overlapped, "two hooks of one session ran at once"
        assert runtime.resident == 0, "kept on stage though nobody wants it to be"
        assert not runtime._stage.pins._scopes
        assert not backstage.calls
        assert not backstage.hooks
        assert follow.count("on_activate") == stats.activated_by
        assert follow.count("on_passivate") == stats.passivated_by
        assert sum(stats.activated_by.values()) == stats.activated
        assert sum(stats.passivated_by.values()) == stats.passivated
        assert sum(stats.turned_away_by.values()) == stats.turned_away
        for told in follow.told.values():
            came = [kind for kind, _ in told if kind != "on_turn"]
            assert came[0] == "on_activate"
            pairs = pairwise(came)
            assert ("on_passivate", "on_passivate") not in pairs
        stopping = asyncio.get_running_loop().create_task(runtime.stop())
        await company.clock.advance(20.0)
        await stopping

    play(scene)
