"""P16: shutdown closes admission at once, spends its budget once, and reports what it left."""

from __future__ import annotations

import asyncio

import pytest
from house import logged
from theatre import GatedJournal, ManualClock, Script, play, settle, texts

import greenroom


def test_p16_admission_is_closed_at_once_and_what_was_taken_is_done() -> None:
    async def scene() -> None:
        journal, script = GatedJournal(), Script()
        runtime = greenroom.Runtime(script, journal=journal)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        turn = await session.send("ann", "think")
        result = turn.result()
        queued = session.send("ann", "and this")
        taken = session.post("ann", "taken")

        stopping = asyncio.get_running_loop().create_task(runtime.stop())
        await settle()
        for late in (session.post("ann", "late"), runtime.session("t").info()):
            with pytest.raises(greenroom.RuntimeClosed, match="draining"):
                await late
        with pytest.raises(greenroom.RuntimeClosed):
            await runtime.create(user="bob")
        assert not stopping.done()
        script.cue("s", 1, "done", None)
        report = await stopping

        assert (await result).text == "done"
        assert (await queued).ahead == 1
        assert await taken
        assert report == greenroom.DrainReport(passivated=["s"], handed_back=[], left=[])
        assert [turn.id for turn in script.turns] == [1]

        await journal.open()
        async with greenroom.Runtime(script, journal=journal) as owner:
            script.cue("s", 2, "later", None)
            assert (await owner.session("s").result(2)).text == "later"

    play(scene)


def test_p16_a_turn_that_outlasts_the_budget_is_handed_back() -> None:
    async def scene() -> None:
        clock, journal, script = ManualClock(), GatedJournal(), Script()
        runtime = greenroom.Runtime(script, journal=journal, clock=clock)
        await runtime.start()
        for name in ("busy", "idle"):
            await runtime.create(user="ann", id=name)
        await runtime.session("busy").send("ann", "think")

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=2.0))
        await clock.advance(1.9)
        assert not stopping.done()
        await clock.advance(0.2)
        report = await stopping

        assert report == greenroom.DrainReport(passivated=["idle"], handed_back=["busy"], left=[])
        await journal.open()
        async with greenroom.Runtime(script, journal=journal, clock=clock) as owner:
            result = await owner.session("busy").result(1)
            assert result.status == "lost"

    play(scene)


def test_p16_a_journal_that_does_not_answer_is_left_and_named() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        runtime = greenroom.Runtime(journal=journal, clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        journal.holding = True
        unanswered = session.post("ann", "hello?")
        await settle()

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=2.0))
        await clock.advance(3.5)
        report = await stopping

        assert report.left == ["s"]
        with pytest.raises(greenroom.OutcomeUnknown):
            await unanswered

    play(scene)


def test_p16_one_that_leaves_as_the_time_is_up_leaves_once() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        runtime = greenroom.Runtime(clock=clock, journal=journal)
        await runtime.start()
        await runtime.create(user="ann", id="s")
        journal.holding = True
        stopping = asyncio.ensure_future(runtime.stop(budget_s=1.0))
        await settle()

        with logged() as lines:
            while clock.jump(clock.now_s + 10.0):  # nobody has looked at what fell due
                pass
            journal.let()
            report = await stopping
            await settle()

        assert (report.left, runtime.resident) == (["s"], 0)
        assert "supervisor_failed" not in [line["event"] for line in lines]

    play(scene)


def test_p16_readers_are_told_when_the_runtime_stops() -> None:
    async def scene() -> None:
        runtime = greenroom.Runtime()
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        events = session.events("ann")
        await session.post("ann", "hello")
        assert texts([(await anext(events)).event.message]) == ["hello"]

        await runtime.stop()

        with pytest.raises(greenroom.RuntimeClosed):
            await anext(events)

    play(scene)


def test_p16_a_reader_of_a_parked_session_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from greenroom.actors.session import actor as session_actor

    def broken(*_: object) -> None:
        raise RuntimeError("always")

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, max_restarts=0) as runtime:
            session = await runtime.create(user="ann", id="s")
            events = session.events("ann")
            await settle()
            monkeypatch.setattr(session_actor, "decide", broken)

            session.post("ann", "hello")
            await settle()

            with pytest.raises(greenroom.SessionParked):
                await anext(events)

    play(scene)
