"""An operator ends a session in which they take no part."""

from __future__ import annotations

import pytest
from theatre import echo, play, take

import greenroom
from greenroom.actors.session.events import SessionEnded


def test_an_operator_ends_a_session_and_its_readers_hear_why() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            session = await runtime.create("ann", id="s1")
            async with session.events("ann") as events:
                assert (await runtime.end("s1")).revision == 1
                (ended,) = await take(events, 1)
            assert ended.event == SessionEnded(by="", reason="operator")
            assert (await runtime.end("s1")).revision == 1
            assert (await session.info()).state == "ended"

    play(scene)


def test_a_session_that_is_not_on_stage_is_woken_for_its_end() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            session = await runtime.create("ann", id="s1")
            assert await runtime.passivate("s1")

            await runtime.end("s1", "abuse")

            assert (await session.history("ann")).events[-1].event.reason == "abuse"  # type: ignore[union-attr]

    play(scene)


def test_what_cannot_be_ended_is_told() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            with pytest.raises(greenroom.SessionNotFound):
                await runtime.end("none")
            with pytest.raises(greenroom.InvalidInput):
                runtime.end("none", "")
            await runtime.create("ann", id="s1")
            await runtime.park("s1", "to be looked at")
            with pytest.raises(greenroom.SessionParked):
                await runtime.end("s1")

    play(scene)


def test_nobody_else_can_end_a_session_by_naming_nobody() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            session = await runtime.create("ann", id="s1")
            with pytest.raises(greenroom.InvalidInput):
                session.end("")

    play(scene)
