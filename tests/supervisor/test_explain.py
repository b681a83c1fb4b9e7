"""Why a session is, or is not, on stage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from theatre import GatedJournal, ManualClock, Script, crash_once, echo, play, settle

import greenroom
from greenroom import EndReason, PassivationReason, PinKind, Verdict
from greenroom.supervisor import explanation

IDLE_S = 60.0


@pytest.fixture
def boom(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_once(monkeypatch)


def kinds(told: greenroom.Explanation) -> list[str]:
    return [pin.kind.value for pin in told.pins]


def test_one_that_is_on_stage_and_idle_leaves_when_it_says() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=IDLE_S) as runtime:
            await runtime.create(user="ann", id="s")
            created_ms = clock.now_ms()
            await clock.advance(10.0)

            told = await runtime.explain("s")

            assert (told.verdict, told.came, told.since_ms) == ("resident", "created", created_ms)
            assert (told.state, told.owner, told.left, told.pins) == ("active", "ann", None, ())
            assert told.due_ms == created_ms + 60_000
            await clock.advance((told.due_ms - clock.now_ms()) / 1000)
            assert runtime.resident == 1
            await clock.advance(0.01)
            assert runtime.resident == 0

    play(scene)


def test_to_be_asked_about_is_no_activity_and_wakes_nobody() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=IDLE_S) as runtime:
            await runtime.create(user="ann", id="s")
            for _ in range(10):
                await clock.advance(7.0)
                await runtime.explain("s")

            told = await runtime.explain("s")

            assert runtime.resident == 0
            assert (told.verdict, told.state, told.owner) == ("stored", "active", "ann")
            assert told.left is not None
            assert (told.left.end, told.left.passivated) == ("passivated", "idle")
            assert told.since_ms == told.left.at_ms

    play(scene)


def test_what_keeps_it_on_stage_is_told_by_kind() -> None:
    async def scene() -> None:
        clock, journal, script = ManualClock(), GatedJournal(), Script()
        async with greenroom.Runtime(
            script, clock=clock, journal=journal, idle_s=IDLE_S, subscriber_pin_s=90.0,
            turn_timeout_s=500.0,
        ) as runtime:  # fmt: skip
            session = await runtime.create(user="ann", id="s")
            began_ms = clock.now_ms()
            await session.send("ann", "one")
            await session.send("ann", "two")
            reader = session.events("ann")
            async with session.keep_awake("ann", reason="a call", max_s=100.0):
                await settle()
                journal.holding = True
                session.post("ann", "three")
                await settle()

                told = await runtime.explain("s")

                assert kinds(told) == [
                    "running_turn", "queued_turn", "commit", "keep_awake", "subscriber",
                ]  # fmt: skip
                running, queued, _, scope, read = told.pins
                assert (running.since_ms, running.until_ms) == (began_ms, began_ms + 500_000)
                assert queued.count == 1
                assert (scope.reason, scope.since_ms) == ("a call", began_ms)
                assert scope.until_ms == began_ms + 100_000
                assert (read.count, read.until_ms) == (1, began_ms + 90_000)
                assert told.due_ms is None
                journal.let()
            reader.close()
            await session.interrupt("ann", 2)
            await session.interrupt("ann", 1)
            await settle()
            told = await runtime.explain("s")
            assert (told.pins, told.due_ms) == ((), clock.now_ms() + 60_000)

    play(scene)


def test_a_scope_moves_the_time_at_which_it_leaves() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=IDLE_S) as runtime:
            session = await runtime.create(user="ann", id="s")
            began_ms = clock.now_ms()
            async with session.keep_awake("ann", reason="a call", max_s=100.0):
                told = await runtime.explain("s")
                assert told.due_ms == began_ms + 100_000
            await settle()
            assert (await runtime.explain("s")).due_ms == began_ms + 60_000

    play(scene)


def test_a_suspended_approval_keeps_nothing_on_stage() -> None:
    async def ask(turn: greenroom.Turn) -> Any:
        return greenroom.RequestApproval(calls=[greenroom.ToolCall(name="clean", id="a")])

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(ask, clock=clock, idle_s=IDLE_S) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "clean up")
            await settle()
            told = await runtime.explain("s")
            assert told.pins == ()
            assert told.due_ms == clock.now_ms() + 60_000
            await clock.advance(61.0)
            told = await runtime.explain("s")
            assert told.verdict is Verdict.STORED
            assert told.due_ms is not None  # the approval expires then, and wakes it
            assert told.due_ms > clock.now_ms()

    play(scene)


def test_one_that_is_leaving_says_since_when() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(clock=clock, journal=journal, idle_s=IDLE_S) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "one")
            journal.holding = True
            leaving = runtime.passivate("s")
            await settle()
            asked_ms = clock.now_ms()
            posted = session.post("ann", "two")
            await clock.advance(3.0)

            told = await runtime.explain("s")

            assert (told.verdict, told.since_ms, told.due_ms) == ("passivating", asked_ms, None)
            assert kinds(told) == ["mail"]
            journal.let()
            await posted
            assert await leaving
            told = await runtime.explain("s")
            assert (told.verdict, told.came) == ("resident", "recalled")
            assert told.left is not None
            assert told.left.passivated is PassivationReason.ASKED

    play(scene)


class SlowJournal(GatedJournal):
    """One that gives a session, and finds one, only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_find = asyncio.Event()
        self.may_find.set()
        self.may_give = asyncio.Event()
        self.may_give.set()

    async def claim(self, session: str, **options: Any) -> Any:
        await self.may_give.wait()
        return await super().claim(session, **options)

    async def find(self, session: str) -> Any:
        await self.may_find.wait()
        return await super().find(session)


