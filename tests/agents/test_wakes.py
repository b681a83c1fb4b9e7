"""Timers: a session does something by itself, wherever it is when that is due."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from agents.workshop import Workshop
from rooms.hall import refused
from theatre import GatedJournal, ManualClock, Script, play, settle, texts

import greenroom
from greenroom import (
    ExtraMissing,
    IdempotencyConflict,
    InvalidInput,
    JournalUnavailable,
    NotMember,
    TooManyWakes,
)
from greenroom.actors.ports import Claim, NewSession
from greenroom.actors.session import events as happened
from greenroom.actors.session.entry import decode_entry
from greenroom.actors.session.wakes import MAX_PAYLOAD_BYTES, MAX_WAKES
from greenroom.adapters.journals.memory import MemoryJournal


class Teller:
    """Notes the timers it is told, and says what they carry."""

    def __init__(self) -> None:
        self.turns: list[greenroom.Turn] = []

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[str]:
        self.turns.append(turn)
        yield turn.input.text

    @property
    def told(self) -> list[str]:
        return [turn.wake.id for turn in self.turns if turn.wake is not None]


@asynccontextmanager
async def hosted(
    pipeline: Any = None, *, journal: Any = None, clock: ManualClock | None = None, **options: Any
) -> AsyncIterator[tuple[greenroom.Runtime, greenroom.Session, ManualClock]]:
    """A runtime, and the handle of session `s`, which is Ann's and made if there is none."""
    clock = clock or ManualClock()
    journal = MemoryJournal() if journal is None else journal
    async with greenroom.Runtime(pipeline, journal=journal, clock=clock, **options) as runtime:
        session = runtime.session("s")
        if await runtime.find("s") is None:
            session = await runtime.create(user="ann", id="s")
        yield runtime, session, clock


async def killed(runtime: greenroom.Runtime) -> None:
    """The process is gone: nothing of it does anything any more, and nothing is written."""
    supervisor = runtime._supervisor
    assert supervisor is not None
    supervisor.alarms.clear()
    for place in supervisor._places.values():
        place.box.detach() if place.actor is not None else None
    supervisor._places.clear()


async def leave_the_stage(runtime: greenroom.Runtime, session: str = "s") -> None:
    assert await runtime.passivate(session)
    assert runtime.resident == 0


def journaled(journal: MemoryJournal, session: str = "s") -> list[Any]:
    return [decode_entry(body).event for body in journal._records[session].events]


def fired(journal: MemoryJournal, session: str = "s") -> list[str]:
    """The ids of what has gone off, as the journal has them."""
    events = journaled(journal, session)
    return [event.id for event in events if isinstance(event, happened.WakeFired)]


def in_s(clock: ManualClock, seconds: float) -> int:
    return clock.now_ms() + int(seconds * 1000)


# --- on stage ---


def test_a_timer_goes_off_on_time_and_its_turn_is_told() -> None:
    async def scene() -> None:
        teller, journal = Teller(), MemoryJournal()
        async with hosted(teller, journal=journal) as (_, session, clock):
            due_ms = in_s(clock, 10)
            payload = {"cups": [1, 2]}
            receipt = await session.wake_at("ann", due_ms, name="tea", payload=payload)
            payload["cups"].append(3)
            assert (receipt.name, receipt.due_ms) == ("tea", due_ms)

            await clock.advance(9.9)
            assert teller.turns == []
            await clock.advance(0.2)

            (turn,) = teller.turns
            assert (turn.kind, turn.user, turn.id) == ("wake", "ann", 1)
            assert turn.wake == greenroom.Firing(
                id=f"tea@{due_ms}", name="tea", due_ms=due_ms, payload={"cups": [1, 2]}
            )
            assert turn.input.text == "tea"
            assert texts(await session.transcript("ann")) == ["tea"]
            assert fired(journal) == [f"tea@{due_ms}"]
            assert await session.wakes("ann") == ()
            await clock.advance(10_000.0)
            assert len(fired(journal)) == 1

    play(scene)


def test_a_text_that_a_timer_carries_is_what_its_pipeline_is_asked() -> None:
    async def scene() -> None:
        teller = Teller()
        async with hosted(teller) as (_, session, clock):
            await session.wake_at("ann", after_s=1, name="tea", payload="make some tea")
            await session.send("ann", "hello")
            await clock.advance(1.1)

            assert [turn.input.text for turn in teller.turns] == ["hello", "make some tea"]
            assert teller.turns[0].wake is None
            assert (await session.result(2)).status == "completed"

    play(scene)


