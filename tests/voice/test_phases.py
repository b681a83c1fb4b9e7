"""Voice phases: who moves them, and who hears of it (spec V01, V07, V11, VX10, VX17, VX19)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rooms.hall import Ear, come, refused, room
from theatre import GatedJournal, ManualClock, play, settle
from voice.booth import booth, go, phase_of

import greenroom
from greenroom.actors.session.events import PhaseChanged

CONVERSING = ("listening", "processing", "speaking")


def phases(items: Any) -> list[tuple[str, int]]:
    """The phases that were heard of, each with its turn."""
    changes = [item.event for item in items if hasattr(item, "event")]
    return [(change.phase, change.turn) for change in changes if type(change) is PhaseChanged]


# --- set by people -------------------------------------------------------------------------------


def test_v01_a_session_begins_at_init_and_its_end_closes_it() -> None:
    async def scene() -> None:
        async with room() as session:
            ear = await Ear.of(session, "ann")
            assert await phase_of(session) == "init"

            await go(session, "connected", *CONVERSING)
            await session.end("ann")
            await settle()

            assert phases(ear.items) == [
                *[("connected", 0), ("listening", 0), ("processing", 0), ("speaking", 0)],
                ("closed", 0),
            ]
            assert ear.kinds[-1] == "session.ended"
            assert ear.ended
            assert await phase_of(session) == "closed"

    play(scene)


def test_v01_a_session_that_has_ended_is_closed_also_if_it_never_had_a_phase() -> None:
    async def scene() -> None:
        async with room() as session:
            ear = await Ear.of(session, "ann")
            await session.end("ann")
            await settle()

            assert ear.kinds == ["session.ended"]
            assert await phase_of(session) == "closed"
            assert (await session.snapshot("ann")).info.phase == "closed"

    play(scene)


def test_vx19_an_illegal_move_is_refused_with_both_phases_and_changes_nothing() -> None:
    async def scene() -> None:
        async with room() as session:
            ear = await Ear.of(session, "ann")

            for phase in CONVERSING:
                error = await refused(
                    session.set_phase("ann", phase), greenroom.WrongPhase, phase="init", to=phase
                )
                assert error.allowed == ("connected", "closed")
            await go(session, "connected", "speaking")
            await refused(
                session.set_phase("ann", "init"), greenroom.WrongPhase, phase="speaking", to="init"
            )
            await settle()

            assert phases(ear.items) == [("connected", 0), ("speaking", 0)]
            assert (await session.info()).revision == 0

    play(scene)


def test_vx19_a_move_to_the_same_phase_changes_nothing() -> None:
    async def scene() -> None:
        async with room() as session:
            ear = await Ear.of(session, "ann")
            await go(session, "init", "connected", "connected")
            await settle()

            assert phases(ear.items) == [("connected", 0)]

    play(scene)


@pytest.mark.parametrize("phase", ["closed", "", "Speaking", 3, None, ["init"]])
def test_v01_only_its_own_end_closes_a_session_and_other_names_are_no_phases(phase: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.set_phase("ann", phase)
            assert refusal.value.field == "phase"

    play(scene)


@pytest.mark.parametrize("turn", [-1, True, "1", 1.0])
def test_v11_a_turn_is_a_number(turn: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.set_phase("ann", "connected", turn=turn)
            assert refusal.value.field == "turn"

    play(scene)


def test_v07_who_may_not_act_sets_no_phase() -> None:
    async def scene() -> None:
        async with room("eve*") as session:
            await refused(session.set_phase("eve", "connected"), greenroom.NotAllowed)
            await refused(session.set_phase("dee", "connected"), greenroom.NotMember)
            assert await phase_of(session) == "init"

    play(scene)


def test_vx10_closed_is_terminal_for_everything() -> None:
    async def scene() -> None:
        async with booth("bob") as (session, _):
            await go(session, "connected", "listening")
            await session.end("ann")

            for command in (
                session.set_phase("ann", "listening"),
                session.set_phase("ann", "connected", turn=0),
                session.post("ann", "hello?"),
                session.send("ann", "hello?"),
                session.greet("ann"),
                session.set_dialog("ann", []),
                session.touch("ann"),
                session.act("ann", "wave"),
            ):
                await refused(command, greenroom.SessionEnded, code="ended")
            assert await phase_of(session) == "closed"

    play(scene)


# --- activity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["set_phase", "touch"])
def test_v07_setting_a_phase_and_touching_are_activity_and_reading_is_not(sign: str) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")

            await clock.advance(59.0)
            await (session.touch("ann") if sign == "touch" else session.set_phase("ann", "init"))
            at_ms = clock.now_ms()
            await clock.advance(59.0)
            assert runtime.resident == 1
            await session.info()
            await session.snapshot("ann")
            assert (await session.info()).active_ms == at_ms

            await clock.advance(2.0)
            assert runtime.resident == 0

    play(scene)


def test_v07_a_touch_is_heard_of_by_nobody() -> None:
    async def scene() -> None:
        async with room("eve*") as session:
            ear = await Ear.of(session, "ann")

            assert (await session.touch("eve")).revision == 1
            await refused(session.touch("dee"), greenroom.NotMember)
            await settle()

            assert ear.items == []
            assert (await session.info()).revision == 1

    play(scene)


def test_v30_touching_what_is_not_there() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            await refused(runtime.session("nowhere").touch("ann"), greenroom.SessionNotFound)

    play(scene)


def test_v07_a_phase_ends_with_its_activation() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(clock=clock, journal=journal, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            await go(session, "connected", "listening")
            await clock.advance(61.0)
            assert runtime.resident == 0

            assert await phase_of(session) == "init"
            await refused(session.set_phase("ann", "speaking"), greenroom.WrongPhase, phase="init")
            assert (await session.info()).revision == 0

    play(scene)


def test_a_session_that_has_no_phase_holds_nothing_for_it() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            script.cue("s", 1, "hello", None)
            await (await session.send("ann", "?")).result()
            actor = session._runtime._supervisor._places["s"].actor  # type: ignore[union-attr]

            assert actor is not None
            assert actor.voice is None

    play(scene)


# --- moved by turns ------------------------------------------------------------------------------


def test_v07_a_turn_moves_a_session_that_converses() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected", "listening")
            ear = await Ear.of(session, "ann")

            turn = await session.send("ann", "?")
            await settle()
            assert phases(ear.items) == [("processing", 1)]
            script.cue("s", 1, "hel", "lo")
            await settle()
            assert phases(ear.items)[1:] == [("speaking", 1)]
            assert ear.kinds[-3:] == ["phase.changed", "text.streamed", "text.streamed"]
            script.cue("s", 1, None)
            await turn.result()
            await settle()

            assert phases(ear.items)[2:] == [("listening", 1)]
            assert ear.kinds[-2:] == ["turn.ended", "phase.changed"]
            assert {item.event.user for item in ear.items if "phase" in dir(item.event)} == {None}

    play(scene)


def test_v07_a_whole_message_is_spoken_too_and_a_tool_call_is_not() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected", "listening")
            await session.send("ann", "?")
            script.cue("s", 1, greenroom.ToolCall(name="look"), greenroom.ToolResult(value=1))
            await settle()
            assert await phase_of(session) == "processing"

            script.cue("s", 1, greenroom.Message(text="here"))
            await settle()

            assert await phase_of(session) == "speaking"

    play(scene)


def test_vx17_a_late_answer_to_an_older_turn_is_not_speaking() -> None:
    async def scene() -> None:
        async with booth(mode="omni") as (session, script):
            await go(session, "connected", "listening")
            await session.send("ann", "one", answer_key="k1")
            await settle()
            await session.send("ann", "two", answer_key="k2", policy="interrupt")
            await settle()

            script.cue("s", 2, greenroom.Message(text="one, late", key="k1"))
            await settle()
            assert await phase_of(session) == "processing"
            script.cue("s", 2, greenroom.Message(text="two", key="k2"))
            await settle()
            assert await phase_of(session) == "speaking"

    play(scene)


@pytest.mark.parametrize("phase", ["init", "connected"])
def test_v07_a_turn_does_not_move_a_session_that_does_not_converse(phase: Any) -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, phase)
            ear = await Ear.of(session, "ann")

            script.cue("s", 1, "hello", None)
            await (await session.send("ann", "?")).result()
            await settle()

            assert phases(ear.items) == []
            assert await phase_of(session) == phase

    play(scene)


def test_v07_a_failed_turn_ends_in_listening_too() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected", "listening")
            script.cue("s", 1, ValueError("no voice"))
            await (await session.send("ann", "?")).result()
            assert await phase_of(session) == "listening"

    play(scene)


def test_v07_an_interrupted_turn_ends_in_listening() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected", "listening")
            await session.send("ann", "?")
            script.cue("s", 1, "hel")
            await settle()
            ear = await Ear.of(session, "ann")

            await session.interrupt("ann")
            await settle()

            assert phases(ear.items) == [("listening", 1)]

    play(scene)


def test_vx17_nobody_is_told_to_listen_between_a_turn_and_its_successor() -> None:
    async def scene() -> None:
        async with booth(mode="omni") as (session, script):
            await go(session, "connected", "listening")
            await session.send("ann", "one")
            script.cue("s", 1, "hel")
            await settle()
            ear = await Ear.of(session, "ann")

            await session.send("ann", "two", policy="interrupt")
            await session.send("ann", "three")
            script.cue("s", 2, "a", None)
            await settle()

            assert phases(ear.items) == [("processing", 2), ("speaking", 2), ("processing", 3)]

    play(scene)


def test_vx17_the_end_of_a_waiting_turn_moves_nothing() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected", "listening")
            await session.send("ann", "one")
            script.cue("s", 1, "hel")
            waiting = await session.send("ann", "two")
            await settle()
            ear = await Ear.of(session, "ann")

            await waiting.cancel()
            await settle()

            assert phases(ear.items) == []
            assert await phase_of(session) == "speaking"

    play(scene)


def test_vx17_an_old_pipeline_cannot_overwrite_the_phase_of_its_successor() -> None:
    """Its exit code runs when the next turn speaks already."""

    async def scene() -> None:
        async with booth(mode="omni") as (session, script):
            await go(session, "connected", "listening")
            old = await session.send("ann", "one")
            await settle()
            new = await session.send("ann", "two", policy="interrupt")
            script.cue("s", 2, "so")
            await settle()
            ear = await Ear.of(session, "ann")

            receipt = await session.set_phase("ann", "listening", turn=old.id)

            assert (receipt.phase, receipt.taken) == ("speaking", False)
            receipt = await session.set_phase("ann", "connected", turn=0)
            assert (receipt.phase, receipt.taken) == ("speaking", False)
            await settle()
            assert phases(ear.items) == []
            receipt = await session.set_phase("ann", "listening", turn=new.id)
            assert (receipt.phase, receipt.taken) == ("listening", True)

    play(scene)


def test_vx17_a_turn_that_came_too_late_is_no_sign_of_life() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth(clock=clock) as (session, _):
            before = (await session.info()).active_ms
            await clock.advance(5.0)

            assert not (await session.set_phase("ann", "connected", turn=7)).taken

            assert (await session.info()).active_ms == before

    play(scene)


# --- moved by pipelines --------------------------------------------------------------------------


def test_v07_a_pipeline_moves_its_session() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected")
            ear = await Ear.of(session, "ann")
            turn = await session.send("ann", "?")

            for phase in ("processing", "speaking", "processing", "speaking"):
                script.cue("s", 1, greenroom.PhaseChange(phase))  # type: ignore[arg-type]
            script.cue("s", 1, "hello", None)
            assert (await turn.result()).status == "completed"
            await settle()

            assert phases(ear.items) == [
                *[("processing", 1), ("speaking", 1), ("processing", 1), ("speaking", 1)],
                ("listening", 1),
            ]

    play(scene)


@pytest.mark.parametrize("phase", ["init", "closed", "loud", None])
def test_vx19_a_pipeline_that_goes_where_it_may_not_fails(phase: Any) -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            await go(session, "connected", "listening")
            turn = await session.send("ann", "?")
            script.cue("s", 1, "so", greenroom.PhaseChange(phase), "never said")

            result = await turn.result()

            assert (result.status, result.text) == ("failed", "so")
            assert ("WrongPhase" if phase == "init" else "InvalidInput") in result.reason
            assert await phase_of(session) == "listening"

    play(scene)


def test_vx19_a_pipeline_cannot_speak_where_nobody_is() -> None:
    """As after a passivation: its turn goes on, and there is nothing to hear it in."""

    async def scene() -> None:
        async with booth() as (session, script):
            turn = await session.send("ann", "?")
            script.cue("s", 1, greenroom.PhaseChange("speaking"), "so", None)

            assert (await turn.result()).status == "completed"
            assert await phase_of(session) == "init"

    play(scene)


def test_vx17_what_a_cancelled_pipeline_says_of_the_phase_is_not_heard() -> None:
    async def stubborn(turn: greenroom.Turn) -> AsyncIterator[Any]:
        if turn.id == 2:
            yield "so"
            await waiting.wait()
        try:
            await waiting.wait()
        except BaseException:
            yield greenroom.PhaseChange("listening")

    async def scene() -> None:
        async with booth(pipeline=stubborn, mode="omni") as (session, _):
            await go(session, "connected", "listening")
            await session.send("ann", "one")
            await settle()
            await session.send("ann", "two", policy="interrupt")
            await settle()

            assert await phase_of(session) == "speaking"
            waiting.set()

    waiting = asyncio.Event()
    play(scene)


# --- with what is durable ------------------------------------------------------------------------


def test_v07_a_phase_moved_by_a_turn_is_heard_of_when_the_turn_is_durable() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with booth(journal=journal) as (session, _):
            await go(session, "connected", "listening")
            ear = await Ear.of(session, "ann")
            journal.holding = True
            session.send("ann", "?")
            asking = session.info()
            await settle()
            assert ear.items == []
            assert not asking.done

            journal.let()
            await settle()

            assert ear.kinds == ["message.posted", "turn.started", "phase.changed"]
            assert (await asking).phase == "processing"

    play(scene)


def test_v07_phases_cannot_be_read_back_from_the_journal() -> None:
    async def scene() -> None:
        async with room() as session:
            await go(session, "connected", "listening")
            await come(session, "bob")
            page = await session.history("ann")

            assert [type(item.event).__name__ for item in page.events] == ["Joined"]

    play(scene)