def test_one_that_is_on_its_way_to_the_stage_says_why_it_comes() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), SlowJournal()
        async with greenroom.Runtime(clock=clock, journal=journal) as runtime:
            journal.may_give.clear()
            made = runtime.create(user="ann", id="s")
            await settle()
            told = await runtime.explain("s")
            assert (told.verdict, told.came, told.owner) == ("reserved", "created", "ann")
            assert told.since_ms == clock.now_ms()
            journal.may_give.set()
            await made

    play(scene)


def test_one_that_comes_on_stage_while_the_index_is_asked_is_told_as_it_is_then() -> None:
    async def scene() -> None:
        journal = SlowJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            await runtime.create(user="ann", id="s")
            assert await runtime.passivate("s")
            journal.may_find.clear()
            asked = runtime.explain("s")
            await settle()
            await runtime.session("s").info()
            journal.may_find.set()

            assert (await asked).verdict is Verdict.RESIDENT

    play(scene)


@pytest.mark.usefixtures("boom")
def test_one_that_has_crashed_restarts_and_at_last_is_parked() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(
            clock=clock,
            max_restarts=1,
            restart_delay_s=2.0,
            restart_window_s=60.0,
            restart_jitter=0.0,
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            session.post("ann", "boom")
            await settle()
            crashed_ms = clock.now_ms()

            told = await runtime.explain("s")
            assert (told.verdict, told.since_ms) == ("restarting", crashed_ms)
            assert (told.due_ms, told.restarts) == (crashed_ms + 2000, 1)
            assert "boom" in told.error

            await clock.advance(3.0)
            told = await runtime.explain("s")
            assert (told.verdict, told.came, told.restarts) == ("resident", "restarted", 1)
            assert told.left is not None
            assert told.left.end is EndReason.CRASHED
            await clock.advance(60.0)
            assert (await runtime.explain("s")).restarts == 0

            for _ in range(2):
                session.post("ann", "boom")
                await clock.advance(3.0)
            told = await runtime.explain("s")
            assert (told.verdict, told.restarts, told.due_ms) == ("parked", 1, None)
            assert "boom" in told.error
            assert told.since_ms == clock.now_ms() - 3000

    play(scene)


def test_one_that_the_journal_cannot_give_back_is_quarantined() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(clock=clock, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "one")
            assert await runtime.passivate("s")
            record = journal._records["s"]
            record.snapshot, record.events[0] = None, b"\xff"
            with pytest.raises(greenroom.SessionDamaged):
                await session.info()
            held_ms = clock.now_ms()
            await clock.advance(3.0)

            told = await runtime.explain("s")

            assert (told.verdict, told.since_ms) == ("quarantined", held_ms)
            assert told.due_ms == held_ms + 30_000
            assert told.error
            await clock.advance(27.1)
            assert (await runtime.explain("s")).verdict is Verdict.STORED

    play(scene)


def test_one_that_waits_for_a_slot_says_its_place_in_line() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(
            script, clock=clock, max_sessions=1, admission_wait_s=30.0
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")
            waiting = [runtime.create(user="bob", id="t"), runtime.session("u").info()]
            await settle()
            came_ms = clock.now_ms()
            await clock.advance(1.0)

            for name, place, owner in (("t", 1, "bob"), ("u", 2, None)):
                told = await runtime.explain(name)
                assert (told.verdict, told.place, told.owner) == ("waiting", place, owner)
                assert (told.since_ms, told.due_ms) == (came_ms, came_ms + 30_000)
            await clock.advance(40.0)
            for reply in waiting:
                assert isinstance(reply.error, greenroom.CapacityError)
            script.cue("s", 1, None)

    play(scene)


def test_one_that_has_ended_was_deleted_or_never_was_says_so() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock, idle_s=IDLE_S) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.end("ann")
            ended_ms = clock.now_ms()
            told = await runtime.explain("s")
            assert (told.verdict, told.state) == ("resident", "ended")
            await clock.advance(61.0)
            told = await runtime.explain("s")
            assert (told.verdict, told.state, told.since_ms) == ("ended", "ended", ended_ms)

            assert await session.delete("ann")
            told = await runtime.explain("s")
            assert told.verdict is Verdict.UNKNOWN
            assert told.left is not None
            assert told.left.end is EndReason.DELETED
            told = await runtime.explain("never")
            assert (told.verdict, told.left) == ("unknown", None)

    play(scene)


def test_only_so_many_leaves_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "MOST", 2)

    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for name in ("a", "b", "c"):
                await runtime.create(user="ann", id=name)
            for name in ("a", "b", "a", "c"):
                await runtime.session(name).info()
                assert await runtime.passivate(name)
            left = [(await runtime.explain(name)).left for name in ("a", "b", "c")]
            assert [leave is None for leave in left] == [False, True, False]

    play(scene)


