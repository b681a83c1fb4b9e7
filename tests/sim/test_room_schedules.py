"""Rooms in which everybody comes, goes and governs at once, under schedules that a seed draws.

Mailboxes, commits, journal faults, crashes and passivations interleave.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from session.cast import written_out
from theatre import GatedJournal, LotteryDispatcher, ManualClock, crash_on_boom, play, settle

import greenroom
from greenroom.actors.session import events as happened
from greenroom.actors.session.entry import decode_entry
from greenroom.actors.session.fold import apply
from greenroom.actors.session.state import State, decode_genesis

USERS: Final = ("ann", "bob", "cem", "dan", "eve", "fay")
ROOMS: Final = {
    "open": greenroom.Settings(max_participants=3),
    "guarded": greenroom.Settings(max_participants=3, require_approval=True),
    "long": greenroom.Settings(max_participants=4, max_events=5),
}
GOVERNING: Final = range(14, 22)
"""The lots that are for a host."""

ACTS: Final = 200

Check = Callable[[State], bool]


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Any:
    """A handler that crashes on "boom"."""
    with pytest.MonkeyPatch.context() as patch:
        crash_on_boom(patch)
        yield


class Crowd:
    """Users, their rooms, what they were told, and what their subscriptions heard."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.journal = GatedJournal()
        self.runtime = greenroom.Runtime(
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            max_sessions=3,
            idle_s=5.0,
            live_events=8,
            max_restarts=10_000,
            snapshot_bytes=300,
        )
        self.told: list[tuple[str, Any, Check]] = []
        self.heard: list[tuple[str, list[Any]]] = []

    async def open(self) -> None:
        await self.runtime.start()
        for name, how in ROOMS.items():
            await self.runtime.create(user="ann", id=name, settings=how, start=name != "open")

    async def act(self) -> None:
        """One thing that somebody does, or that goes wrong."""
        name = self.rng.choice(list(ROOMS))
        match self.rng.randrange(24):
            case 0:
                await self.clock.advance(self.rng.choice((0.05, 1.0, 6.0)))
            case 1 | 2:
                await settle(self.rng.randrange(1, 15))
            case 3:
                self._trouble_the_journal()
            case 4 | 5:
                items: list[Any] = []
                self.heard.append((name, items))
                after = self.rng.choice((None, greenroom.START))
                session = self.runtime.session(name)
                session.subscribe(self.rng.choice(USERS), items.append, after=after)
            case lot:
                user, other = self.rng.choices(USERS, k=2)
                if lot in GOVERNING and self.rng.random() < 0.7:
                    user = self._host(name) or user
                self._command(lot, name, user, other)

    def _command(self, lot: int, name: str, user: str, other: str) -> None:
        """What somebody asks for, and what must be so if they are told that it is."""
        rng, session = self.rng, self.runtime.session(name)
        match lot:
            case 6 | 7 | 8 | 9 | 10:
                role = rng.choice(("participant", "participant", "observer", "host"))
                self._note(name, session.join(user, role=role), lambda s: user in people(s))
            case 11 | 12 | 13:
                self._note(name, session.leave(user), lambda s: user not in s.participants)
            case 14 | 15 | 16:
                self._note(name, session.approve(user, other), lambda s: other in s.participants)
            case 17:
                self._note(name, session.deny(user, other), lambda s: other not in s.pending)
            case 18 | 19:
                self._note(name, session.transfer_host(user, other), lambda s: s.host == other)
            case 20:
                step = rng.choice((session.start, session.pause, session.resume))
                self._note(name, step(user), lambda s: s.lifecycle in ("active", "paused"))
            case 21 if rng.random() < 0.1:
                self._note(name, session.end(user), lambda s: s.lifecycle == "ended")
            case _:
                text = rng.choice(("hello", "hello", "hello", "boom"))
                self._note(name, session.post(user, text), lambda s: user in s.participants)

    def check(self) -> None:
        """What each room on stage is just now, durable or not."""
        for state in self._states().values():
            check_state(state)

    def _states(self) -> dict[str, State]:
        supervisor = self.runtime._supervisor
        assert supervisor is not None
        places = supervisor._places.items()
        return {name: place.actor.state for name, place in places if place.actor is not None}

    def _host(self, name: str) -> str | None:
        state = self._states().get(name)
        return None if state is None else state.host

    async def come_to_rest(self) -> None:
        for _ in range(2):
            self.journal.heal()
            for _ in range(10):  # a crash is answered after the delays of two restarts
                await self.clock.advance(6.0)

    def _note(self, name: str, reply: Any, holds: Check) -> None:
        self.told.append((name, reply, holds))

    def _trouble_the_journal(self) -> None:
        match self.rng.randrange(5):
            case 0:
                self.journal.fail(greenroom.NotWritten("full"))
            case 1:
                self.journal.fail(greenroom.JournalFailed("no answer"))
            case 2:
                self.journal.fail(greenroom.JournalFailed("no answer"), written=True)
            case 3:
                self.journal.holding = True
            case 4:
                self.journal.let()


