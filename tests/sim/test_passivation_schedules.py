"""Pekko's four rules of passivation, each by its name, under schedules that a seed draws.

Source: Apache Pekko, cluster-sharding, `Shard.scala`, `passivate` and `entityTerminated`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import GatedJournal, LotteryDispatcher, ManualClock, play, settle, texts

import greenroom
from greenroom.actors.ports import Commit, End
from greenroom.actors.session.actor import SessionActor
from greenroom.actors.session.messages import Mode, Passivate
from greenroom.actors.session.part import Phase

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=60, deadline=None, derandomize=True)
ACTS = 60
USERS = ("ann", "bob")


class Journal(GatedJournal):
    """One that notes who has left cleanly."""

    def __init__(self) -> None:
        super().__init__()
        self.releases: Counter[tuple[str, int]] = Counter()

    def release(self, session: str, *, epoch: int, end: End | None) -> Commit:
        self.releases[session, epoch] += 1
        return super().release(session, epoch=epoch, end=end)


class Orders:
    """Every order to leave, with what the session was at when it came, and what it did."""

    def __init__(self) -> None:
        self.seen: list[tuple[Mode, Phase, int, Phase]] = []

    def handle(self, actor: Any, mail: Any) -> None:
        before, depth = actor.phase, actor.actor_inbox.depth
        original(actor, mail)
        self.seen.append((mail.message.mode, before, depth, actor.phase))


original = SessionActor._HANDLERS[Passivate]


@pytest.fixture(scope="module", name="orders")
def watched_orders() -> Iterator[Orders]:
    orders = Orders()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SessionActor._HANDLERS, Passivate, orders.handle)
        yield orders


class Stage:
    """One session that people talk to while it is asked to leave, again and again."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.journal, self.clock = Journal(), ManualClock()
        self.said: dict[str, list[str]] = {user: [] for user in USERS}
        self.replies: list[Any] = []
        self.answered: list[bool] = []
        self.transcript: list[str] = []
        self.runtime = greenroom.Runtime(
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            idle_s=5.0,
        )

    async def play(self) -> None:
        """Do `ACTS` things, and then let all of it settle: no time passes, and nobody calls."""
        session = await self.runtime.create(user="ann", id="s")
        await session.join("bob")
        for number in range(ACTS):
            match self.rng.randrange(8):
                case 0 | 1 | 2:
                    user = self.rng.choice(USERS)
                    self.said[user].append(f"{user} {number}")
                    self.replies.append(session.post(user, f"{user} {number}"))
                case 3 | 4:
                    self.runtime.passivate("s", force=self.rng.random() < 0.5)
                case 5:
                    self.journal.holding = True
                case 6:
                    self.journal.let()
                case 7:
                    await settle(self.rng.randrange(12))
        self.journal.heal()
        await settle(400)


def on_stage(seed: int) -> Stage:
    """What is left of a play; the runtime has stopped, if it could."""

    async def scene() -> Stage:
        stage = Stage(seed)
        await stage.runtime.start()
        await stage.play()
        stage.answered = [reply.done for reply in stage.replies]
        if all(stage.answered):
            stage.transcript = texts(await stage.runtime.session("s").transcript("ann"))
            await stage.runtime.stop()
        return stage

    return play(scene)


@SCHEDULES
@given(seed=SEEDS)
def test_rule_1_a_request_is_ignored_by_one_that_is_passivating_already(
    orders: Orders, seed: int
) -> None:
    orders.seen.clear()
    stage = on_stage(seed)

    again = [order for order in orders.seen if order[1] is not Phase.LIVE]
    assert all(before is after for _, before, _, after in again)
    assert set(stage.journal.releases.values()) <= {1}, "one activation has left twice"
    assert stage.runtime.stats.passivated == len(stage.journal.releases)


@SCHEDULES
@given(seed=SEEDS)
def test_rule_2_a_request_is_ignored_while_mail_waits(orders: Orders, seed: int) -> None:
    orders.seen.clear()
    on_stage(seed)

    for mode, before, depth, after in orders.seen:
        if mode is Mode.IF_IDLE and before is Phase.LIVE and depth:
            assert after is Phase.LIVE


@SCHEDULES
@given(seed=SEEDS)
def test_rule_3_mail_that_comes_meanwhile_is_kept_in_order(seed: int) -> None:
    stage = on_stage(seed)

    for user, said in stage.said.items():
        assert [text for text in stage.transcript if text.startswith(user)] == said


@SCHEDULES
@given(seed=SEEDS)
def test_rule_4_if_any_was_kept_it_is_started_again_at_once(seed: int) -> None:
    stage = on_stage(seed)

    assert all(stage.answered), "mail waits for somebody else to wake the session"
    stats = stage.runtime.stats
    woken = stats.activated - stats.activated_by.get("recalled", 0)
    assert woken == 1 + stats.activated_by.get("message", 0)


def test_the_schedules_meet_every_one_of_the_four(orders: Orders) -> None:
    orders.seen.clear()
    recalled = 0
    for seed in range(20):
        recalled += on_stage(seed).runtime.stats.activated_by.get("recalled", 0)

    met = Counter((mode, before, depth > 0) for mode, before, depth, _ in orders.seen)
    assert met[Mode.IF_IDLE, Phase.LEAVING, True] > 10  # rule 1, with mail of rule 3
    assert met[Mode.IF_IDLE, Phase.LIVE, True] > 10  # rule 2
    assert recalled > 10  # rule 4
