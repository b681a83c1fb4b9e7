"""What an idle session holds; how many bytes that are is measured in `tests/bench/density.py`."""

from __future__ import annotations

import gc

import pytest
from theatre import ManualClock, play

import greenroom

SESSIONS = 100


@pytest.mark.parametrize(("messages", "most"), [(0, 6), (10, 8)])
def test_p18_an_idle_session_is_few_objects_for_the_garbage_collector(
    messages: int, most: int
) -> None:
    """A full collection looks at each of them: 19 were 100 ms at 10,000 sessions."""

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, live_events=1, live_age_s=10.0) as runtime:
            await talk(runtime, "warm", messages)
            await clock.advance(10.1)
            before = tracked()
            for number in range(SESSIONS):
                await talk(runtime, f"user-{number}", messages)
            await clock.advance(10.1)  # what was published is too old to be kept

            # Half a one more, for what the house and the test itself have made meanwhile.
            assert tracked() - before <= (most + 0.5) * SESSIONS

    play(scene)


def tracked() -> int:
    """What the collector looks at. A tuple of tuples that need not be looked at is let go of by the
    second collection only, in Python 3.13."""
    gc.collect()
    gc.collect()
    return len(gc.get_objects())


async def talk(runtime: greenroom.Runtime, user: str, messages: int) -> None:
    session = await runtime.create(user=user)
    for number in range(messages):
        await session.post(user, f"message {number}")
