"""A session whose pipeline does not stop gets a new activation, with a new epoch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from house import logged
from theatre import GatedJournal, ManualClock, play, settle, texts

import greenroom
from greenroom.actors.session import events as happened


class Stuck:
    """Each turn of "cling" ignores that it is stopped, until it is let go; then it goes on."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.begun: list[tuple[int, int]] = []
        self.steered: list[Any] = []
        self.over = 0

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.begun.append((turn.id, turn.attempt))
        yield f"turn {turn.id} "
        if turn.input.text.startswith("cling"):
            while not self.let_go.is_set():
                with suppress(asyncio.CancelledError):
                    await self.let_go.wait()
            self.steered.append(await turn.steering())
            self.over += 1
            yield greenroom.Message(text="too late", key=turn.answer_key)
            yield "too late"
        yield "done"


def run(script: Any, **settings: Any) -> None:
    async def scene() -> None:
        pipeline, clock, journal = Stuck(), ManualClock(), GatedJournal()
        runtime = greenroom.Runtime(pipeline, journal=journal, clock=clock, **settings)
        await runtime.start()
        try:
            session = await runtime.create(user="ann", id="s")
            await script(pipeline, clock, runtime, session)
        finally:
            pipeline.let_go.set()
            await settle()
        stopping = asyncio.ensure_future(runtime.stop())
        await clock.advance(10.0)
        assert not (await stopping).left

    play(scene)


def test_p10_a_turn_past_its_limit_leaves_the_session_to_a_new_epoch_and_is_fenced() -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        events = session.events("ann")
        first = await session.send("ann", "cling", answer_key="k")
        second = await session.send("ann", "go on")
        results = [first.result(), second.result()]
        await settle()

        with logged() as lines:
            await clock.advance(10.1)
            assert (await results[0]).cause == "timeout"
            assert pipeline.begun == [(1, 1)]
            stopped = first.stopped()
            posts = [session.post("ann", f"post {n}") for n in range(3)]
            await clock.advance(3.1)

        assert await stopped == "abandoned"
        assert await first.stopped() == "abandoned"
        assert (await results[1]).status == "completed"
        assert pipeline.begun == [(1, 1), (2, 1)]  # not run, and not counted, in the old epoch
        assert [(await post).revision for post in posts] == sorted(
            p.result().revision for p in posts
        )
        assert (runtime.stats.renewed, runtime.stats.restarted) == (1, 0)
        renewed = [line for line in lines if line["event"] == "session_renewed"]
        assert [(line["session"], line["stuck"]) for line in renewed] == [("s", [1])]
        before = texts(await session.transcript("ann"))
        stale = runtime.stats.stale_outputs

        pipeline.let_go.set()
        await settle()

        assert pipeline.over == 1
        assert pipeline.steered == [()]
        assert texts(await session.transcript("ann")) == before
        heard = [await anext(events) for _ in range(14)]
        gone = [item for item in heard if isinstance(item.event, happened.TurnStopped)]
        assert gone[0].event == happened.TurnStopped(turn=1, attempt=1, how="abandoned")
        epochs = [item.epoch for item in heard]
        assert epochs == sorted(epochs)
        assert len(set(epochs)) == 2
        assert not any(isinstance(item, greenroom.Gap) for item in heard)
        assert runtime.stats.stale_outputs >= stale

    run(script, turn_timeout_s=10.0)


def test_one_that_waits_for_nothing_more_is_renewed_as_well_and_idle_afterwards() -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        turn = await session.send("ann", "cling")
        await settle()
        await turn.cancel()
        await clock.advance(3.1)

        assert runtime.stats.renewed == 1
        assert await runtime.passivate("s")
        assert runtime.resident == 0

    run(script)


def test_in_the_mode_omni_a_turn_that_runs_beside_ends_first() -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, _: Any) -> None:
        omni = greenroom.Settings(mode="omni")
        session = await runtime.create(user="ann", id="o", settings=omni)
        await session.send("ann", "cling", answer_key="k")
        await settle()
        second = await session.send("ann", "cling too", policy="interrupt")
        await clock.advance(3.1)
        assert (runtime.stats.abandoned_pipelines, runtime.stats.renewed) == (1, 0)
        third = await session.send("ann", "go on")

        await second.cancel()
        await clock.advance(3.1)

        assert (await third.result()).status == "completed"
        assert runtime.stats.renewed == 1
        assert pipeline.begun == [(1, 1), (2, 1), (3, 1)]
        before = texts(await session.transcript("ann"))
        pipeline.let_go.set()
        await settle()
        assert pipeline.over == 2
        assert texts(await session.transcript("ann")) == before  # not even under its key

    run(script)


