"""What operators do to sessions: they park them, and revive those that are parked or damaged."""

from __future__ import annotations

from typing import Any

import pytest
from house import logged
from theatre import (
    GatedJournal,
    ManualClock,
    Script,
    crash_on_boom,
    echo,
    play,
    settle,
    take,
    texts,
)

import greenroom


@pytest.fixture
def booms(monkeypatch: pytest.MonkeyPatch) -> None:
    crash_on_boom(monkeypatch, RuntimeError("boom"))


async def to_the_end(events: greenroom.Subscription) -> None:
    async for _ in events:
        pass


@pytest.mark.usefixtures("booms")
def test_p13_a_parked_session_is_revived_and_its_restarts_count_anew() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(echo, clock=clock, max_restarts=0) as runtime:
            session = await runtime.create(user="ann", id="s")
            events = session.events("ann")
            await session.post("ann", "before")
            (first,) = await take(events, 1)
            with pytest.raises(greenroom.SessionParked):
                await session.post("ann", "boom")
            with pytest.raises(greenroom.SessionParked):
                await to_the_end(events)

            assert await runtime.revive("s") is True
            assert await runtime.revive("s") is False

            again = session.events("ann", after=first.cursor)
            assert (await session.post("ann", "after")).revision == 2
            gap, second = await take(again, 2)
            assert isinstance(gap, greenroom.Gap)  # the crash may have lost what nobody journals
            assert (second.revision, second.event.message.text) == (2, "after")
            with pytest.raises(greenroom.SessionParked, match="after 0 restarts"):
                await session.post("ann", "boom")
            assert (runtime.stats.parked, runtime.stats.revived) == (2, 1)

    play(scene)


@pytest.mark.usefixtures("booms")
def test_p13_a_revived_session_has_its_whole_window_again() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, max_restarts=2) as runtime:
            session = await runtime.create(user="ann", id="s")
            for _ in range(2):
                first, second = session.post("ann", "boom"), session.post("ann", "boom")
                await settle()
                await clock.advance(10.0)
                assert isinstance(first.error, greenroom.PoisonCommand)
                assert isinstance(second.error, greenroom.SessionParked)
                assert await runtime.revive("s")
            assert await session.post("ann", "well")

    play(scene)


def test_an_operator_parks_a_session_at_work_and_nothing_is_lost() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, journal=GatedJournal(), clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")
            events, result = session.events("ann"), turn.result()
            await settle()

            with logged() as lines:
                parked = runtime.park("s", "looks odd")
                late = session.post("ann", "late")
                assert await parked is True
            await settle()

            for reply in (late, result, session.info()):
                with pytest.raises(greenroom.SessionParked, match="by an operator: looks odd"):
                    await reply
            with pytest.raises(greenroom.SessionParked):
                await to_the_end(events)
            assert runtime.resident == 0
            assert script.closed == [1]
            assert await runtime.park("s", "again") is False
            assert "session_parked" in [line["event"] for line in lines]

            assert await runtime.revive("s") is True
            assert (await session.result(1)).status == "lost"
            assert texts(await session.transcript("ann")) == ["think"]

    play(scene)


def test_a_session_that_is_parked_on_its_way_to_the_stage_does_not_get_there() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=GatedJournal(), clock=ManualClock()) as runtime:
            session = await runtime.create(user="ann", id="s")
            await runtime.passivate("s")
            woken, parked = session.post("ann", "hello"), runtime.park("s", "no")
            created, held = runtime.create(user="ann", id="t"), runtime.park("t", "no")

            assert await parked
            assert await held
            await settle()
            with pytest.raises(greenroom.SessionParked):
                await woken
            assert runtime.stats.activated == 2  # when they were created
            assert (await created).id == "t"
            with pytest.raises(greenroom.SessionParked):
                await runtime.session("t").info()
            assert runtime.resident == 0

            assert await runtime.revive("s")
            assert (await session.post("ann", "hello")).revision == 1

    play(scene)


def test_sx3_a_damaged_session_is_looked_at_again_when_it_is_revived() -> None:
    class Damaged(GatedJournal):
        broken = False

        async def claim(self, session: str, **options: Any) -> Any:
            if self.broken:
                self.claims += 1
                raise greenroom.SessionDamaged(session, revision=1, why="cut")
            return await super().claim(session, **options)

    async def scene() -> None:
        journal = Damaged()
        async with greenroom.Runtime(journal=journal, clock=ManualClock()) as runtime:
            session = await runtime.create(user="ann", id="s")
            await runtime.passivate("s")
            journal.broken = True
            with pytest.raises(greenroom.SessionDamaged):
                await session.info()
            journal.broken, claims = False, journal.claims
            with pytest.raises(greenroom.SessionDamaged):
                await session.info()
            assert journal.claims == claims

            assert await runtime.revive("s") is True

            assert (await session.info()).id == "s"

    play(scene)


@pytest.mark.parametrize(("session", "reason"), [("no id!", "why"), ("s", ""), ("s", "x" * 129)])
def test_bad_input_to_park_changes_nothing(session: str, reason: str) -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            with pytest.raises(greenroom.InvalidInput):
                runtime.park(session, reason)
            assert await runtime.revive("s") is False

    play(scene)
