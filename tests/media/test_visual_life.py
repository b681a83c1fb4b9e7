"""What visual input costs, how it comes and goes with its session, and how pipelines look."""

from __future__ import annotations

from typing import Any

import pytest
from media.pictures import frame, numbers
from media.studio import NOT_STARTED, TAKEN, TOO_EARLY, Eye, actor, crash, film, studio
from rooms.hall import Ear, kinds, refused, room
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom

# --- what it costs, and what is kept -------------------------------------------------------------


class Counting(GatedJournal):
    """A journal that keeps every byte it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def append(self, session: str, events: Any, **rest: Any) -> Any:
        self.given += sum(map(len, events))
        return super().append(session, events, **rest)

    def snapshot(self, session: str, state: bytes, **rest: Any) -> Any:
        self.given += len(state)
        return super().snapshot(session, state, **rest)


def test_frames_touch_neither_the_journal_nor_the_live_log() -> None:
    async def scene() -> None:
        journal = Counting()
        async with studio(journal=journal) as (session, clock):
            ear = await Ear.of(session, "ann", after=greenroom.START)
            await settle()
            given, revision = journal.given, (await session.info()).revision

            await film(session, clock, 1, 2, 3)
            await session.stop_visual("ann")
            await settle()

            assert journal.given == given
            assert (await session.info()).revision == revision
            assert kinds(item for item in ear.items if isinstance(item, greenroom.Published)) == [
                *("visual.started", "visual.stopped"),
            ]
            assert not [item for item in ear.items if isinstance(item, greenroom.Gap)]

    play(scene)


def test_a_session_that_is_shown_nothing_has_nothing_for_it() -> None:
    async def scene() -> None:
        script = Script()
        async with room("bob", pipeline=script) as session:
            turn = await session.send("ann", "hello")
            await settle()
            assert script.turns[0].frames() == ()
            script.cue("s", turn.id, "hi", None)
            await turn.result()
            await session.leave("bob")

            assert actor(session)._screen is None

    play(scene)


def test_p12_showing_is_activity_and_looking_is_not() -> None:
    async def scene() -> None:
        async with studio("bob") as (session, clock):
            act, active = actor(session), []
            for step in (
                lambda: session.start_visual("ann", "camera"),  # the same once more
                lambda: session.offer_frame("ann", frame(1)),
                lambda: session.stop_visual("ann", "screen"),
                lambda: session.offer_frame("ann", frame(2, "screen")),  # not started
                lambda: session.frames("bob"),
                lambda: session.stop_visual("ann"),
                lambda: session.stop_visual("ann"),
                lambda: session.start_visual("ann", "screen"),
            ):
                await clock.advance(5.0)
                await step()
                active.append(act.active_s == clock.now_s)
            await clock.advance(5.0)
            eye = Eye(session, "bob")
            await settle()

            assert active == [True, True, True, False, False, True, True, True]
            assert act.active_s < clock.now_s
            assert not eye.ended

    play(scene)


def test_p12_frames_keep_a_session_on_the_stage_and_silence_does_not() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            await session.start_visual("ann", "camera")
            eye = Eye(session, "ann")
            ear = await Ear.of(session, "ann")
            for number in range(1, 6):
                await clock.advance(50.0)
                assert await session.offer_frame("ann", frame(number)) == TAKEN
            assert runtime.resident == 1

            await clock.advance(61.0)

            assert runtime.resident == 0
            assert (eye.ended, eye.seen) == (True, [1, 2, 3, 4, 5])
            assert ear.kinds == ["visual.stopped"]
            assert (ear.items[0].event.source, ear.items[0].event.user) == ("camera", "")
            assert await session.frames("ann", 1000) == ()
            assert await session.offer_frame("ann", frame(6)) == NOT_STARTED
            assert await session.start_visual("ann", "camera") is True
            assert await session.offer_frame("ann", frame(7)) == TAKEN
            await settle()
            assert ear.kinds == ["visual.stopped", "visual.started"]
            assert not ear.ended

    play(scene)


def test_after_acrash_nothing_is_shown_until_a_source_is_started_again() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio(journal=journal) as (session, clock):
            await film(session, clock, 1)

            await crash(session, clock, journal)

            assert await session.frames("ann", 1000) == ()
            assert await session.offer_frame("ann", frame(2)) == NOT_STARTED
            assert await session.start_visual("ann", "camera") is True
            assert await session.offer_frame("ann", frame(3)) == TAKEN

    play(scene)


def test_at_its_end_a_session_forgets_its_frames() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            await film(session, clock, 1)
            await session.end("ann")

            assert await session.frames("ann", 1000) == ()
            eye = Eye(session, "ann")
            await settle()
            assert isinstance(eye.error, greenroom.SessionEnded)

    play(scene)


def test_the_runtime_may_demand_a_longer_interval_than_the_session() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, min_frame_interval_ms=2000) as runtime:
            limits = greenroom.VisualSettings(min_interval_ms=0)
            settings = greenroom.Settings(visual=limits)
            session = await runtime.create(user="ann", settings=settings)
            await session.start_visual("ann", "camera")
            await session.offer_frame("ann", frame(1))
            await clock.advance(1.0)
            assert await session.offer_frame("ann", frame(2)) == TOO_EARLY
            await clock.advance(1.0)
            assert await session.offer_frame("ann", frame(3)) == TAKEN
        with pytest.raises(greenroom.ConfigError) as refusal:
            greenroom.Config(min_frame_interval_ms=-1)
        assert refusal.value.field == "min_frame_interval_ms"

    play(scene)


def test_what_is_counted() -> None:
    async def scene() -> None:
        async with studio() as (session, _):
            await session.offer_frame("ann", frame(1))
            await session.offer_frame("ann", frame(2))
            await refused(session.offer_frame("ann", frame(data=b"")), greenroom.BadFrame)
            await refused(session.frames("zoe"), greenroom.NotMember)

            stats = session._runtime.stats
            assert (stats.frames, stats.frames_refused, stats.frames_dropped) == (1, 2, 0)

    play(scene)


# --- pipelines -----------------------------------------------------------------------------------


def test_a_pipeline_looks_at_what_is_shown_while_it_runs() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            turn = await session.send("ann", "what do you see?")
            await settle()
            look = script.turns[0].frames
            assert look() == ()

            await session.start_visual("ann", "camera")
            await film(session, clock, 1, 2)
            assert numbers(look()) == numbers(await session.frames("ann")) == [1, 2]
            assert numbers(look(1.0)) == [2]
            assert look(0) == ()

            await session.stop_visual("ann")
            assert look() == ()
            script.cue("s", turn.id, "nothing", None)
            assert (await turn.result()).text == "nothing"

    play(scene)


def test_a_pipeline_in_a_thread_looks_too() -> None:
    def describe(turn: greenroom.Turn) -> str:
        return ",".join(str(found.frame_seq) for found in turn.frames())

    async def scene() -> None:
        clock = ManualClock()
        async with room(pipeline=describe, clock=clock) as session:
            await session.start_visual("ann", "camera")
            await film(session, clock, 1, 2)

            turn = await session.send("ann", "what do you see?")

            assert (await turn.result()).text == "1,2"

    play(scene)


def test_a_pipeline_that_is_left_over_sees_nothing_more() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with room(pipeline=script, clock=clock) as session:
            await session.start_visual("ann", "camera")
            await film(session, clock, 1)
            await session.send("ann", "what do you see?")
            await settle()
            assert numbers(script.turns[0].frames()) == [1]

            await session.end("ann")

            assert script.turns[0].frames() == ()

    play(scene)
