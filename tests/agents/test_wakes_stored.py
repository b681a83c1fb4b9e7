"""Timers in the stores that outlive a process: the index tells the next one what is due."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from agents.test_wakes import Teller, hosted
from agents.workshop import until
from conformance.damage_kit import checked, execute
from theatre import ManualClock, play, settle

import greenroom
from greenroom.actors.ports import Journal
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.journals.sqlite import SqliteJournal

Stored = Callable[[], Journal]


@pytest.fixture(params=["memory", "sqlite"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Stored:
    """The journal, as each process opens it."""
    if request.param == "memory":
        memory = MemoryJournal()
        return lambda: memory
    return lambda: SqliteJournal.from_url(f"sqlite:///{tmp_path / 'store.db'}")


async def passes(clock: ManualClock, seconds: float, happened: Callable[[], Any]) -> None:
    """Time passes, and what a store's thread does comes of it."""
    await clock.advance(seconds)
    await until(happened)
    await settle()


async def asked(runtime: greenroom.Runtime) -> None:
    """The journal has told what is due first."""
    supervisor = runtime._supervisor
    assert supervisor is not None
    await until(lambda: supervisor.alarms._asking is None)


@pytest.mark.parametrize("late_s", [-500.0, 500.0])
def test_a_timer_survives_the_process_in_every_store(stored: Stored, late_s: float) -> None:
    async def scene() -> None:
        teller, clock = Teller(), ManualClock()
        due_ms = clock.now_ms() + 1_000_000
        async with hosted(journal=stored(), clock=clock) as (_, session, _):
            await session.wake_at("ann", due_ms, name="tea", payload={"cups": [1, 2.5]})
        clock = ManualClock()
        clock.now_s += 1000.0 + late_s
        async with hosted(teller, journal=stored(), clock=clock) as (runtime, session, _):
            await asked(runtime)
            await passes(clock, max(-late_s, 0.0) + 0.1, lambda: teller.turns)
            await session.result(1)

            assert teller.told == [f"tea@{due_ms}"]
            wake = teller.turns[0].wake
            assert wake is not None
            assert wake.payload == {"cups": [1, 2.5]}
        async with hosted(teller, journal=stored(), clock=clock) as (runtime, _, _):
            await clock.advance(10_000.0)
            assert len(teller.told) == 1

    play(scene)


def test_an_approval_expires_in_every_store_though_the_process_has_ended(stored: Stored) -> None:
    async def scene() -> None:
        decided = list[Any]()

        async def asks(turn: greenroom.Turn) -> AsyncIterator[Any]:
            decided.append(turn.decisions)
            if turn.decisions is None:
                call = greenroom.ToolCall(name="leap", id="a")
                yield greenroom.RequestApproval(calls=[call], expires_s=1000.0)

        clock = ManualClock()
        async with hosted(asks, journal=stored(), clock=clock) as (_, session, _):
            await session.send("ann", "leap")
            while await session.approval("ann") is None:
                await settle(1)
        clock.now_s += 2000.0
        async with hosted(asks, journal=stored(), clock=clock) as (runtime, _, _):
            await asked(runtime)
            await passes(clock, 0.1, lambda: len(decided) == 2)

            assert decided == [None, {"a": False}]

    play(scene)


def test_the_index_tells_the_earliest_right_after_every_change(stored: Stored) -> None:
    async def scene() -> None:
        async with hosted(journal=stored()) as (runtime, session, clock):
            now_ms = clock.now_ms()

            async def wake_ms() -> int:
                row = await runtime.find("s")
                due = await runtime.journal.due(limit=10)
                assert row is not None
                assert [found.wake_ms for found in due] == ([row.wake_ms] if row.wake_ms else [])
                return row.wake_ms

            assert await wake_ms() == 0
            await session.wake_at("ann", now_ms + 9000, name="a")
            assert await wake_ms() == now_ms + 9000
            await session.wake_at("ann", now_ms + 2000, name="b", every=5)
            assert await wake_ms() == now_ms + 2000
            await session.pause("ann")
            assert await wake_ms() == 0
            await session.resume("ann")
            assert await wake_ms() == now_ms + 2000
            await clock.advance(2.5)
            await session.touch("ann")
            assert await wake_ms() == now_ms + 7000
            await session.cancel_wake("ann", "b")
            assert await wake_ms() == now_ms + 9000
            await session.end("ann")
            assert await wake_ms() == 0

    play(scene)


def test_a_check_of_the_journal_knows_timers_and_files_from_before_there_were_any(
    tmp_path: Path,
) -> None:
    async def asks(_: greenroom.Turn) -> AsyncIterator[Any]:
        call = greenroom.ToolCall(name="leap", id="a")
        yield greenroom.RequestApproval(calls=[call], expires_s=1000.0)

    async def scene() -> None:
        path = tmp_path / "store.db"
        async with hosted(asks, journal=f"sqlite:///{path}") as (runtime, session, _):
            await session.wake_at("ann", after_s=60, name="tea")
            other = await runtime.create(user="ann", id="asked")
            await other.send("ann", "leap")
            while await other.approval("ann") is None:
                await settle(1)
        whole, _ = await checked(path)
        execute(path, "UPDATE sessions SET wake_ms = 0")
        found, _ = await checked(path)

        assert whole == []
        assert [(damage.session, "wake_ms" in damage.what) for damage in found] == [("s", True)]

    play(scene)