def test_p14_places_of_running_turns_come_back_from_turns_that_are_stuck() -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        other = await runtime.create(user="bob", id="o")
        first = await session.send("ann", "cling")
        second, third = await session.send("ann", "mine"), await other.send("bob", "his")
        await settle()
        await first.cancel()
        assert runtime.capacity().turns.in_use == 1
        await clock.advance(3.1)

        assert (await third.result()).status == "completed"
        assert (await second.result()).status == "completed"
        assert runtime.capacity().turns.in_use == 0

    run(script, max_running_turns=1)


def test_p16_while_the_runtime_stops_nothing_is_renewed() -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        turn = await session.send("ann", "cling")
        second = await session.send("ann", "go on")
        result = second.result()
        await settle()
        await turn.cancel()
        stopping = asyncio.ensure_future(runtime.stop(budget_s=10.0))
        await clock.advance(3.1)

        assert (await result).status == "completed"
        assert (await stopping).passivated == ["s"]
        assert runtime.stats.renewed == 0

    run(script)


def test_resources_are_opened_anew_and_the_hook_is_told() -> None:
    reasons: list[str] = []

    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        turn = await session.send("ann", "cling")
        second = await session.send("ann", "go on")
        await settle()
        await turn.cancel()
        await clock.advance(3.1)

        assert (await second.result()).status == "completed"
        assert pipeline.begun == [(1, 1), (2, 1)]
        assert reasons == ["opened", "renewed", "opened"]

    async def open_one(_: Any) -> Any:
        reasons.append("opened")

        async def close() -> None:
            return

        return type("Work", (), {"close": staticmethod(close)})()

    async def on_end(_: Any, reason: Any) -> None:
        reasons.append(str(reason))

    run(script, resources=open_one, on_end=on_end)


def test_a_plain_function_that_hangs_in_its_thread_is_fenced() -> None:
    gate, over = threading.Event(), threading.Event()

    def blocking(turn: greenroom.Turn) -> str:
        if turn.input.text == "block":
            gate.wait(20.0)
            over.set()
            return "too late"
        return "fine"

    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(
            blocking, journal=GatedJournal(), clock=clock, turn_silence_s=5.0
        ) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn, after = await session.send("ann", "block"), await session.send("ann", "hello")
            try:
                await settle()
                await clock.advance(5.1)
                await clock.advance(3.1)

                assert await turn.stopped() == "abandoned"
                assert runtime.stats.renewed == 1
                assert (await after.result()).text == "fine"
            finally:
                gate.set()
            await asyncio.get_running_loop().run_in_executor(None, over.wait, 20.0)
            await settle()
            assert texts(await session.transcript("ann")) == ["block", "hello", "fine"]

    play(scene)


@pytest.mark.parametrize("budget_s", [0.0, 1.0])
def test_p16_a_second_stop_that_leaves_less_time_hurries_the_first(budget_s: float) -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        await session.send("ann", "cling")
        await runtime.create(user="ann", id="idle")
        await settle()
        first = asyncio.ensure_future(runtime.stop(budget_s=60.0))
        await clock.advance(5.0)
        assert not first.done()
        later = asyncio.ensure_future(runtime.stop(budget_s=59.0))
        await clock.advance(5.0)
        assert not first.done()

        second = asyncio.ensure_future(runtime.stop(budget_s=budget_s))
        await clock.advance(budget_s + 0.1)

        reports = [await stopping for stopping in (first, later, second)]
        expected = greenroom.DrainReport(passivated=["idle"], handed_back=["s"], left=[])
        assert reports == [expected] * 3

    run(script)


def test_p16_a_second_stop_does_not_give_more_time() -> None:
    async def script(pipeline: Any, clock: Any, runtime: Any, session: Any) -> None:
        await session.send("ann", "cling")
        await settle()
        first = asyncio.ensure_future(runtime.stop(budget_s=10.0))
        await clock.advance(5.0)
        second = asyncio.ensure_future(runtime.stop(budget_s=10.0))

        await clock.advance(5.1)

        assert (await first).handed_back == (await second).handed_back == ["s"]

    run(script)