def people(state: State) -> set[str]:
    """Everybody who is in, or waits to be."""
    return state.participants.keys() | state.pending.keys()


def check_state(state: State) -> None:
    """Exactly one host, unless everybody has gone; and no more people than there is room for."""
    hosts = [user for user, member in state.participants.items() if member.role == "host"]
    assert hosts == ([state.host] if state.participants else []), "hostless, or two hosts"
    assert state.participants or state.lifecycle == "ended", "empty, and not over"
    assert len(state.participants) <= state.settings.max_participants, "over capacity"
    assert not state.participants.keys() & state.pending.keys()
    assert not (state.pending and state.lifecycle == "ended")
    assert (state.ended_ms is not None) == (state.lifecycle == "ended")


MOVES: Final = {
    ("created", "active"),
    ("active", "paused"),
    ("paused", "active"),
    ("created", "ended"),
    ("active", "ended"),
    ("paused", "ended"),
}
AFTER_THE_END: Final = (happened.Left, happened.HostChanged)


def heir(before: list[tuple[str, str]]) -> str:
    """Who should inherit, of those who are left in the order of joining: observers last."""
    return next((user for user, role in before if role != "observer"), before[0][0])


def check_journal(crowd: Crowd, name: str) -> list[State]:
    """The fold of what is durable is a legal room at each step; returns it at each revision."""
    record = crowd.journal._records[name]
    genesis = decode_genesis(record.genesis)
    state = State.at_creation(genesis)
    states = [written_out(state)]
    leaving: list[tuple[str, str]] | None = None
    for body in record.events:
        entry = decode_entry(body)
        event, before = entry.event, state.lifecycle
        apply(state, event, entry.at_ms)
        if before != state.lifecycle:
            assert (before, state.lifecycle) in MOVES, "resurrected"
        elif before == "ended":
            assert isinstance(event, AFTER_THE_END), f"{event} after the end"
        if leaving is not None:  # the host has left with the event before: what follows settles it
            wanted: Any = (happened.HostChanged, heir(leaving)) if leaving else None
            if wanted is None:
                assert isinstance(event, happened.SessionEnded)
            else:
                assert (type(event), state.host) == wanted
            leaving = None
        if isinstance(event, happened.Left) and event.user == state.host:
            leaving = [(user, member.role) for user, member in state.participants.items()]
            if not leaving and before == "ended":
                leaving = None
        if leaving is None:
            check_state(state)
        states.append(written_out(state))
    assert leaving is None, "the host's departure was cut in two"
    return states


def check_told(crowd: Crowd, states: dict[str, list[State]]) -> None:
    """Every command was answered, and every success was true at the revision it told."""
    assert all(reply.done for _, reply, _ in crowd.told), "a command was never answered"
    for name, reply, holds in crowd.told:
        if reply.error is None:
            assert holds(states[name][reply.result().revision]), "told what was not so"


def check_heard(crowd: Crowd) -> None:
    """Each subscription heard what is durable, in order, each event once."""
    for name, items in crowd.heard:
        bodies = crowd.journal._records[name].events
        durable = [item for item in items if not isinstance(item, greenroom.Gap) and item.durable]
        revisions = [item.revision for item in durable]
        assert revisions == sorted(set(revisions)), "out of order"
        for item in durable:
            assert decode_entry(bodies[item.revision - 1]).event == item.event


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seed=integers(0, 2**32 - 1))
def test_no_room_is_ever_hostless_over_capacity_resurrected_or_out_of_order(seed: int) -> None:
    """RX3, RX4, RX5, RX6, RX8, RX11, RX12, under every schedule."""

    async def scene() -> None:
        crowd = Crowd(seed)
        await crowd.open()
        for _ in range(ACTS):
            await crowd.act()
            crowd.check()
        await crowd.come_to_rest()
        crowd.check()
        states = {name: check_journal(crowd, name) for name in ROOMS}
        check_told(crowd, states)
        check_heard(crowd)
        await crowd.runtime.stop()
        for name in ROOMS:
            users = set(states[name][-1].participants)
            assert {user for user, _ in crowd.journal._records[name].joined} == users

    play(scene)