def test_p04_every_question_is_answered_also_when_the_runtime_stops_or_the_journal_fails() -> None:
    class Broken(SlowJournal):
        async def find(self, session: str) -> Any:
            if session == "broken":
                raise greenroom.JournalUnavailable("s", why="away")
            return await super().find(session)

    async def scene() -> None:
        clock, journal, script = ManualClock(), Broken(), Script()
        runtime = greenroom.Runtime(script, clock=clock, journal=journal)
        with pytest.raises(greenroom.RuntimeClosed):
            runtime.explain("s")
        await runtime.start()
        with pytest.raises(greenroom.InvalidInput):
            runtime.explain("no id")
        with pytest.raises(greenroom.JournalUnavailable):
            await runtime.explain("broken")
        session = await runtime.create(user="ann", id="s")
        await session.send("ann", "think")
        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=5.0))
        await settle()
        told = await runtime.explain("s")
        assert (told.verdict, kinds(told)) == ("passivating", [PinKind.RUNNING_TURN])
        journal.may_find.clear()
        late = runtime.explain("x")
        await clock.advance(10.0)
        await stopping
        journal.may_find.set()
        await settle()

        assert isinstance(late.error, greenroom.RuntimeClosed)
        assert isinstance(runtime.explain("s").error, greenroom.RuntimeClosed)

    play(scene)


def test_it_may_be_asked_from_any_thread() -> None:
    with greenroom.Runtime.start_in_thread() as runtime:
        runtime.create(user="ann", id="s").get(timeout=20)
        assert runtime.explain("s").get(timeout=20).verdict is Verdict.RESIDENT