def test_the_room_hears_of_it_and_what_readers_do_to_it_changes_nothing() -> None:
    async def scene() -> None:
        async with hosted() as (_, session, clock):
            heard = list[Any]()

            def note(item: Any) -> None:
                heard.append(item.event)
                if isinstance(item.event, happened.WakeFired | happened.WakeSet):
                    item.event.payload.append("spoiled")

            await session.subscribe("ann", note)
            await session.wake_at("ann", after_s=1, every=5, name="tea", payload=["x"])
            await clock.advance(1.1)
            await clock.advance(5.0)

            kinds = [type(event) for event in heard]
            assert kinds == [happened.WakeSet, happened.WakeFired, happened.WakeFired]
            (timer,) = await session.wakes("ann")
            assert timer.payload == ["x"]
            timer.payload.append("mine")
            assert (await session.wakes("ann"))[0].payload == ["x"]

    play(scene)


def test_without_a_pipeline_or_a_turn_there_is_the_event_only() -> None:
    async def scene() -> None:
        for pipeline, turn in ((None, True), (Teller(), False)):
            journal = MemoryJournal()
            async with hosted(pipeline, journal=journal) as (_, session, clock):
                await session.wake_at("ann", after_s=1, name="tea", turn=turn)
                await clock.advance(1.1)

                assert len(fired(journal)) == 1
                assert (await session.info()).queued_turns == []
                assert journaled(journal)[-1].turn == 0

    play(scene)


def test_an_instant_that_is_over_is_due_at_once() -> None:
    async def scene() -> None:
        teller = Teller()
        async with hosted(teller) as (_, session, clock):
            await session.wake_at("ann", clock.now_ms() - 5000, name="tea")
            await clock.advance(0.0)

            assert len(teller.told) == 1

    play(scene)


def test_a_repeat_goes_off_again_and_again_until_it_is_cancelled() -> None:
    async def scene() -> None:
        teller, journal = Teller(), MemoryJournal()
        async with hosted(teller, journal=journal) as (_, session, clock):
            first = in_s(clock, 10)
            await session.wake_at("ann", every=10, name="tea")
            for _ in range(3):
                await clock.advance(10.01)
            assert teller.told == [f"tea@{first + n * 10_000}" for n in range(3)]

            receipt = await session.cancel_wake("ann", "tea")
            assert receipt.due_ms == first + 30_000
            await clock.advance(100.0)

            assert len(fired(journal)) == 3
            assert (await session.cancel_wake("ann", "tea")).due_ms is None

    play(scene)


def test_a_turn_of_a_timer_waits_for_the_running_one_and_is_told_the_newest() -> None:
    async def scene() -> None:
        script, journal = Script(), MemoryJournal()
        async with hosted(script, journal=journal, idle_s=10_000) as (_, session, clock):
            await session.send("ann", "hi")
            await session.wake_at("ann", every=10, name="tea")
            for _ in range(3):
                await clock.advance(10.01)
            assert len(fired(journal)) == 3
            assert (await session.info()).queued_turns == [2]

            script.cue("s", 1, "ho", None)
            await settle()

            wake = script.turns[1].wake
            assert wake is not None
            assert (wake.id, wake.missed) == (fired(journal)[2], 2)
            script.cue("s", 2, None)

    play(scene)


@pytest.mark.parametrize("cancel_first", [True, False])
def test_of_a_timer_and_its_cancelling_at_once_one_is_first_and_the_receipt_agrees(
    cancel_first: bool,
) -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with hosted(journal=journal) as (_, session, clock):
            await session.wake_at("ann", after_s=1, name="tea")
            await clock.advance(0.5)
            journal.holding = True
            cancelled = None
            if cancel_first:
                cancelled = session.cancel_wake("ann", "tea")
                await settle()  # decided, and not durable yet: its timer still runs
            await clock.advance(0.6)
            cancelled = cancelled or session.cancel_wake("ann", "tea")
            journal.let()

            assert ((await cancelled).due_ms is not None) is cancel_first
            assert len(fired(journal)) == (0 if cancel_first else 1)

    play(scene)


