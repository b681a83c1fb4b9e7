"""The extra `uvloop`: nothing of greenroom knows which event loop it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from house import GUARD_S, probe
from theatre import echo, take

import greenroom
from greenroom.actors.kernel.dispatcher import LoopDispatcher

uvloop = pytest.importorskip("uvloop", reason="needs: pip install 'greenroom[uvloop]'")

T = TypeVar("T")


def play(scene: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `scene` on uvloop, as a program does."""

    async def guarded() -> T:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        return await asyncio.wait_for(scene(), GUARD_S)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(guarded())


def test_an_actor_is_asked_from_the_loop_and_from_a_thread() -> None:
    async def scene() -> list[Any]:
        actor, ref = probe(LoopDispatcher(asyncio.get_running_loop()))
        ref.tell("told")
        awaited = await ref.ask("awaited", block=False)
        blocking = await asyncio.to_thread(ref.ask, "blocking", timeout=GUARD_S)
        assert [awaited, blocking] == ["awaited", "blocking"]
        assert await ref.stop(block=False)
        return actor.seen

    assert play(scene) == ["told", "awaited", "blocking"]


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}"])
def test_a_session_is_told_works_and_is_read(url: str, tmp_path: Path) -> None:
    async def scene() -> list[str]:
        journal = url.format(tmp_path / "sessions.db")
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            session = await runtime.create("ann")
            events = session.events("ann", after=greenroom.START)
            await session.post("ann", "hello")
            turn = await session.send("ann", "how are you")
            assert (await turn.result()).text == "how are you "
            return [item.event.message.text for item in await take(events, 2)]

    assert play(scene) == ["hello", "how are you"]


def test_a_session_is_woken_from_its_journal(tmp_path: Path) -> None:
    async def scene() -> int:
        journal = f"sqlite:///{tmp_path / 'sessions.db'}"
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create("ann", id="s")
            await session.post("ann", "hello")
        async with greenroom.Runtime(journal=journal) as runtime:
            receipt = await runtime.session("s").post("ann", "again")
            return receipt.revision

    assert play(scene) == 2


def test_a_turn_that_waits_for_ever_is_cancelled() -> None:
    async def scene() -> str:
        begun = asyncio.Event()

        async def think(_: greenroom.Turn) -> AsyncIterator[str]:
            begun.set()
            await asyncio.Event().wait()
            yield "never"

        async with greenroom.Runtime(think) as runtime:
            session = await runtime.create("ann")
            turn = await session.send("ann", "think")
            await begun.wait()
            await turn.cancel()
            return (await turn.result()).status

    assert play(scene) == "cancelled"
