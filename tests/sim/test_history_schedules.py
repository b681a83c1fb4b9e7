"""Undo, truncate, sends of every policy, interrupts and compactions in any interleaving.

Mailboxes, tasks, commits, journal faults, crashes and passivations interleave; a seed draws how.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any, Final

from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import GatedJournal, LotteryDispatcher, ManualClock, play, settle

import greenroom
from greenroom.actors.ports import Claim
from greenroom.actors.session import events as happened
from greenroom.actors.session.audit import report
from greenroom.actors.session.entry import decode_entry
from greenroom.actors.session.fold import apply, restore
from greenroom.actors.session.settings import POLICIES
from greenroom.actors.session.state import State, decode_genesis

ACTS: Final = 120
USERS: Final = ("ann", "bob")


class Desk:
    """Two people who change their minds about one conversation."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.journal = GatedJournal()
        self.runtime = greenroom.Runtime(
            self._answer,
            compactor=self._summarise,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            idle_s=5.0,
            max_restarts=1000,
            restart_window_s=10.0,
            turn_attempts=2,
            snapshot_bytes=300,
        )
        self.replies: list[Any] = []
        self.forks: list[Any] = []

    async def begin(self) -> greenroom.Session:
        await self.runtime.start()
        self.session = await self.runtime.create(user="ann", id="s")
        await self.session.join("bob")
        return self.session

    async def act(self) -> None:
        """One thing that somebody does, or that goes wrong."""
        rng, session = self.rng, self.session
        user = rng.choice(USERS)
        match rng.randrange(14):
            case 0 | 1 | 2:
                policy: Any = rng.choice(POLICIES)
                self.replies.append(session.send(user, f"m{len(self.replies)}", policy=policy))
            case 3:
                self.replies.append(session.post(user, "by the way"))
            case 4 | 5:
                self.replies.append(session.undo(user))
            case 6:
                self.replies.append(session.truncate(user, rng.randrange(4)))
            case 7 | 8:
                self.replies.append(session.compact(user, keep=rng.randrange(3)))
            case 9:
                self.replies.append(session.interrupt(user))
            case 10:
                self.forks.append(session.fork(user))
            case 11:
                await self.clock.advance(rng.choice([0.01, 0.1, 6.0]))
            case 12:
                self._trouble_the_journal()
            case 13:
                await settle(rng.randrange(1, 12))

    async def come_to_rest(self) -> None:
        for _ in range(2):
            self.journal.heal()
            for _ in range(20):
                await self.clock.advance(1.0)

    def folded(self) -> State:
        """The session by its journal alone."""
        record = self.journal._records["s"]
        claim = Claim(
            epoch=0,
            revision=len(record.events),
            genesis=record.genesis,
            snapshot=None,
            events=record.events,
            end=None,
        )
        return restore(claim, "s")

    def _trouble_the_journal(self) -> None:
        match self.rng.randrange(4):
            case 0:
                self.journal.fail(greenroom.NotWritten("full"))
            case 1:
                self.journal.fail(greenroom.JournalFailed("no answer"), written=True)
            case 2:
                self.journal.holding = True
            case 3:
                self.journal.let()

    async def _answer(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield "hm "
        yield greenroom.ToolCall(name="look", id="a")
        await settle(self.rng.randrange(4))
        if self.rng.random() < 0.3:
            raise ValueError("a tool broke")
        yield "one moment "
        yield greenroom.ToolResult(value=1, id="a")
        await settle(self.rng.randrange(3))
        yield "done"

    async def _summarise(self, turn: greenroom.Turn) -> AsyncIterator[str]:
        yield f"{len(turn.history)} "
        await settle(self.rng.randrange(6))
        if self.rng.random() < 0.2:
            raise ValueError("no summary")
        yield "lines"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=integers(0, 2**32 - 1))
def test_p19_whoever_edits_when_the_transcript_is_valid_and_the_fold_of_the_journal(
    seed: int,
) -> None:
    async def scene() -> None:
        desk = Desk(seed)
        session = await desk.begin()
        for _ in range(ACTS):
            await desk.act()
        await desk.come_to_rest()

        told = await session.verify("ann")
        assert told.valid, told.problems
        state = desk.folded()
        assert await session.transcript("ann") == tuple(state.history)
        assert (state.running, state.queued, state.approval) == (None, (), None)
        assert all(reply.done for reply in desk.replies), "a command was never answered"
        check_events(desk)
        await check_forks(desk)
        await desk.runtime.stop()

    play(scene)


def check_events(desk: Desk) -> None:
    """At every revision: valid; each turn ends once; a summary is what its turn has made."""
    record = desk.journal._records["s"]
    state = State.at_creation(decode_genesis(record.genesis))
    ended: list[int] = []
    for body in record.events:
        entry = decode_entry(body)
        event, running = entry.event, state.running
        if isinstance(event, happened.Compacted):
            assert running is not None
            assert (running.turn, running.kind) == (event.turn, "compaction")
            assert event.summary == f"{event.lines} lines", "not what it was made of"
        if isinstance(event, happened.TurnEnded):
            ended.append(event.turn)
        apply(state, event, entry.at_ms)
        assert report(state).valid
    assert len(ended) == len(set(ended))


async def check_forks(desk: Desk) -> None:
    """Each fork that was made began with a valid transcript, from durable events alone."""
    for reply in desk.forks:
        assert reply.done, "a fork was never answered"
        if reply.error is not None:
            continue
        genesis = decode_genesis((await desk.journal.beginning(reply.result().id)).genesis)
        assert genesis.origin is not None
        assert report(State.at_creation(genesis)).valid
        assert genesis.origin.revision <= len(desk.journal._records["s"].events)