def test_p8_a_timer_that_is_set_again_under_its_key_is_set_once() -> None:
    async def scene() -> None:
        journal, clock = MemoryJournal(), ManualClock()
        async with hosted(journal=journal, clock=clock) as (_, session, _):
            first = await session.wake_at("ann", after_s=5, name="tea", key="k")
            await clock.advance(5.1)
            again = await session.wake_at("ann", after_s=5, name="tea", key="k")
            assert again == first
        async with hosted(journal=journal, clock=clock) as (_, session, _):
            assert await session.wake_at("ann", after_s=5, name="tea", key="k") == first
            await refused(
                session.wake_at("ann", after_s=6, name="tea", key="k"), IdempotencyConflict
            )
            cancel = await session.cancel_wake("ann", "tea", key="c")
            assert cancel.due_ms is None
            await clock.advance(100.0)

            assert len(fired(journal)) == 1

    play(scene)


# --- off the stage ---


def test_a_passivated_session_is_woken_for_its_timer() -> None:
    async def scene() -> None:
        teller, journal = Teller(), MemoryJournal()
        async with hosted(teller, journal=journal) as (runtime, session, clock):
            due_ms = in_s(clock, 1000)
            await session.wake_at("ann", due_ms, name="tea")
            await leave_the_stage(runtime)
            row = await runtime.find("s")
            assert row is not None
            assert row.wake_ms == due_ms

            await clock.advance(999.9)
            assert runtime.resident == 0
            await clock.advance(0.2)

            assert runtime.resident == 1
            assert teller.told == [f"tea@{due_ms}"]
            row = await runtime.find("s")
            assert row is not None
            assert row.wake_ms == 0

    play(scene)


def test_a_timer_keeps_nobody_on_stage() -> None:
    async def scene() -> None:
        async with hosted(Teller(), idle_s=60.0) as (runtime, session, clock):
            await session.wake_at("ann", after_s=1000, name="tea")
            await clock.advance(60.1)

            assert runtime.resident == 0

    play(scene)


@pytest.mark.parametrize("late_s", [-500.0, 0.0, 500.0])
@pytest.mark.parametrize("how", ["stop", "kill", "kill passivated"])
def test_a_timer_survives_the_process(how: str, late_s: float) -> None:
    """The next process begins before, just when, or after it is due."""

    async def scene() -> None:
        teller, journal, clock = Teller(), MemoryJournal(), ManualClock()
        due_ms = in_s(clock, 1000)
        async with hosted(journal=journal, clock=clock) as (runtime, session, _):
            await session.wake_at("ann", due_ms, name="tea", payload="x")
            if how == "kill passivated":
                await leave_the_stage(runtime)
            if how != "stop":
                await killed(runtime)
        clock = ManualClock()
        clock.now_s += 1000.0 + late_s
        async with hosted(teller, journal=journal, clock=clock) as (runtime, _, _):
            await clock.advance(0.001)
            assert (runtime.resident == 1) is (late_s >= 0)
            await clock.advance(max(-late_s, 0.0) + 0.1)

            assert teller.told == [f"tea@{due_ms}"] == fired(journal)
            assert teller.turns[0].wake is not None
            assert teller.turns[0].wake.missed == 0

    play(scene)


def test_a_repeat_that_was_missed_goes_off_once_for_all_and_then_on_its_grid() -> None:
    async def scene() -> None:
        teller, journal, clock = Teller(), MemoryJournal(), ManualClock()
        first = in_s(clock, 10)
        async with hosted(journal=journal, clock=clock) as (_, session, _):
            await session.wake_at("ann", every=10, name="tea")
        clock = ManualClock()
        clock.now_s += 45.0
        async with hosted(teller, journal=journal, clock=clock):
            await clock.advance(0.1)
            assert fired(journal) == [f"tea@{first}"]
            assert journaled(journal)[1].missed == 3
            await clock.advance(5.0)

            assert teller.told == [f"tea@{first}", f"tea@{first + 40_000}"]

    play(scene)


def test_a_crash_before_the_event_is_durable_fires_again_after_it_and_once() -> None:
    """At least once: what was decided and not written has not happened."""

    async def scene() -> None:
        teller, journal = Teller(), GatedJournal()
        async with hosted(teller, journal=journal) as (_, session, clock):
            due_ms = in_s(clock, 10)
            await session.wake_at("ann", due_ms, name="tea")
            journal.fail(greenroom.NotWritten("the disk is full"))
            await clock.advance(10.1)
            await clock.advance(1.0)  # it is started again

            assert fired(journal) == [f"tea@{due_ms}"] == teller.told

    play(scene)


