from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from session.cast import PLAIN, TEXT, do, room
from theatre import ManualClock, play, settle

from greenroom.actors.errors import InvalidInput
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.session.commands import Send
from greenroom.actors.session.entry import Entry, decode_entry
from greenroom.actors.session.entry import encode_entry as encoded
from greenroom.actors.session.events import ToolCalled, ToolReturned
from greenroom.actors.session.lane import Lane
from greenroom.actors.session.outputs import check_output
from greenroom.actors.session.pipeline import Turn, as_stream
from greenroom.actors.session.transcript import Message, TextDelta, ToolCall, ToolResult
from greenroom.actors.session.turns import WINDOW, RunGone, TurnOutput, TurnRun
from greenroom.actors.session.watchdog import TurnLimits, Watchdog


class Box:
    """A mailbox that notes what it is sent."""

    def __init__(self) -> None:
        self.signals: list[Any] = []

    def signal(self, message: object) -> None:
        self.signals.append(message)


def turn() -> Turn:
    """Ann's first turn."""
    state = room()
    do(state, Send(user="ann", text="hello"))
    assert state.running is not None
    return Turn(state, state.running)


def run(pipeline: Callable[[Turn], Any]) -> tuple[TurnRun, Box]:
    """A turn that has just been started; `settle` lets it run."""
    box = Box()
    stream, watchdog = as_stream(pipeline), Watchdog(ManualClock(), TurnLimits())
    return TurnRun(turn(), stream, box, 7, watchdog), box  # type: ignore[arg-type]


async def say(*outputs: Any) -> AsyncIterator[Any]:
    for output in outputs:
        yield output


def test_a_limit_ends_the_run_however_its_seconds_are_rounded() -> None:
    async def scene() -> None:
        clock = ManualClock()
        clock.now_s = 1020.6
        assert clock.now_s + 8.0 - clock.now_s < 8.0

        watchdog = Watchdog(clock, TurnLimits(silence_s=8.0))
        silent = TurnRun(turn(), as_stream(forever), Box(), 7, watchdog)  # type: ignore[arg-type]
        await clock.advance(8.0)

        assert silent.cause == "timeout"
        silent.stop()
        await settle()

    play(scene)


def test_who_asks_whether_a_run_has_stopped_is_told_though_its_notice_is_not_heard_yet() -> None:
    """Or a session that leaves just then waits for ever."""

    async def scene() -> None:
        lane, told = Lane(None, None, None), list[str]()  # type: ignore[arg-type]
        lane.run, box = run(forever)
        lane.stop()
        assert lane.stopping
        await settle()
        assert [type(signal) for signal in box.signals] == [RunGone]

        reply: Reply[Any] = Reply()
        lane.ask_stopped(1, reply)
        lane.on_stopped(lambda: told.append("all"))

        assert (reply.result(), told) == ("stopped", ["all"])

    play(scene)


async def forever(_: Turn) -> AsyncIterator[Any]:
    await asyncio.Event().wait()
    yield ""


# --- running -------------------------------------------------------------------------------------


def test_a_run_collects_what_its_pipeline_yields_and_how_it_ends() -> None:
    async def scene() -> None:
        call = ToolCall(name="look", id="a")

        started, _ = run(lambda _: say("one", TextDelta("two"), call, Message(text="three")))
        assert started.ended is None
        await settle()

        assert started.take() == ["one", "two", call, Message(text="three")]
        assert started.ended == ("completed", "")
        assert started.take() == []

    play(scene)


def test_one_message_stamped_with_its_attempt_is_in_the_mailbox_at_a_time() -> None:
    async def scene() -> None:
        more = asyncio.Event()

        async def pipeline(_: Turn) -> Any:
            yield "one"
            yield "two"
            await more.wait()
            yield "three"

        started, box = run(pipeline)
        await settle()
        assert box.signals == [started.stamp] == [TurnOutput(7, 1, 1)]
        more.set()
        await settle()
        assert box.signals == [started.stamp]

        assert started.take() == ["one", "two", "three"]
        assert started.ended == ("completed", "")

    play(scene)


def test_the_end_is_told_when_the_outputs_were_taken_before_it() -> None:
    async def scene() -> None:
        more = asyncio.Event()

        async def pipeline(_: Turn) -> Any:
            yield "one"
            await more.wait()

        started, box = run(pipeline)
        await settle()
        assert started.take() == ["one"]
        more.set()
        await settle()

        assert box.signals == [started.stamp] * 2
        assert (started.take(), started.ended) == ([], ("completed", ""))

    play(scene)


def test_empty_text_is_no_output() -> None:
    async def scene() -> None:
        started, box = run(lambda _: say("", TextDelta(""), ""))
        await settle()

        assert started.take() == []
        assert len(box.signals) == 1

    play(scene)


