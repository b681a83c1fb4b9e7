"""P13: at most `max_restarts` restarts in a window; then the session is parked, others go on."""

from __future__ import annotations

from typing import Any

import pytest
from theatre import ManualClock, play, settle

import greenroom
from greenroom.actors.session import actor as session_actor


@pytest.fixture(autouse=True)
def crash_on_boom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message "boom" crashes the session once; run again, it is a message like any other."""
    decide = session_actor.decide

    def crashing(state: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "text", "") == "boom" and id(command) not in done:
            done.add(id(command))
            kept.append(command)  # or its id might be another one's
            raise RuntimeError("boom")
        return decide(state, command, moment)

    done: set[int] = set()
    kept: list[Any] = []
    monkeypatch.setattr(session_actor, "decide", crashing)


async def crash(session: greenroom.Session, clock: ManualClock) -> None:
    session.post("ann", "boom")
    await settle()
    await clock.advance(5.0)


def test_p13_one_crash_too_many_parks_the_session_and_no_other() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, max_restarts=2, restart_window_s=60.0) as runtime:
            session, other = await runtime.create(user="ann"), await runtime.create(user="bob")
            for _ in range(2):
                await crash(session, clock)
            await session.post("ann", "still here")

            await crash(session, clock)

            with pytest.raises(greenroom.SessionParked, match=r"2 restarts in 60 s.*boom"):
                await session.post("ann", "anyone?")
            assert (await other.post("bob", "I am")).revision == 1
            assert runtime.resident == 1
            assert runtime.stats.parked == 1

    play(scene)


def test_p13_old_restarts_leave_the_window() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, max_restarts=1, restart_window_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            for _ in range(4):
                await crash(session, clock)
                await clock.advance(60.0)

            assert (await session.post("ann", "still here")).revision == 5
            assert runtime.stats.restarted == 4

    play(scene)


def test_p13_what_waits_when_it_is_parked_is_told_why() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, max_restarts=0) as runtime:
            session = await runtime.create(user="ann")

            crashed = session.post("ann", "boom")
            waiting = session.post("ann", "after")
            await settle()

            for reply in (crashed, waiting):  # nothing of either was done
                with pytest.raises(greenroom.SessionParked):
                    await reply

    play(scene)


@pytest.mark.parametrize(("drawn", "wait_s"), [("00000000", 1.0), ("80000000", 1.25)])
def test_p13_the_delay_is_spread_as_the_port_draws(drawn: str, wait_s: float) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(
            clock=clock, new_id=lambda size: drawn[: 2 * size], restart_delay_s=1.0,
            restart_jitter=0.5,
        ) as runtime:  # fmt: skip
            session = await runtime.create(user="ann", id="s")
            reply = session.post("ann", "boom")
            await settle()

            await clock.advance(wait_s - 0.01)
            assert not reply.done
            await clock.advance(0.02)
            assert reply.done

    play(scene)