def test_a_crash_after_the_event_tells_it_no_second_time_and_its_turn_is_tried_again() -> None:
    async def scene() -> None:
        script, teller, journal, clock = Script(), Teller(), MemoryJournal(), ManualClock()
        due_ms = in_s(clock, 10)
        async with hosted(script, journal=journal, clock=clock) as (runtime, session, _):
            await session.wake_at("ann", due_ms, name="tea", payload=[7])
            await clock.advance(10.1)
            assert len(script.turns) == 1
            await killed(runtime)
        async with hosted(teller, journal=journal, clock=clock, turn_attempts=2) as (_, session, _):
            result = await session.result(1)

            assert result.status == "completed"
            (turn,) = teller.turns
            assert turn.wake is not None
            assert (turn.attempt, turn.wake.id, turn.wake.payload) == (2, f"tea@{due_ms}", [7])
            assert fired(journal) == [f"tea@{due_ms}"]

    play(scene)


def test_a_full_house_lets_it_in_later() -> None:
    async def scene() -> None:
        script, journal = Script(), MemoryJournal()
        limits = {"max_sessions": 1, "max_sessions_per_user": 1}
        async with hosted(script, journal=journal, **limits) as (runtime, session, clock):
            await session.wake_at("ann", after_s=100, name="tea")
            await leave_the_stage(runtime)
            busy = await runtime.create(user="bob", id="busy")
            await busy.send("bob", "think")
            await clock.advance(150.0)
            assert fired(journal) == []
            assert runtime.stats.activated == 2

            script.cue("busy", 1, None)
            await clock.advance(6.0)

            assert len(fired(journal)) == 1
            script.cue("s", 1, None)

    play(scene)


def test_timers_of_a_paused_session_wait_and_go_off_when_it_is_resumed() -> None:
    async def scene() -> None:
        for passivated in (False, True):
            teller, journal = Teller(), MemoryJournal()
            async with hosted(teller, journal=journal, idle_s=10_000) as (runtime, session, clock):
                await session.wake_at("ann", after_s=10, name="tea")
                await session.pause("ann")
                if passivated:
                    await leave_the_stage(runtime)
                await clock.advance(100.0)
                assert runtime.resident == (0 if passivated else 1)
                assert teller.turns == []

                await session.resume("ann")
                await clock.advance(0.0)

                assert len(teller.told) == 1

    play(scene)


@pytest.mark.parametrize("how", ["end", "delete", "delete passivated", "hide"])
def test_a_session_that_is_over_is_not_woken(how: str) -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        async with hosted(Teller(), journal=journal) as (runtime, session, clock):
            await session.wake_at("ann", after_s=100, name="tea")
            if how != "end":
                await leave_the_stage(runtime)
            if how == "end":
                await session.end("ann")
            elif how == "hide":
                stale = await journal.stale(10**15, limit=1, ended=False)
                assert await journal.hide(stale) == ["s"]
            else:
                await session.delete("ann")
            activated = runtime.stats.activated
            await clock.advance(200.0)

            assert runtime.stats.activated == activated
            assert fired(journal) == []
            supervisor = runtime._supervisor
            assert supervisor is not None
            assert len(supervisor.alarms) == 0

    play(scene)


def test_a_journal_that_fails_as_it_is_due_is_asked_again() -> None:
    class Flaky(MemoryJournal):
        failing = False
        asked = 0

        async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
            self.asked += 1
            if self.failing:
                raise JournalUnavailable("memory:", why="it is being moved")
            return await super().claim(session, create=create)

        async def due(self, *, limit: int) -> list[Any]:
            if self.failing:
                raise JournalUnavailable("memory:", why="it is being moved")
            return await super().due(limit=limit)

    async def scene() -> None:
        journal = Flaky()
        async with hosted(journal=journal) as (runtime, session, clock):
            await session.wake_at("ann", after_s=100, name="tea")
            await clock.advance(0.1)
            await leave_the_stage(runtime)
            journal.failing, journal.asked = True, 0
            await clock.advance(120.0)
            assert 3 <= journal.asked <= 6
            journal.failing = False
            await clock.advance(6.0)

            assert len(fired(journal)) == 1

    play(scene)


