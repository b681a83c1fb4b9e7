"""What a pipeline may ask people about, and how asking ends its run."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from session.cast import PLAIN
from session.test_turns import ended, run
from theatre import ManualClock, play, settle

from greenroom.actors.errors import InvalidInput
from greenroom.actors.session.approvals import MAX_EXPIRES_S, MAX_REQUEST_BYTES, check_request
from greenroom.actors.session.pipeline import Turn
from greenroom.actors.session.transcript import Message, RequestApproval, ToolCall

LOOK = ToolCall(name="look", id="a")
ASK = RequestApproval(calls=[LOOK])


# --- what may be asked ---------------------------------------------------------------------------


@given(saved=PLAIN)
def test_p22_what_is_saved_is_copied_exactly(saved: Any) -> None:
    checked = check_request(RequestApproval(calls=[LOOK], saved=saved))

    assert repr(checked.saved) == repr(saved)
    if isinstance(saved, list | dict):
        assert checked.saved is not saved


def test_bytes_may_be_saved() -> None:
    assert check_request(RequestApproval(calls=[LOOK], saved=b"\x00\xff")).saved == b"\x00\xff"


def test_arguments_are_copied() -> None:
    arguments = {"x": [1]}

    checked = check_request(RequestApproval(calls=[ToolCall(name="look", arguments=arguments)]))
    arguments["x"].append(2)

    assert checked.calls == [ToolCall(name="look", arguments={"x": [1]})]


def test_calls_without_an_id_may_be_several() -> None:
    two = [ToolCall(name="look"), ToolCall(name="look")]

    assert check_request(RequestApproval(calls=two)).calls == two


LONG = "x" * (256 * 1024)
TOO_MUCH = [LONG] * (MAX_REQUEST_BYTES // len(LONG))

BAD: list[tuple[str, dict[str, Any]]] = [
    ("calls", {"calls": []}),
    ("calls", {"calls": None}),
    ("calls", {"calls": LOOK}),
    ("calls", {"calls": ["look"]}),
    ("id", {"calls": [LOOK, LOOK]}),
    ("id", {"calls": [ToolCall(name="look", id=7)]}),  # type: ignore[arg-type]
    ("tool name", {"calls": [ToolCall(name=b"look")]}),  # type: ignore[arg-type]
    ("arguments", {"calls": [ToolCall(name="look", arguments=[])]}),  # type: ignore[arg-type]
    ("arguments.x", {"calls": [ToolCall(name="look", arguments={"x": math.nan})]}),
    ("calls", {"calls": [ToolCall(name="look", arguments={"x": TOO_MUCH})]}),
    ("saved", {"saved": object()}),
    ("saved[0]", {"saved": [b"x"]}),
    ("saved", {"saved": bytes(MAX_REQUEST_BYTES)}),
    ("saved", {"saved": TOO_MUCH}),
    ("expires_s", {"expires_s": 0}),
    ("expires_s", {"expires_s": -1.0}),
    ("expires_s", {"expires_s": math.inf}),
    ("expires_s", {"expires_s": math.nan}),
    ("expires_s", {"expires_s": "60"}),
    ("expires_s", {"expires_s": True}),
    ("expires_s", {"expires_s": MAX_EXPIRES_S * 2}),
]


@pytest.mark.parametrize(
    ("field", "asked"), BAD, ids=lambda value: repr(value).split(" at 0x")[0][:40]
)
def test_what_cannot_be_asked_is_refused_by_name(field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_request(RequestApproval(**{"calls": [LOOK], **asked}))

    assert refusal.value.field == field


def test_a_bad_request_fails_the_run() -> None:
    async def scene() -> None:
        async def pipeline(_: Turn) -> AsyncIterator[Any]:
            yield RequestApproval(calls=[])

        started, _ = run(pipeline)
        await settle()

        assert isinstance(started.ended, tuple)
        assert started.ended[0] == "failed"
        assert "calls" in started.ended[1]

    play(scene)


# --- how asking ends the run ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["streaming", "awaited", "threaded", "generator"])
def test_a_request_is_the_last_thing_a_pipeline_is_asked_for(shape: str) -> None:
    async def scene() -> None:
        seen: list[str] = []

        async def streaming(_: Turn) -> AsyncIterator[Any]:
            try:
                yield "one"
                yield ASK
                seen.append("asked for more")
                yield "two"
            finally:
                seen.append("closed")

        async def awaited(_: Turn) -> Any:
            return ["one", ASK, "two"]

        def threaded(_: Turn) -> Any:
            return ["one", ASK, "two"]

        def generator(_: Turn) -> Any:
            try:
                yield "one"
                yield ASK
                seen.append("asked for more")
            finally:
                seen.append("closed")

        shapes = {"streaming": streaming, "awaited": awaited, "threaded": threaded}
        started, _ = run(shapes.get(shape, generator))
        await ended(started)

        assert started.take() == ["one"]
        assert started.ended == ASK
        assert seen == (["closed"] if shape in ("streaming", "generator") else [])

    play(scene)


def test_the_generator_is_closed_before_the_turn_is_suspended() -> None:
    """Nothing of a pipeline is left behind that could keep the session, or meet its successor."""

    async def scene() -> None:
        leave = ManualClock()

        async def pipeline(_: Turn) -> AsyncIterator[Any]:
            left: list[None] = []
            leave.call_later(1.0, lambda: left.append(None))
            try:
                yield ASK
            finally:
                while not left:
                    await settle(1)

        started, box = run(pipeline)
        await settle()
        assert (started.ended, box.signals) == (None, [])

        await leave.advance(1.0)

        assert started.ended == ASK
        assert box.signals == [started.stamp]

    play(scene)


def test_a_generator_that_refuses_to_close_is_suspended_all_the_same() -> None:
    async def scene() -> None:
        async def pipeline(_: Turn) -> AsyncIterator[Any]:
            try:
                yield ASK
            finally:
                yield Message(text="I stay")

        started, _ = run(pipeline)
        await settle()

        assert started.ended == ASK
        assert started.take() == []

    play(scene)