def test_a_pipeline_that_is_faster_than_its_session_waits_for_it() -> None:
    async def scene() -> None:
        yielded = []

        async def pipeline(_: Turn) -> Any:
            for number in range(3 * WINDOW):
                yielded.append(number)
                yield str(number)

        started, box = run(pipeline)
        await settle()
        assert len(yielded) == WINDOW
        assert len(box.signals) == 1

        taken = []
        for rounds in range(2, 5):
            taken += started.take()
            await settle()
            assert len(yielded) == min(rounds, 3) * WINDOW
        assert started.ended == ("completed", "")
        assert taken == [str(number) for number in range(3 * WINDOW)]

    play(scene)


# --- failing: promise P17 ------------------------------------------------------------------------


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


ERRORS = [
    (ValueError("no"), "ValueError: no"),
    (asyncio.CancelledError("stop"), "CancelledError: stop"),
    (SystemExit(3), "SystemExit: 3"),
    (KeyboardInterrupt(), "KeyboardInterrupt: "),
    (GeneratorExit(), "GeneratorExit: "),
    (RecursionError("deep"), "RecursionError: deep"),
    (MemoryError(), "MemoryError: "),
    (Mute(), "Mute"),
]


def shapes(error: BaseException) -> dict[str, Callable[[Turn], Any]]:
    """Every kind of pipeline, failing after it has said `one` if its kind can."""

    async def streaming(_: Turn) -> Any:
        yield "one"
        raise error

    async def awaited(_: Turn) -> Any:
        await settle(1)
        raise error

    def threaded(_: Turn) -> Any:
        raise error

    return {"streaming": streaming, "awaited": awaited, "threaded": threaded}


@pytest.mark.parametrize("shape", ["streaming", "awaited", "threaded"])
@pytest.mark.parametrize(("error", "text"), ERRORS, ids=lambda value: type(value).__name__)
def test_p17_whatever_a_pipeline_raises_ends_its_turn_as_failed(
    shape: str, error: BaseException, text: str
) -> None:
    async def scene() -> None:
        started, _ = run(shapes(error)[shape])
        await ended(started)

        assert started.take() == (["one"] if shape == "streaming" else [])
        assert started.ended == ("failed", text)
        assert started._task.exception() is None

    play(scene)


async def ended(started: TurnRun) -> None:
    """Wait for the run's task, which may have to wait for a thread."""
    await asyncio.wait([started._task])


def test_p17_a_pipeline_that_cannot_even_be_called_fails_its_turn() -> None:
    async def scene() -> None:
        started, _ = run(lambda: None)  # type: ignore[arg-type]
        await ended(started)

        assert started.ended is not None
        assert started.ended[0] == "failed"
        assert "TypeError" in started.ended[1]

    play(scene)


def test_p17_a_log_that_cannot_be_written_keeps_no_turn_from_ending() -> None:
    def broken(*_: Any) -> Any:
        raise OSError("the disk is full")

    async def scene() -> None:
        started, box = run(shapes(ValueError("no"))["streaming"])
        await settle()

        assert started.ended == ("failed", "ValueError: no")
        assert box.signals == [started.stamp]
        assert started._task.exception() is None

    before = structlog.get_config()
    structlog.configure(processors=[broken], wrapper_class=structlog.BoundLogger)
    try:
        play(scene)
    finally:
        structlog.configure(**before)


def test_an_output_that_cannot_be_kept_fails_the_turn_and_closes_the_pipeline() -> None:
    async def scene() -> None:
        closed = []

        async def pipeline(_: Turn) -> Any:
            try:
                yield "one"
                yield {"not": "an output"}
            finally:
                closed.append(asyncio.current_task())

        started, _ = run(pipeline)
        await settle()

        assert started.take() == ["one"]
        assert started.ended is not None
        assert "pipeline output is 'dict'" in started.ended[1]
        assert closed == [started._task]

    play(scene)


# --- cancelling: the fence -----------------------------------------------------------------------


def test_a_cancelled_pipeline_is_closed_in_its_own_task() -> None:
    async def scene() -> None:
        closed = []

        async def pipeline(_: Turn) -> Any:
            try:
                yield "one"
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                closed.append(asyncio.current_task())

        started, _ = run(pipeline)
        await settle()
        started.stop()
        await settle()

        assert closed == [started._task]
        assert started._task.done()

    play(scene)


def test_a_pipeline_cancelled_before_it_began_never_runs() -> None:
    async def scene() -> None:
        called = []
        started, box = run(lambda turn: called.append(turn))

        started.stop()
        await settle()

        assert (called, box.signals) == ([], [RunGone(started.stamp)])
        assert (started.done, started.how) == (True, "stopped")

    play(scene)