def test_a_session_that_could_not_be_started_again_after_a_crash_is_not_forgotten() -> None:
    class Flaky(GatedJournal):
        failing = False

        async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
            if self.failing:
                raise JournalUnavailable("memory:", why="it is being moved")
            return await super().claim(session, create=create)

    async def scene() -> None:
        journal = Flaky()
        async with hosted(journal=journal) as (runtime, session, clock):
            await session.wake_at("ann", after_s=100, name="tea")
            journal.fail(greenroom.NotWritten("the disk is full"))
            journal.failing = True
            await refused(session.post("ann", "hi"), greenroom.NotWritten)
            await clock.advance(1.0)
            assert runtime.resident == 0
            journal.failing = False
            await clock.advance(100.0)

            assert len(fired(journal)) == 1

    play(scene)


def test_an_approval_expires_in_time_though_the_process_has_ended_meanwhile() -> None:
    async def scene() -> None:
        decided = list[Any]()

        async def asks(turn: greenroom.Turn) -> AsyncIterator[Any]:
            decided.append(turn.decisions)
            if turn.decisions is None:
                call = greenroom.ToolCall(name="leap", id="a")
                yield greenroom.RequestApproval(calls=[call], expires_s=1000.0)

        journal, clock = MemoryJournal(), ManualClock()
        async with hosted(asks, journal=journal, clock=clock) as (runtime, session, _):
            await session.send("ann", "leap")
            await settle()
            await killed(runtime)
        async with hosted(asks, journal=journal, clock=clock) as (runtime, _, _):
            await clock.advance(999.0)
            assert runtime.resident == 0
            await clock.advance(1.1)

            assert decided == [None, {"a": False}]

    play(scene)


def test_while_resources_are_being_opened_the_turn_of_a_timer_waits() -> None:
    async def scene() -> None:
        workshop, teller, journal = Workshop(), Teller(), MemoryJournal()
        async with hosted(teller, journal=journal, resources=workshop) as (runtime, session, clock):
            await session.wake_at("ann", after_s=100, name="tea")
            await settle()
            await leave_the_stage(runtime)
            workshop.may_open.clear()
            await clock.advance(100.1)
            assert (len(fired(journal)), teller.turns) == (1, [])
            workshop.may_open.set()
            await settle()

            assert teller.turns[0].resources == "tools 2"

    play(scene)


def test_a_fork_has_none_of_the_timers() -> None:
    async def scene() -> None:
        async with hosted(Teller()) as (_, session, _):
            await session.wake_at("ann", after_s=100, name="tea")
            fork = await session.fork("ann")

            assert await fork.wakes("ann") == ()

    play(scene)


# --- what is refused ---


NOON = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("at", {}),
        ("at", {"at": datetime(2030, 1, 1)}),  # noqa: DTZ001
        ("at", {"at": 1e12}),
        ("at", {"at": True}),
        ("at", {"at": 0}),
        ("at", {"at": 10**15}),
        ("at", {"at": datetime(1969, 1, 1, tzinfo=UTC)}),
        ("after_s", {"at": NOON, "after_s": 1}),
        ("after_s", {"after_s": -1}),
        ("after_s", {"after_s": float("nan")}),
        ("after_s", {"after_s": float("inf")}),
        ("after_s", {"after_s": True}),
        ("every", {"every": 0.9}),
        ("every", {"every": "every day"}),
        ("every", {"every": "0 25 * * *"}),
        ("every", {"every": "0 0 31 2 *"}),
        ("every", {"every": ""}),
        ("every", {"every": "* " * 200}),
        ("every", {"every": [1]}),
        ("zone", {"every": "0 9 * * *", "zone": "Europe/Nowhere"}),
        ("zone", {"every": "0 9 * * *", "zone": "../etc/passwd"}),
        ("zone", {"every": "0 9 * * *", "zone": "Europe"}),
        ("zone", {"every": 5, "zone": "Europe/Berlin"}),
        ("name", {"at": NOON, "name": ""}),
        ("turn", {"at": NOON, "turn": 1}),
        ("payload.x", {"at": NOON, "payload": {"x": {1}}}),
        ("payload", {"at": NOON, "payload": "x" * MAX_PAYLOAD_BYTES}),
    ],
)
def test_what_is_no_timer_is_refused_and_changes_nothing(
    field: str, arguments: dict[str, Any]
) -> None:
    async def scene() -> None:
        journal = MemoryJournal()
        async with hosted(journal=journal) as (_, session, _):
            with pytest.raises(InvalidInput) as refusal:
                session.wake_at("ann", **{"name": "tea", **arguments})

            assert refusal.value.field == field
            assert await session.wakes("ann") == ()
            assert journaled(journal) == []

    play(scene)


