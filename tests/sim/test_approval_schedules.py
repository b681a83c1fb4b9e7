"""Approvals that several settle at once, under schedules that a seed draws.

Mailboxes, tasks, commits, timers and passivations interleave; one of them is first, and all that
anybody is told agrees with it.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from theatre import GatedJournal, LotteryDispatcher, ManualClock, play, settle

import greenroom
from greenroom import NoApproval, RequestApproval, ToolCall, ToolResult
from greenroom.actors.session import events as happened
from greenroom.actors.session.entry import decode_entry

SEEDS = range(150)
EXPIRES_S, IDLE_S = 60.0, 20.0


class Race:
    """A session whose turn waits for a decision, and everybody who is about to settle that."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock, self.journal = ManualClock(), GatedJournal()
        self.told: list[dict[str, bool] | None] = []
        self.decides: dict[str, Any] = {}
        self.cancel: Any = None
        self.runtime = greenroom.Runtime(
            self._agent,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            idle_s=IDLE_S,
        )
        self.session = self.runtime.session("s")

    async def open(self) -> None:
        await self.runtime.start()
        await self.runtime.create(user="ann", id="s")
        await self.session.join("bob")
        await self.session.send("ann", "leap")
        since_s = self.clock.now_s
        await settle(100)
        left_s = since_s + EXPIRES_S - self.clock.now_s
        if self.rng.random() < 0.7:  # else it is resident: a question is no activity, a post is
            await self.clock.advance(left_s - 0.01)
            assert self.runtime.resident == 0
        else:
            await self.clock.advance(left_s - 1.0)
            await self.session.post("ann", "I am thinking")
            await self.clock.advance(0.99)
            assert self.runtime.resident == 1

    async def run(self, *acts: Callable[[], None]) -> None:
        """Everybody acts, in an order and at distances that the seed draws."""
        self.journal.holding = self.rng.random() < 0.5
        for act in self.rng.sample(acts, len(acts)):
            act()
            for _ in range(self.rng.choice((0, 0, 1, 2, 5, 15))):
                await settle(1)
                if self.journal.waiting and self.rng.random() < 0.3:
                    self.journal.let(1)
        self.journal.let()
        await settle(200)

    def decide(self, user: str, approved: bool) -> Callable[[], None]:
        def act() -> None:
            self.decides[user] = self.session.decide(user, {"a": approved})

        return act

    def interrupt(self) -> None:
        self.cancel = self.session.interrupt("ann", 1)

    def expire(self) -> None:
        """The time is over, and nothing has settled yet."""
        clock, self.clock.now_s = self.clock, self.clock.now_s + 0.02
        while clock._timers and clock._timers[0][0] <= clock.now_s:
            heapq.heappop(clock._timers)[2].run()

    def events(self, *kinds: Any) -> list[Any]:
        entries = map(decode_entry, self.journal._records["s"].events)
        return [entry.event for entry in entries if isinstance(entry.event, kinds)]

    async def _agent(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.told.append(turn.decisions)
        if turn.decisions is None:
            calls = [ToolCall(name="leap", id="a")]
            yield RequestApproval(calls=calls, saved=[1], expires_s=EXPIRES_S)
        assert turn.saved == [1]
        await settle(self.rng.randrange(6))
        yield ToolResult(id="a", value=turn.decisions)


async def check(race: Race) -> str:
    """Exactly one was first, and everybody was told so. Returns who."""
    decided = race.events(happened.ApprovalDecided)
    (ended,) = race.events(happened.TurnEnded)
    won = [user for user, reply in race.decides.items() if reply.error is None]
    lost = [reply.error for reply in race.decides.values() if reply.error is not None]
    assert all(type(error) is NoApproval for error in lost)
    if race.cancel is not None:
        verdict = race.cancel.result().verdict
        assert verdict == ("won" if ended.status == "cancelled" else "completion_won")
    if not decided:
        assert (won, race.told, ended.status) == ([], [None], "cancelled")
        return "cancelled"
    (decision,) = decided
    assert won == ([] if decision.by is None else [decision.by])
    for user in won:
        assert race.decides[user].result().decisions == decision.decisions
    assert race.told[1:] in ([decision.decisions], []), "invoked twice, or with something else"
    assert race.told[1:] or ended.status == "cancelled"
    result = await race.session.result(1)
    assert result.status == ended.status
    return decision.by or "nobody"


async def check_transcript(race: Race) -> None:
    """P19: the call has one result."""
    lines = await race.session.transcript("ann")
    assert [line.id for line in lines if isinstance(line, ToolCall)] == ["a"]
    assert [line.id for line in lines if isinstance(line, ToolResult)] == ["a"]


def winners(*acts: Callable[[Race], Callable[[], None]]) -> Counter[str]:
    """Who was first, over all seeds."""

    async def scene(seed: int) -> str:
        race = Race(seed)
        await race.open()
        await race.run(*(act(race) for act in acts))
        first = await check(race)
        await check_transcript(race)
        await race.runtime.stop()
        return first

    return Counter(play(lambda seed=seed: scene(seed)) for seed in SEEDS)  # type: ignore[misc]


def test_c22_of_approve_and_expire_one_is_first_and_all_are_told_so() -> None:
    first = winners(
        lambda race: race.decide("ann", True),
        lambda race: race.decide("bob", False),
        lambda race: race.expire,
    )

    assert first.keys() == {"ann", "bob", "nobody"}, "some never win: the race proves nothing"


def test_c22_of_approve_and_interrupt_one_is_first_and_all_are_told_so() -> None:
    first = winners(
        lambda race: race.decide("ann", True),
        lambda race: race.decide("bob", False),
        lambda race: race.interrupt,
    )

    assert first.keys() == {"ann", "bob", "cancelled"}, "some never win: the race proves nothing"


def test_c22_of_expire_and_interrupt_one_is_first() -> None:
    first = winners(lambda race: race.expire, lambda race: race.interrupt)

    assert first.keys() == {"nobody", "cancelled"}, "some never win: the race proves nothing"
