"""Watches of frames in a whole runtime (spec V20, V26, VX9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from media.pictures import frame, numbers
from media.studio import TAKEN, Eye, crash, film, studio
from theatre import GatedJournal, ManualClock, play, settle

import greenroom
from greenroom.actors.session.screen import WATCHED


@pytest.mark.parametrize(("buffer", "kept"), [(-3, [1]), (0, [1]), (1, [1]), (2, [1, 2])])
def test_v20_v26_a_buffer_holds_so_many_and_at_least_one(buffer: int, kept: list[int]) -> None:
    async def scene() -> None:
        async with studio("bob") as (session, clock):
            slow = session.watch_frames("ann", buffer)
            quick = Eye(session, "bob")
            await film(session, clock, 1, 2, 3)

            assert slow.dropped == 3 - len(kept)
            assert numbers([await anext(slow) for _ in kept]) == kept
            assert (quick.seen, quick.watch.dropped) == ([1, 2, 3], 0)
            assert session._runtime.stats.frames_dropped == slow.dropped
            await film(session, clock, 4)
            assert (await anext(slow)).frame_seq == 4

    play(scene)


def test_v20_closing_a_watch_twice_ends_it_once() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            eye = Eye(session, "ann")
            await film(session, clock, 1)

            eye.watch.close()
            eye.watch.close()
            await film(session, clock, 2)

            assert (eye.ended, eye.seen, eye.error) == (True, [1], None)
            async with session.watch_frames("ann") as watch:
                pass
            assert [found async for found in watch] == []

    play(scene)


async def _end(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await session.end("ann")


async def _leave(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await session.leave("bob")


async def _idle(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await clock.advance(901.0)
    assert session._runtime.resident == 0


async def _stop(session: greenroom.Session, clock: ManualClock, journal: GatedJournal) -> None:
    await session._runtime.stop()


@pytest.mark.parametrize("ending", [_end, _leave, _idle, crash, _stop])
def test_v20_vx9_a_watch_ends_with_the_session_the_membership_or_the_activation(
    ending: Callable[[greenroom.Session, ManualClock, GatedJournal], Any],
) -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio("bob", journal=journal) as (session, clock):
            eye, slow = Eye(session, "bob"), session.watch_frames("bob")
            await film(session, clock, 1)
            assert eye.seen == [1]
            assert not eye.ended

            await ending(session, clock, journal)
            await settle()

            assert (eye.ended, eye.seen, eye.error) == (True, [1], None)
            assert numbers([found async for found in slow]) == [1]  # what it held is not lost

    play(scene)


def test_p20_who_has_left_gets_nothing_more_though_that_is_not_durable_yet() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio("bob", journal=journal) as (session, clock):
            bob, ann = Eye(session, "bob", 8), Eye(session, "ann", 8)
            await film(session, clock, 1)
            journal.holding = True

            leaving = session.leave("bob")
            offered = session.offer_frame("ann", frame(2))
            back = session.join("bob")
            again = Eye(session, "bob", 8)
            await settle()
            assert not offered.done
            assert (bob.seen, ann.seen) == ([1], [1])
            journal.let()
            await leaving
            await back
            await clock.advance(1.0)
            await film(session, clock, 3)

            assert (bob.seen, bob.ended) == ([1], True)
            assert (again.seen, again.ended) == ([3], False)
            assert ann.seen == [1, 2, 3]

    play(scene)


def test_p20_membership_is_looked_at_when_a_frame_is_handed_over() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio("bob", journal=journal) as (session, _):
            bob, ann = Eye(session, "bob"), Eye(session, "ann")
            await settle()
            journal.holding = True
            session.post("ann", "first")
            session.offer_frame("ann", frame(1))
            session.leave("bob")
            await settle()

            journal.let(1)
            await settle()

            assert ann.seen == [1]
            assert (bob.seen, bob.ended) == ([], True)
            journal.let()

    play(scene)


def test_p07_nobody_sees_a_frame_of_somebody_whose_joining_may_be_undone() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio(journal=journal) as (session, _):
            eye = Eye(session, "ann")
            await settle()
            journal.holding = True

            joining = session.join("bob")
            offered = session.offer_frame("bob", frame(1))
            asked = session.frames("ann")
            await settle()
            assert (joining.done, offered.done, asked.done, eye.seen) == (False, False, False, [])
            journal.let()
            await joining

            assert await offered == TAKEN
            assert numbers(await asked) == [1]
            await settle()
            assert eye.seen == [1]

    play(scene)


def test_a_watch_begins_after_what_was_accepted_before_it() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with studio(journal=journal, min_interval_ms=0) as (session, _):
            journal.holding = True
            session.post("ann", "first")
            session.offer_frame("ann", frame(1))
            eye = Eye(session, "ann", 8)
            session.offer_frame("ann", frame(2))
            await settle()
            journal.let()
            await settle()

            assert eye.seen == [2]

    play(scene)


def test_all_watches_together_hold_so_many_frames_and_no_more() -> None:
    async def scene() -> None:
        async with studio() as (session, clock):
            first = Eye(session, "ann", WATCHED - 2)
            small = [Eye(session, "ann"), Eye(session, "ann")]
            await settle()

            late = Eye(session, "ann")
            await settle()
            assert isinstance(late.error, greenroom.TooManyWatches)
            assert (late.error.limit, late.error.in_use) == (WATCHED, WATCHED)

            small[0].watch.close()
            again = Eye(session, "ann")
            await film(session, clock, 1)
            assert [eye.seen for eye in (first, *small, again)] == [[1], [], [1], [1]]
            for buffer in (WATCHED + 1, 1.0, True):
                with pytest.raises(greenroom.InvalidInput):
                    session.watch_frames("ann", buffer)  # type: ignore[arg-type]

    play(scene)


def test_a_journal_that_takes_its_time_holds_so_many_frames_back_and_no_more() -> None:
    async def scene() -> None:
        journal, half, more = GatedJournal(), WATCHED // 2, 5
        async with studio(journal=journal, min_interval_ms=0, max_recent=1) as (session, _):
            eye = Eye(session, "ann", WATCHED)
            await settle()
            journal.holding = True
            session.post("ann", "first")
            offered = [session.offer_frame("ann", frame(n)) for n in range(half)]
            session.post("ann", "second")
            offered += [session.offer_frame("ann", frame(n)) for n in range(half, WATCHED + more)]
            await settle()

            journal.let(1)
            await settle()  # and the reader has made room
            assert eye.seen == list(range(half))
            journal.let()
            await settle()

            assert [(await reply).accepted for reply in offered] == [True] * (WATCHED + more)
            assert eye.seen == list(range(WATCHED))
            assert eye.watch.dropped == session._runtime.stats.frames_dropped == more
            assert numbers(await session.frames("ann")) == [WATCHED + more - 1]
            await session.offer_frame("ann", frame(99))
            await settle()
            assert eye.seen[-1] == 99

    play(scene)


def test_v26_a_watch_that_nobody_reads_never_holds_up_the_session() -> None:
    async def scene() -> None:
        async with studio("bob", min_interval_ms=0) as (session, _):
            slow, quick = session.watch_frames("ann"), Eye(session, "bob")
            for number in range(1, 201):
                assert await session.offer_frame("ann", frame(number)) == TAKEN
                await settle(5)

            assert (await session.post("bob", "hello")).revision > 0
            assert quick.seen == list(range(1, 201))
            assert slow.dropped == 199

    play(scene)


def test_v20_frames_are_watched_off_the_loop_with_a_plain_for() -> None:
    limits = greenroom.VisualSettings(min_interval_ms=0)
    with greenroom.Runtime.start_in_thread(journal="memory:") as runtime:
        session = runtime.create(user="ann", settings=greenroom.Settings(visual=limits)).get()
        session.start_visual("ann", "camera").get()
        with session.watch_frames("ann", 3) as watch:
            for number in (1, 2, 3):
                session.offer_frame("ann", frame(number)).get()
            session.end("ann").get()

            assert numbers(watch) == [1, 2, 3]