def test_datetimes_are_taken_in_any_zone_and_never_early() -> None:
    async def scene() -> None:
        async with hosted() as (_, session, _):
            receipt = await session.wake_at("ann", NOON, name="noon")
            later = await session.wake_at("ann", NOON + timedelta(microseconds=1), name="later")

            assert receipt.due_ms == int(NOON.timestamp() * 1000)
            assert later.due_ms == receipt.due_ms + 1

    play(scene)


def test_refusals_of_the_session() -> None:
    async def scene() -> None:
        async with hosted() as (_, session, _):
            for number in range(MAX_WAKES):
                await session.wake_at("ann", NOON, name=f"t{number}")
            await refused(session.wake_at("ann", NOON, name="tea"), TooManyWakes, limit=MAX_WAKES)
            await refused(session.wake_at("eve", NOON, name="tea"), NotMember)
            await refused(session.cancel_wake("eve", "t0"), NotMember)
            await refused(session.wakes("eve"), NotMember)

    play(scene)


def test_a_cron_expression_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        async with hosted() as (_, session, _):
            monkeypatch.setitem(sys.modules, "cronsim", None)
            with pytest.raises(ExtraMissing, match=r"pip install 'greenroom\[cron\]'"):
                session.wake_at("ann", every="0 9 * * *", name="tea")

            await session.wake_at("ann", every=60, name="tea")

    play(scene)


def test_a_cron_expression_is_kept_to_in_its_zone_when_clocks_change() -> None:
    """Europe/Berlin in March 2026: nine o'clock is 8:00 UTC, and 7:00 UTC from the 29th on."""

    async def scene() -> None:
        teller, clock = Teller(), ManualClock()
        clock.now_s = datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()
        async with hosted(teller, clock=clock) as (_, session, _):
            await session.wake_at("ann", every="0 9 * * *", zone="Europe/Berlin", name="tea")
            await clock.advance(3 * 86_400.0)

            due = [turn.wake.due_ms for turn in teller.turns if turn.wake is not None]
            assert [datetime.fromtimestamp(ms / 1000, UTC).strftime("%d %H:%M") for ms in due] == [
                "28 08:00",
                "29 07:00",
                "30 07:00",
            ]

    play(scene)


def test_of_many_stored_sessions_each_is_woken_though_few_are_held_in_memory() -> None:
    async def scene() -> None:
        journal, clock = MemoryJournal(), ManualClock()
        names = [f"s{number}" for number in range(700)]
        limits: dict[str, Any] = {"max_sessions": 50, "max_sessions_per_user": 50}
        async with greenroom.Runtime(journal=journal, clock=clock, **limits) as runtime:
            for number, name in enumerate(names):
                session = await runtime.create(user="ann", id=name)
                await session.wake_at("ann", after_s=1000 + number, name="tea")
                await runtime.passivate(name)
            await _all(runtime, 512)
        clock.now_s += 1.0
        async with greenroom.Runtime(journal=journal, clock=clock, **limits) as runtime:
            await settle()
            await _all(runtime, 256)
            for _ in range(7):
                await clock.advance(300.0)
                await _all(runtime, 512)

            assert [name for name in names if len(fired(journal, name)) != 1] == []

    async def _all(runtime: greenroom.Runtime, most: int) -> None:
        supervisor = runtime._supervisor
        assert supervisor is not None
        assert len(supervisor.alarms) <= most

    play(scene)


def ids(turns: Sequence[greenroom.Turn]) -> list[int]:
    return [turn.id for turn in turns]


def test_a_session_that_leaves_as_its_timer_is_due_is_back_at_once() -> None:
    async def scene() -> None:
        for before_s in (-0.02, 0.0, 0.02):
            teller, journal = Teller(), GatedJournal()
            async with hosted(teller, journal=journal) as (runtime, session, clock):
                await session.wake_at("ann", after_s=10, name="tea")
                await clock.advance(10.0 - before_s)
                leaving = asyncio.ensure_future(runtime.passivate("s"))
                await clock.advance(before_s if before_s > 0 else 0.0)
                await clock.advance(0.1)
                await leaving
                await clock.advance(6.0)

                assert len(fired(journal)) == 1
                assert ids(teller.turns) == [1]

    play(scene)
