"""Where everybody is just now (spec R05)."""

from __future__ import annotations

from typing import Any

import pytest
from rooms.hall import Ear, room
from theatre import GatedJournal, ManualClock, play, settle

import greenroom
from greenroom.actors.session.presence import WINDOW_S


def cursors(ear: Ear) -> list[tuple[str, str | None]]:
    return [(item.event.user, item.event.cursor) for item in ear.items]


def test_r05_presence_is_published_and_shown_and_never_journaled() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            ear = await Ear.of(session, "ann")

            session.present("bob", cursor="line 3", focus="intro")
            session.present("ann", active=False)
            await clock.advance(WINDOW_S)

            assert [item.durable for item in ear.items] == [False, False]
            assert [item.revision for item in ear.items] == [1, 1]
            snapshot = await session.snapshot("ann")
            bob, ann = snapshot.presence["bob"], snapshot.presence["ann"]
            assert (bob.active, bob.cursor, bob.focus) == (True, "line 3", "intro")
            assert (ann.active, ann.cursor, ann.focus) == (False, None, None)
            assert snapshot.info.revision == 1
            assert len((await session.history("ann")).events) == 1

    play(scene)


def test_r05_a_burst_is_published_as_its_newest() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            ear = await Ear.of(session, "ann")
            for number in range(100):
                session.present("bob", cursor=f"{number}")
            session.present("ann", cursor="mine")
            await settle()
            assert cursors(ear) == [("bob", "0")]

            await clock.advance(WINDOW_S)
            assert cursors(ear)[1:] == [("bob", "99"), ("ann", "mine")]
            session.present("bob", cursor="99")  # nothing new
            await clock.advance(10 * WINDOW_S)
            assert len(ear.items) == 3
            session.present("bob", cursor="100")
            await settle()

            assert cursors(ear)[-1] == ("bob", "100")

    play(scene)


def test_r05_presence_of_somebody_else_is_nobodys_business() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            ear = await Ear.of(session, "ann")
            session.present("stranger", cursor="here")
            session.present("bob", cursor="here")
            session.present("bob", cursor="there")  # waits for its window
            await settle()

            await session.leave("bob")
            await clock.advance(WINDOW_S)

            assert ear.kinds == ["presence.changed", "participant.left"]
            assert (await session.snapshot("ann")).presence == {}
            await session.join("bob")
            assert (await session.snapshot("ann")).presence == {}

    play(scene)


def test_r05_nobody_is_seen_after_leaving_though_the_leave_is_not_durable_yet() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with room("bob", clock=clock, journal=journal) as session:
            ear = await Ear.of(session, "ann")
            session.present("bob", cursor="here")
            session.present("bob", cursor="there")
            await settle()
            journal.holding = True

            leaving = session.leave("bob")
            await settle()
            await clock.advance(WINDOW_S)
            journal.let()
            await leaving
            await settle()

            assert ear.kinds == ["presence.changed", "participant.left"]

    play(scene)


def test_r05_presence_wakes_no_session_and_keeps_none_awake() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            for _ in range(7):
                await clock.advance(10.0)
                session.present("ann", cursor=str(clock.now_s))
            await settle()
            assert runtime.resident == 0
            activated = runtime.stats.activated

            session.present("ann", cursor="back")
            await clock.advance(1.0)

            assert runtime.stats.activated == activated
            assert runtime.resident == 0
            assert (await session.snapshot("ann")).presence == {}

    play(scene)


@pytest.mark.parametrize("where", [{"cursor": "x" * 1025}, {"focus": 3}, {"cursor": "\ud800"}])
def test_r05_where_somebody_is_is_a_short_text(where: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput):
                session.present("ann", **where)

    play(scene)
