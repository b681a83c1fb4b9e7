from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from session.cast import call, do, lines, record, room
from theatre import play, settle

from greenroom.actors.session.commands import FinishTurn, Post, Recover, Send
from greenroom.actors.session.pipeline import Turn, as_stream
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Message, ToolResult


def started(state: State, text: str = "hello", user: str = "ann", policy: Any = "enqueue") -> Turn:
    """The turn that follows a message."""
    do(state, Send(user=user, text=text, policy=policy))
    assert state.running is not None
    return Turn(state, state.running)


def heard(pipeline: Callable[[Turn], Any]) -> list[Any]:
    """What a pipeline says, whatever kind it is of."""

    async def scene() -> list[Any]:
        return [output async for output in as_stream(pipeline)(started(room()))]

    return play(scene)


# --- a turn --------------------------------------------------------------------------------------


def test_a_turn_shows_its_message_and_what_came_before_it() -> None:
    state = room("bob")
    do(state, Post(user="bob", text="by the way"))
    first = started(state, "one")
    for command in record(1, call(id="a"), ToolResult(), "answer"):
        do(state, command)
    do(state, FinishTurn(turn=1, status="completed"))

    turn = started(state, "two", user="bob")

    assert (turn.session_id, turn.id, turn.attempt, turn.user) == ("s", 2, 1, "bob")
    assert turn.input.text == "two"
    assert [type(line).__name__ for line in turn.history] == [
        "Message", "Message", "ToolCall", "ToolResult", "Message",
    ]  # fmt: skip
    assert [line.text for line in first.history if isinstance(line, Message)] == ["by the way"]


def test_a_turn_does_not_see_what_is_said_while_it_runs() -> None:
    state = room("bob")
    do(state, Post(user="bob", text="before"))
    turn = started(state, "one")

    do(state, Send(user="bob", text="queued"))
    do(state, Post(user="bob", text="during"))
    for command in record(1, "answer", "and more"):
        do(state, command)

    assert [line.text for line in turn.history if isinstance(line, Message)] == ["before"]
    assert turn.history is turn.history


def test_a_turn_that_waited_does_not_see_what_was_asked_after_it() -> None:
    state = room("bob")
    started(state, "one")
    do(state, Send(user="bob", text="two"))
    do(state, Send(user="bob", text="three"))
    do(state, record(1, "answer")[0])
    do(state, FinishTurn(turn=1, status="completed"))
    assert state.running is not None

    turn = Turn(state, state.running)

    assert turn.input.text == "two"
    assert [line.text for line in turn.history if isinstance(line, Message)] == ["one", "answer"]


def test_a_second_attempt_says_so_and_sees_nothing_of_the_first() -> None:
    state = room()
    turn = started(state, "one")
    do(state, record(1, "half")[0])
    do(state, Recover(attempts=2))
    assert state.running is not None
    again = Turn(state, state.running)
    do(state, record(1, "whole")[0])

    assert (turn.attempt, again.attempt) == (1, 2)
    assert (again.input.text, again.history) == ("one", ())
    assert turn.history == ()
    assert lines(state) == ["ann:one", "whole"]


def test_the_context_is_a_copy() -> None:
    state = room()
    state.context = {"a": [1]}

    turn = started(state)
    turn.context["a"].append(2)

    assert state.context == {"a": [1]}


# --- kinds of pipelines --------------------------------------------------------------------------


async def generator(turn: Turn) -> AsyncIterator[str]:
    yield turn.input.text
    yield "!"


async def coroutine(turn: Turn) -> list[str]:
    return [turn.input.text, "!"]


def plain(turn: Turn) -> list[str]:
    return [turn.input.text, "!"]


def plain_generator(turn: Turn) -> Iterator[str]:
    yield turn.input.text
    yield "!"


def returns_a_generator(turn: Turn) -> AsyncIterator[str]:
    return generator(turn)


async def awaits_a_generator(turn: Turn) -> AsyncIterator[str]:
    return generator(turn)


class Streaming:
    async def __call__(self, turn: Turn) -> AsyncIterator[str]:
        yield turn.input.text
        yield "!"

    def method(self, turn: Turn) -> tuple[str, ...]:
        return (turn.input.text, "!")


class Awaited:
    async def __call__(self, turn: Turn) -> list[str]:
        return [turn.input.text, "!"]


def more(turn: Turn, suffix: str) -> list[str]:
    return [turn.input.text, suffix]


KINDS: list[Callable[[Turn], Any]] = [
    generator,
    coroutine,
    plain,
    plain_generator,
    returns_a_generator,
    awaits_a_generator,
    Streaming(),
    Streaming().method,
    Awaited(),
    functools.partial(generator),
    functools.partial(coroutine),
    functools.partial(more, suffix="!"),
    functools.partial(Streaming()),
    lambda turn: [turn.input.text, "!"],
    lambda turn: generator(turn),
]


@pytest.mark.parametrize("pipeline", KINDS, ids=lambda kind: type(kind).__name__)
def test_every_kind_of_pipeline_is_a_stream(pipeline: Callable[[Turn], Any]) -> None:
    assert heard(pipeline) == ["hello", "!"]


@pytest.mark.parametrize("answer", ["one", Message(text="one"), call()])
def test_a_function_may_return_one_output_or_none(answer: Any) -> None:
    async def awaited(_: Turn) -> Any:
        return answer

    async def silent(_: Turn) -> None:
        return None

    assert heard(lambda _: answer) == [answer]
    assert heard(awaited) == [answer]
    assert heard(silent) == []
    assert heard(lambda _: None) == []


def test_a_plain_function_runs_in_a_thread_that_the_process_need_not_wait_for() -> None:
    seen = []

    def pipeline(turn: Turn) -> None:
        seen.append(threading.current_thread())

    heard(pipeline)

    (thread,) = seen
    assert thread is not threading.main_thread()
    assert thread.daemon
    assert thread.name == "turn s/1"


def test_a_function_that_blocks_stops_nobody_else_and_can_be_given_up() -> None:
    """A thread cannot be stopped: it is waited for, until it is given up on with a second word."""
    gate, begun = threading.Event(), threading.Event()

    def pipeline(_: Turn) -> str:
        begun.set()
        assert gate.wait(20), "the gate: never opened"
        return "too late"

    async def scene() -> None:
        outputs = as_stream(pipeline)(started(room()))
        task = asyncio.ensure_future(anext(outputs))
        while not begun.is_set():
            await asyncio.sleep(0)

        task.cancel()
        await settle()
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await settle()

    play(scene)


@pytest.mark.parametrize("pipeline", [returns_a_generator, awaits_a_generator])
def test_a_generator_behind_a_function_is_closed_with_its_stream(pipeline: Any) -> None:
    """An anyio scope or a timeout around a yield breaks when another task closes it."""

    async def scene() -> None:
        closed: list[Any] = []

        async def inner(_: Turn) -> AsyncIterator[str]:
            try:
                yield "one"
                yield "two"
            finally:
                closed.append(asyncio.current_task())

        async def awaits(turn: Turn) -> AsyncIterator[str]:
            return inner(turn)

        shape = awaits if pipeline is awaits_a_generator else lambda turn: inner(turn)
        outputs = as_stream(shape)(started(room()))
        assert await anext(outputs) == "one"

        await outputs.aclose()  # type: ignore[attr-defined]

        assert closed == [asyncio.current_task()]

    play(scene)
