"""P14 under schedules that a seed draws: no limit is exceeded at any moment, and nothing leaks.

Users of two tenants and of none create, wake, talk to, interrupt, decide in, passivate and delete
sessions, and give up waiting for them; commits are held, fail and are fenced; pipelines hang, do
not stop and ask for approval; the process is started again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import GatedJournal, LotteryDispatcher, ManualClock, crash_on_boom, play, settle

import greenroom
from greenroom.actors.session.permits import Permits

ACTS = 90
OWNERS = {
    "s0": "acme/ann", "s1": "acme/ann", "s2": "acme/bob", "s3": "emca/ann",
    "s4": "emca/eve", "s5": "zoe", "s6": "zoe",
}  # fmt: skip
NAMES = tuple(OWNERS)
LIMITS: dict[str, Any] = {
    "max_sessions": 4,
    "max_sessions_per_user": 2,
    "max_sessions_per_tenant": 2,
}


class OpenJournal(GatedJournal):
    """One that outlives its runtime."""

    async def close(self) -> None:
        """It stays open for the next one."""


class Crowd:
    """One runtime after the other, and all who want something of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.clock, self.journal = ManualClock(), OpenJournal()
        self.wait_s = self.rng.choice((0.0, 2.0))
        self.turns = {
            "max_running_turns": self.rng.choice((None, 1, 2)),
            "max_running_turns_per_user": self.rng.choice((None, 1)),
        }
        self.curtain = asyncio.Event()
        self.quiet = False
        self.working = Counter[str]()
        self.replies: list[Any] = []
        self.callers: list[asyncio.Future[Any]] = []
        self.runs = 0

    async def open(self) -> None:
        self.runs += 1
        self.runtime = greenroom.Runtime(
            self._answer,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(self.seed + self.runs),
            idle_s=5.0,
            max_restarts=1000,
            restart_window_s=10.0,
            turn_attempts=self.rng.choice((1, 2)),
            turn_timeout_s=9.0,
            pipeline_grace_s=1.0,
            approval_expires_s=4.0,
            admission_wait_s=self.wait_s,
            max_waiting=2,
            **LIMITS,
            **self.turns,
        )
        await self.runtime.start()

    async def close(self) -> None:
        stopping = asyncio.ensure_future(self.runtime.stop(budget_s=1.0))
        self.journal.heal()
        await self.clock.advance(6.0)
        await stopping
        full = self.runtime.capacity()
        assert (full.sessions.in_use, full.sessions.waiting) == (0, 0)
        assert (full.turns.in_use, full.turns.waiting) == (0, 0)

    async def act(self) -> None:
        """One thing that somebody does, or that goes wrong."""
        rng, name = self.rng, self.rng.choice(NAMES)
        match rng.randrange(20):
            case 0 | 1 | 2 | 3:
                self._come(name, OWNERS[name])
            case 4 if self.callers:
                rng.choice(self.callers).cancel()
            case 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13:
                self.replies.append(self._talk(name, OWNERS[name]))
            case 14:
                self._trouble_the_journal()
            case 15 if rng.random() < 0.2:
                await self.close()
                await self.open()
            case 16 | 17:
                await settle(rng.randrange(12))
            case _:
                await self.clock.advance(rng.choice((0.01, 0.3, 1.0, 3.0, 6.0)))

    def _come(self, name: str, user: str) -> None:
        if self.rng.random() < 0.7:
            self.replies.append(self.runtime.create(user=user, id=name))
        else:
            self.callers.append(asyncio.ensure_future(self._wish(name, user)))

    def _talk(self, name: str, user: str) -> Any:
        rng, session = self.rng, self.runtime.session(name)
        match rng.randrange(9):
            case 0:
                return session.info()
            case 1:
                return session.interrupt(user, rng.choice((None, 1, 2, 3)))
            case 2:
                return session.decide(user, {"c": True})
            case 3:
                return self.runtime.passivate(name, force=rng.random() < 0.5)
            case 4:
                over = rng.choice((session.end, session.delete, session.pause, session.resume))
                return over(user)
            case 5 if rng.random() < 0.5:
                return session.post(user, "boom")
            case _:
                policy = rng.choice(("enqueue", "interrupt", "latest"))
                return session.send(user, f"{rng.randrange(99)}", policy=policy)

    def check(self) -> None:
        """No limit is exceeded, and who works has a place."""
        full, most = self.runtime.capacity(), LIMITS["max_sessions"]
        scopes = (
            full.sessions, full.turns, *full.sessions_by_tenant.values(),
            *full.sessions_by_user.values(), *full.turns_by_user.values(),
        )  # fmt: skip
        assert all(each.limit is None or each.in_use <= each.limit for each in scopes), full
        assert full.sessions.in_use <= most
        if self.wait_s == 0.0:
            assert full.sessions.waiting <= most
        if (running := full.turns.limit) is not None:
            assert sum(self.working.values()) <= running, "more pipelines work than turns may run"
        if self.turns["max_running_turns_per_user"] is not None:
            assert max(self.working.values(), default=0) <= 1

    async def come_to_rest(self) -> None:
        """Let everything end, and everybody leave."""
        self.quiet = True
        self.curtain.set()
        for _ in range(12):
            self.journal.heal()
            await self.clock.advance(2.0)
            for name, user in OWNERS.items():
                with suppress(greenroom.GreenroomError):
                    self.runtime.session(name).resume(user)
            await self.clock.advance(1.0)
        for _ in range(4):
            await self.clock.advance(6.0)

    async def _wish(self, name: str, user: str) -> Any:
        with suppress(greenroom.GreenroomError):
            return await self.runtime.create(user=user, id=name)

    def _trouble_the_journal(self) -> None:
        match self.rng.randrange(5):
            case 0:
                self.journal.fail(greenroom.NotWritten("full"))
            case 1:
                self.journal.fail(greenroom.JournalFailed("no answer"), written=True)
            case 2:
                self.journal.holding = True
            case _:
                self.journal.let()

    async def _answer(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        owner, way = OWNERS[turn.session_id], self.rng.randrange(6)
        self.working[owner] += 1
        try:
            yield "hm "
            await settle(self.rng.randrange(4))
            if self.quiet:
                return
            match way:
                case 0:
                    raise ValueError("a tool broke")
                case 1 if turn.decisions is None:
                    call = greenroom.ToolCall(name="leap", id="c")
                    yield greenroom.RequestApproval(calls=[call])
                case 2:  # until it is ended from outside
                    await self.curtain.wait()
                case 3:  # not even then at once
                    try:
                        await self.curtain.wait()
                    finally:
                        with suppress(asyncio.CancelledError):
                            await settle(self.rng.randrange(30))
        finally:
            self.working[owner] -= 1
            self.working += Counter()


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Any:
    """A handler that crashes on "boom"."""
    with pytest.MonkeyPatch.context() as patch:
        crash_on_boom(patch)
        yield


async def perform(seed: int) -> Crowd:
    crowd = Crowd(seed)
    await crowd.open()
    try:
        for _ in range(ACTS):
            await crowd.act()
            crowd.check()
        await crowd.come_to_rest()
        crowd.check()
        assert all(reply.done for reply in crowd.replies), "somebody was never answered"
        check_rest(crowd.runtime)
        await crowd.close()
    finally:
        crowd.curtain.set()
    await asyncio.gather(*crowd.callers, return_exceptions=True)
    return crowd


def check_rest(runtime: greenroom.Runtime) -> None:
    """All have left, and nothing is kept of them in any scope."""
    supervisor = runtime._supervisor
    assert supervisor is not None
    ledger, permits = supervisor.ledger, runtime._stage.permits or Permits()
    assert (ledger.in_use, ledger.by_user(), ledger.by_tenant()) == (0, {}, {})
    assert (permits.in_use, permits.used(), permits.waiting) == (0, {}, 0)
    assert len(supervisor.line) == 0


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seed=integers(0, 2**32 - 1))
def test_p14_no_interleaving_exceeds_a_limit_or_leaks_a_place(seed: int) -> None:
    play(lambda: perform(seed))
