"""The history again, at its own pace (spec R32, RX16, RX24)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from rooms.hall import refused, room
from theatre import ManualClock, play, settle

import greenroom

GAPS_S = (0.5, 0.0, 1.0, 30.0, 2.0)
"""Between the events of `recorded`."""


class PatientClock(ManualClock):
    """Time passes as soon as somebody waits for it; notes for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.passing = False

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        if not self.passing:
            return super().call_later(delay_s, call)
        self.waits.append(delay_s)
        self.now_s += delay_s
        return asyncio.get_running_loop().call_soon(call)


async def recorded(session: greenroom.Session, clock: ManualClock) -> None:
    """Six messages, with GAPS_S between them."""
    await session.post("ann", "0")
    for number, gap in enumerate(GAPS_S, 1):
        clock.now_s += gap
        await session.post("ann", f"{number}")


def test_r32_events_come_at_the_pace_at_which_they_happened() -> None:
    async def scene() -> None:
        clock = PatientClock()
        async with room("eve*", clock=clock) as session:
            await recorded(session, clock)
            clock.passing = True
            begin = clock.now_s
            at = [round(clock.now_s - begin, 3) async for _ in session.replay("eve", since=1)]

            assert at == [0.0, 0.5, 0.5, 1.5, 3.5, 5.5]
            assert clock.waits == [0.5, 1.0, 2.0, 2.0]  # the cap, and nothing for no gap

    play(scene)


@pytest.mark.parametrize(
    ("speed", "waits"),
    [
        (2, [0.25, 0.5, 2.0, 1.0]),
        (0.25, [2.0, 2.0, 2.0, 2.0]),  # the cap comes after scaling: half a second is two
        (60.0, [0.5 / 60, 1 / 60, 0.5, 2 / 60]),
        (5e-324, [2.0, 2.0, 2.0, 2.0]),
    ],
)
def test_r32_speed_scales_and_the_cap_comes_after(speed: float, waits: list[float]) -> None:
    async def scene() -> None:
        clock = PatientClock()
        async with room(clock=clock) as session:
            await recorded(session, clock)
            clock.passing = True

            seen = [event.revision async for event in session.replay("ann", speed=speed)]

            assert seen == [1, 2, 3, 4, 5, 6]
            assert clock.waits == pytest.approx(waits)

    play(scene)


@pytest.mark.parametrize(
    "speed",
    [0, 0.0, -1, -0.5, float("nan"), float("inf"), float("-inf"), 10**400, "1", True, None],
)
def test_r32_rx16_a_speed_is_finite_and_greater_than_zero(speed: Any) -> None:
    """0 divided by zero, and less than 0 had no pace at all."""

    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput, match="speed"):
                session.replay("ann", speed=speed)
            with pytest.raises(greenroom.InvalidInput, match="since"):
                session.replay("ann", since=-1)

    play(scene)


def test_r32_only_participants_watch() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await refused(anext(session.replay("cem")), greenroom.NotMember)

    play(scene)


def test_rx16_a_replay_ends_though_the_room_goes_on() -> None:
    """The source system iterated the live list, and followed a busy room for ever."""

    async def scene() -> None:
        async with room() as session:
            for number in range(120):  # more than a page
                await session.post("ann", f"{number}")
            seen = []

            async for event in session.replay("ann", speed=1e9):
                seen.append(event.revision)
                await session.post("ann", "and on and on")
                assert len(seen) < 1000

            assert seen == list(range(1, 121))

    play(scene)


def test_rx16_a_replay_has_all_it_began_with_whatever_is_cut_meanwhile() -> None:
    async def scene() -> None:
        async with room(max_events=300) as session:
            for number in range(300):
                await session.post("ann", f"{number}")
            replay = session.replay("ann", speed=1e9)
            seen = [(await anext(replay)).revision]
            for _ in range(300):
                await session.post("ann", "more")
            assert (await session.history("ann")).oldest > 300

            seen += [event.revision async for event in replay]

            assert seen == list(range(1, 301))

    play(scene)


def test_rx16_a_viewer_who_leaves_sees_no_more() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            await recorded(session, clock)
            replay = session.replay("bob", since=1)
            await anext(replay)
            waiting = asyncio.ensure_future(anext(replay))
            await settle()

            await session.leave("bob")
            await clock.advance(1.0)

            await refused(waiting, greenroom.NotMember)

    play(scene)


def test_r32_cancelling_a_replay_frees_its_timer_and_loses_nothing() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(clock=clock) as session:
            await recorded(session, clock)
            replay = session.replay("ann")
            assert (await anext(replay)).revision == 1
            hasty = asyncio.ensure_future(anext(replay))
            await settle()
            hasty.cancel()
            await settle()
            assert hasty.cancelled()

            patient = asyncio.ensure_future(anext(replay))
            await clock.advance(0.5)

            assert (await patient).revision == 2

    play(scene)


def test_r32_each_event_waits_for_its_time() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(clock=clock) as session:
            await recorded(session, clock)
            seen: list[int] = []

            def note(event: greenroom.Published) -> None:
                seen.append(event.revision)

            async def watch() -> None:
                async for event in session.replay("ann"):
                    note(event)

            watching = asyncio.ensure_future(watch())
            await settle()
            assert seen == [1]  # the first one at once
            await clock.advance(0.49)
            assert seen == [1]
            await clock.advance(0.01)
            assert seen == [1, 2, 3]
            await clock.advance(1.0)
            assert seen == [1, 2, 3, 4]
            await clock.advance(1.99)
            assert seen == [1, 2, 3, 4]
            await clock.advance(0.01)  # of thirty seconds
            assert seen == [1, 2, 3, 4, 5]
            await clock.advance(2.0)
            await watching
            assert seen == [1, 2, 3, 4, 5, 6]

    play(scene)


def test_rx24_a_wall_clock_that_jumps_back_makes_nobody_wait() -> None:
    """Naive local times were an hour off over the end of summer time."""

    class Jumping(PatientClock):
        offset_ms = 0

        def now_ms(self) -> int:
            return super().now_ms() + self.offset_ms

    async def scene() -> None:
        clock = Jumping()
        async with room(clock=clock) as session:
            await session.post("ann", "before")
            clock.offset_ms = -3_600_000
            await session.post("ann", "after")
            clock.now_s += 1.0
            await session.post("ann", "a second later")
            clock.passing = True

            seen = [event.revision async for event in session.replay("ann")]

            assert seen == [1, 2, 3]
            assert clock.waits == [1.0]

    play(scene)