def test_a_pipeline_that_ignores_its_cancellation_is_heard_no_more() -> None:
    async def scene() -> None:
        yielded = []

        async def pipeline(_: Turn) -> Any:
            yield "before"
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            for number in range(5):
                yielded.append(number)
                yield "after"

        started, _ = run(pipeline)
        await settle()
        assert started.take() == ["before"]
        started.stop()
        await settle()

        assert started.take() == []
        assert yielded == [0]
        assert started._task.done()

    play(scene)


def test_a_pipeline_that_waits_for_room_can_be_cancelled() -> None:
    async def scene() -> None:
        closed = []

        async def pipeline(_: Turn) -> Any:
            try:
                while True:
                    yield "more"
            finally:
                closed.append(True)

        started, _ = run(pipeline)
        await settle()
        started.stop()
        started.take()
        await settle()

        assert closed == [True]
        assert started._task.done()

    play(scene)


def test_a_pipeline_that_refuses_to_close_harms_nobody() -> None:
    async def scene() -> None:
        async def pipeline(_: Turn) -> Any:
            try:
                yield 1
            finally:
                yield "not now"

        started, _ = run(pipeline)
        await settle()

        assert started.ended is not None
        assert started.ended[0] == "failed"
        assert started._task.exception() is None

    play(scene)


# --- what may be yielded -------------------------------------------------------------------------


class Colour(enum.StrEnum):
    RED = "red"


@settings(max_examples=100, deadline=None)
@given(value=PLAIN, text=TEXT)
def test_p22_free_form_values_are_copied_exactly_or_refused(value: Any, text: str) -> None:
    given_call = ToolCall(name=text, arguments={text: value}, id=text)
    given_result = ToolResult(value=value, id=text, failed=True)

    call, result = check_output(given_call), check_output(given_result)

    assert repr((call, result)) == repr((given_call, given_result))
    assert isinstance(call, ToolCall)
    assert call.arguments is not given_call.arguments


BAD: list[Any] = [
    None,
    1,
    b"x",
    ["text"],
    {"text": "x"},
    object(),
    Colour.RED,
    "\ud800",
    "x" * (256 * 1024 + 1),
    TextDelta(None),  # type: ignore[arg-type]
    Message(text=1),  # type: ignore[arg-type]
    Message(text="\ud800"),
    ToolCall(name=None),  # type: ignore[arg-type]
    ToolCall(name="x", id=7),  # type: ignore[arg-type]
    ToolCall(name="x", arguments={"x": float("nan")}),
    ToolCall(name="x", arguments={1: 2}),  # type: ignore[dict-item]
    ToolCall(name="x", arguments=[1]),  # type: ignore[arg-type]
    ToolCall(name="x", arguments=None),  # type: ignore[arg-type]
    ToolCall(name="x", arguments="{}"),  # type: ignore[arg-type]
    ToolResult(value={1, 2}),
    ToolResult(id=None),  # type: ignore[arg-type]
    ToolResult(failed="yes"),  # type: ignore[arg-type]
    ToolResult(failed=1),  # type: ignore[arg-type]
    ToolResult(failed=None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("output", BAD, ids=lambda output: repr(output).split(" at 0x")[0][:40])
def test_p22_what_would_come_back_otherwise_is_refused(output: Any) -> None:
    with pytest.raises(InvalidInput):
        check_output(output)


def test_the_session_fills_in_what_is_its_own_to_say() -> None:
    call = check_output(ToolCall(name="x", turn=99))
    result = check_output(ToolResult(stub=True, turn=99))

    assert (call, result) == (ToolCall(name="x"), ToolResult())


@settings(max_examples=100, deadline=None)
@given(
    name=TEXT | st.none() | st.integers(),
    arguments=st.dictionaries(TEXT, PLAIN, max_size=2) | PLAIN,
    call=TEXT | st.integers(),
    failed=st.booleans() | st.none() | st.integers(0, 1) | TEXT,
)
def test_p21_whatever_is_kept_can_be_read_back(
    name: Any, arguments: Any, call: Any, failed: Any
) -> None:
    outputs = [
        ToolCall(name=name, arguments=arguments, id=call),
        ToolResult(value=arguments, id=call, failed=failed),
    ]

    for output in outputs:
        try:
            kept = check_output(output)
        except InvalidInput:
            continue
        event = ToolCalled(call=kept) if isinstance(kept, ToolCall) else ToolReturned(result=kept)  # type: ignore[arg-type]
        assert repr(decode_entry(encoded(Entry(1, event))).event) == repr(event)
