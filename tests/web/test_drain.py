"""A house that stops: whoever looks on is told at once, and sees the last turns to their end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

from theatre import play, settle
from web.kit import house
from web.wire import socket, stream, until, words

import greenroom
from greenroom.adapters.web.server import Server
from greenroom.adapters.web.streams import codes, frames


class Held:
    """A pipeline whose turns wait for the test in the middle of a sentence."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield "half "
        await self.gate.wait()
        yield "and half"


def told_of_drain(wire: Any) -> bool:
    return any(isinstance(each, frames.Draining) for each in wire.told)


def test_a_turn_that_ends_within_the_budget_is_seen_to_its_end() -> None:
    async def scene() -> None:
        agent = Held()
        async with house(agent) as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")
            wires = [await socket(h.app, "s1", "ann"), stream(h.app, "s1", "ann")]
            await until(lambda: len(h.hall.connections) == 2)
            await session.send("ann", "go")
            await until(lambda: all("half" in str(wire.sent) for wire in wires))

            draining = asyncio.ensure_future(h.hall.drain(60))
            await settle()
            assert (await ann.get("/readyz")).status_code == 503
            await until(lambda: all(told_of_drain(wire) for wire in wires))
            assert not any(wire.task.done() for wire in wires)
            agent.gate.set()
            report = await draining

            assert (report.passivated, report.handed_back, report.left) == (["s1"], [], [])
            for wire in wires:
                await wire.task
                assert words(wire.told) == ["go", "half and half"]
                assert "turn.ended" in str(wire.sent)
            assert wires[0].code == codes.DRAINING
            assert len(h.hall.connections) == 0

    play(scene)


async def asks(_: greenroom.Turn) -> AsyncIterator[Any]:
    """A pipeline that waits for people."""
    call = greenroom.ToolCall(name="book", id="c", arguments={})
    yield greenroom.RequestApproval(calls=[call], saved=None)


def test_who_waits_for_a_turn_holds_up_nobody_who_drains() -> None:
    """Of a turn that waits for people, and of one that is handed back at the end of the budget."""

    async def scene(agent: Any, budget_s: float) -> None:
        async with house(agent, web={"wait_max_s": 3600.0}) as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")
            await session.send("ann", "go")
            waiting = [
                asyncio.ensure_future(ann.get("/v1/sessions/s1/turns/1?wait_s=3600")),
                asyncio.ensure_future(
                    ann.post("/v1/sessions/s1/messages?wait_s=3600", json={"text": "and"})
                ),
            ]
            await until(lambda: len(h.hall.results) == 2)

            await h.hall.drain(budget_s)

            asked, sent = [await each for each in waiting]
            assert (asked.status_code, asked.json()["retryable"]) == (503, True)
            assert (sent.status_code, sent.json()["turn"]) == (202, 2), (
                "it is accepted, and stays so"
            )
            assert len(h.hall.results) == 0

    play(lambda: scene(asks, 3600.0))
    play(lambda: scene(Held(), 0.0))


def test_a_stream_is_told_once() -> None:
    """Also if the runtime is stopped by somebody who tells nobody."""

    async def scene() -> None:
        async with house() as h:
            await h.runtime.create("ann", id="s1")
            wire = await socket(h.app, "s1", "ann")
            await h.runtime.stop()
            await wire.task
            await h.hall.drain()

            assert [type(each) for each in wire.told] == [frames.Hello, frames.Draining]
            assert wire.code == codes.DRAINING

    play(scene)


def test_an_operator_who_drains_sees_the_house_report() -> None:
    """And the budget that was asked for holds, whatever the process has of its own."""

    async def scene() -> None:
        agent = Held()
        async with house(agent) as h, h.client("ann+operator") as ann:
            session = await h.runtime.create("ann", id="s1")
            turn = await session.send("ann", "go")
            result = turn.result()
            asked = asyncio.ensure_future(ann.post("/v1/admin/drain", json={"budget_s": 60}))
            await settle()
            assert h.hall.stopping
            joined = asyncio.ensure_future(h.hall.drain(float("inf")))
            await settle()
            assert not joined.done()
            agent.gate.set()

            assert (await result).text == "half and half"
            assert (await asked).json()["handed_back"] == []
            assert (await joined).passivated == ["s1"]

    play(scene)


def test_it_is_not_ready_from_the_first_moment() -> None:
    """Before the loop has turned: uvicorn looks at what a signal has asked for every 0.1 s."""

    async def scene() -> None:
        async with house() as h, h.client() as nobody:
            Server(h.app, h.hall)._on_signal(signal.SIGTERM)

            assert h.hall.draining
            assert (await nobody.get("/readyz")).status_code == 503

    play(scene)
