"""What an idle session holds; how many bytes that are is measured in `tests/bench/density.py`."""

from __future__ import annotations

import gc

import pytest
from theatre import play

import greenroom

SESSIONS = 100


@pytest.mark.parametrize(("messages", "most"), [(0, 6), (10, 8)])
def test_p18_an_idle_session_is_few_objects_for_the_garbage_collector(
    messages: int, most: int
) -> None:
    """A full collection looks at each of them: 19 were 100 ms at 10,000 sessions."""

    async def scene() -> None:
        async with greenroom.Runtime(live_events=1) as runtime:
            await talk(runtime, "warm", messages)
            gc.collect()
            before = len(gc.get_objects())
            for number in range(SESSIONS):
                await talk(runtime, f"user-{number}", messages)
            for log in runtime._logs._logs.values():
                log.clear()
            gc.collect()

            # Half a one more, for what the house and the test itself have made meanwhile.
            assert len(gc.get_objects()) - before <= (most + 0.5) * SESSIONS

    play(scene)


async def talk(runtime: greenroom.Runtime, user: str, messages: int) -> None:
    session = await runtime.create(user=user)
    for number in range(messages):
        await session.post(user, f"message {number}")
