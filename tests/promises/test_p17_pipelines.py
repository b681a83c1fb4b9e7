"""P17: nothing a pipeline, hook or sink raises stops another session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from theatre import play, settle

import greenroom


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even my name")


def recurse() -> None:
    recurse()


RAISED: list[BaseException] = [
    ValueError("a bug"),
    asyncio.CancelledError(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopAsyncIteration(),
    StopIteration(),
    MemoryError(),
    Unprintable(),
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["stream", "coroutine", "thread", "object"])
def test_p17_whatever_a_pipeline_raises_ends_its_turn_as_failed(
    kind: str, raised: BaseException
) -> None:
    async def stream(turn: greenroom.Turn) -> AsyncIterator[str]:
        if turn.input.text == "boom":
            yield "so far "
            raise raised
        yield "fine"

    async def coroutine(turn: greenroom.Turn) -> str:
        if turn.input.text == "boom":
            raise raised
        return "fine"

    def thread(turn: greenroom.Turn) -> str:
        if turn.input.text == "boom":
            raise raised
        return "fine"

    class Callable:
        def __call__(self, turn: greenroom.Turn) -> AsyncIterator[str]:
            return stream(turn)

    pipelines = {"stream": stream, "coroutine": coroutine, "thread": thread, "object": Callable()}

    async def scene() -> None:
        async with greenroom.Runtime(pipelines[kind]) as runtime:
            bad, good = await runtime.create(user="ann"), await runtime.create(user="bob")
            failed = await (await bad.send("ann", "boom")).result()
            assert failed.status == "failed"
            assert failed.text == ("so far " if kind in ("stream", "object") else "")

            for session, user in ((bad, "ann"), (good, "bob")):
                result = await (await session.send(user, "hello")).result()
                assert (result.status, result.text) == ("completed", "fine")
            assert runtime.stats.crashed == 0

    play(scene)


def test_p17_infinite_recursion_ends_its_turn() -> None:
    async def deep(turn: greenroom.Turn) -> AsyncIterator[str]:
        yield "down "
        recurse()

    async def scene() -> None:
        async with greenroom.Runtime(deep) as runtime:
            session = await runtime.create(user="ann")
            result = await (await session.send("ann", "go")).result()

            assert result.status == "failed"
            assert result.reason.startswith("RecursionError")

    play(scene)


@pytest.mark.parametrize(
    "output",
    [7, b"bytes", object(), greenroom.ToolResult(value=1), "\ud800"],
    ids=lambda output: repr(output).split(" at 0x")[0],
)
def test_p17_an_output_that_is_none_fails_the_turn_and_says_why(output: Any) -> None:
    async def odd(turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield output

    async def scene() -> None:
        async with greenroom.Runtime(odd) as runtime:
            session = await runtime.create(user="ann")
            result = await (await session.send("ann", "go")).result()

            assert result.status == "failed"
            assert result.reason.startswith("InvalidInput")
            assert runtime.stats.crashed == 0

    play(scene)


def test_p17_a_generator_that_refuses_to_close_stops_nobody() -> None:
    async def clinging(turn: greenroom.Turn) -> AsyncIterator[str]:
        while True:
            try:
                yield "again "
                await asyncio.Event().wait()
            except GeneratorExit:
                continue

    async def scene() -> None:
        async with greenroom.Runtime(clinging) as runtime:
            session = await runtime.create(user="ann")
            turn = await session.send("ann", "go")
            await settle()

            assert (await turn.cancel()).verdict == "won"
            await settle()

            assert (await turn.result()).status == "cancelled"
            assert (await session.post("ann", "I can still speak")).revision

    play(scene)


def test_p17_a_callback_that_raises_hurts_only_itself() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann")
            heard: list[str] = []

            def bad(item: Any) -> None:
                raise SystemExit(item.event.message.text)

            class Awaited:
                async def __call__(self, item: Any) -> None:
                    await asyncio.sleep(0)
                    heard.append(item.event.message.text)

            await session.subscribe("ann", bad)
            await session.subscribe("ann", Awaited())
            for text in ("one", "two"):
                await session.post("ann", text)
            await settle()

            assert heard == ["one", "two"]

    play(scene)
