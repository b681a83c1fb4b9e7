"""What OpenTelemetry is told: a span for each turn and for each tool call, and no content."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from theatre import Script, play, settle
from web.kit import House, Named
from web.logs import logged

import greenroom
from greenroom.adapters.telemetry import tracing as tracing_file
from greenroom.adapters.telemetry.tracing import Tracing, traced
from greenroom.adapters.web.app import application
from greenroom.adapters.web.hall import Hall
from greenroom.adapters.web.settings import WebSettings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "the eagle has landed"


class Recorded:
    """A tracer provider that keeps its spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(self.provider)

    def spans(self, prefix: str) -> list[ReadableSpan]:
        return [each for each in self.exporter.get_finished_spans() if each.name.startswith(prefix)]

    @property
    def turns(self) -> list[ReadableSpan]:
        return self.spans("invoke_agent")

    @property
    def tools(self) -> list[ReadableSpan]:
        return self.spans("execute_tool")


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def searching(turn: greenroom.Turn) -> AsyncIterator[Any]:
    yield "let me "
    yield greenroom.ToolCall(name="search", arguments={"q": SECRET}, id="c1")
    yield greenroom.ToolResult(value=SECRET, id="c1")
    yield greenroom.ToolCall(name="look")
    yield greenroom.ToolResult(value=SECRET, failed=True)
    yield "see"


async def once(pipeline: Any, text: str = SECRET) -> greenroom.TurnResult:
    async with greenroom.Runtime(pipeline) as runtime:
        session = await runtime.create("ann", id="s1")
        return await (await session.send("ann", text)).result()


def test_a_turn_and_its_tool_calls_are_spans_without_content() -> None:
    made = Recorded()
    result = play(lambda: once(made.tracing.traced(searching)))
    assert result.status == "completed"
    (turn,) = made.turns
    assert (turn.name, turn.parent) == ("invoke_agent searching", None)
    attributes = told(turn)
    assert attributes.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert attributes.pop("greenroom.turn.waited_s") >= 0
    assert attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "searching",
        "gen_ai.conversation.id": "s1",
        "greenroom.turn.id": 1,
        "greenroom.turn.attempt": 1,
        "greenroom.turn.kind": "answer",
        "greenroom.turn.resumed": False,
        "greenroom.turn.status": "completed",
    }
    search, look = made.tools
    assert told(search) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.conversation.id": "s1",
    }
    assert (search.status.status_code, look.status.status_code) == (
        StatusCode.UNSET,
        StatusCode.ERROR,
    )
    assert told(look)["error.type"] == "tool_failed"
    for tool in (search, look):
        assert tool.parent is not None
        assert tool.parent.span_id == turn.context.span_id
    assert not any(SECRET in each.to_json() for each in made.exporter.get_finished_spans())


def test_what_a_pipeline_yields_is_the_same_with_and_without() -> None:
    async def lines(pipeline: Any) -> Any:
        async with greenroom.Runtime(pipeline) as runtime:
            session = await runtime.create("ann", id="s1")
            await (await session.send("ann", "hi")).result()
            return [
                (type(each), getattr(each, "text", None))
                for each in (await session.history("ann")).events
            ]

    made = Recorded()
    wrapped = made.tracing.traced(searching)
    assert play(lambda: lines(wrapped)) == play(lambda: lines(searching))


@pytest.mark.parametrize("text", ["one ", "one two three "])
def test_there_is_no_span_for_a_piece_of_text(text: str) -> None:
    async def streaming(turn: greenroom.Turn) -> AsyncIterator[str]:
        for piece in text * 50:
            yield piece

    made = Recorded()
    play(lambda: once(made.tracing.traced(streaming)))
    (only,) = made.exporter.get_finished_spans()
    assert only.events == ()


def test_a_failure_is_told_by_its_type_only() -> None:
    async def failing(turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield greenroom.ToolCall(name="search", id="c1")
        raise LookupError(SECRET)

    made = Recorded()
    result = play(lambda: once(made.tracing.traced(failing)))
    assert (result.status, SECRET in result.reason) == ("failed", True)
    (turn,), (tool,) = made.turns, made.tools
    assert told(turn)["greenroom.turn.status"] == "failed"
    assert told(turn)["error.type"] == "LookupError"
    assert turn.status.status_code is tool.status.status_code is StatusCode.ERROR
    assert told(tool)["error.type"] == "no_result"
    assert SECRET not in turn.to_json()


def test_a_turn_that_is_interrupted_ends_its_span() -> None:
    async def scene() -> None:
        made = Recorded()
        script = Script()
        async with greenroom.Runtime(made.tracing.traced(script, agent="ada")) as runtime:
            session = await runtime.create("ann", id="s1")
            await session.send("ann", "hi")
            script.cue("s1", 1, "well")
            await settle()
            await session.interrupt("ann")
            assert await session.stopped(1) == "stopped"
            assert script.closed == [1]
        (turn,) = made.turns
        assert turn.name == "invoke_agent ada"
        assert told(turn)["greenroom.turn.status"] == "stopped"
        assert turn.status.status_code is StatusCode.UNSET

    play(scene)


def test_an_approved_call_is_executed_in_the_second_span() -> None:
    async def careful(turn: greenroom.Turn) -> AsyncIterator[Any]:
        if turn.decisions is None:
            calls = [greenroom.ToolCall(name=name, id=name) for name in ("pay", "delete")]
            yield greenroom.RequestApproval(calls=calls)
        else:
            yield greenroom.ToolResult(value="paid", id="pay")

    async def scene() -> None:
        made = Recorded()
        async with greenroom.Runtime(made.tracing.traced(careful)) as runtime:
            session = await runtime.create("ann", id="s1")
            turn = await session.send("ann", "hi")
            await settle()
            assert [told(each)["greenroom.turn.status"] for each in made.turns] == ["suspended"]
            assert made.tools == []
            await session.decide("ann", {"pay": True, "delete": False})
            await turn.result()
        first, second = made.turns
        assert [told(each)["greenroom.turn.resumed"] for each in (first, second)] == [False, True]
        (tool,) = made.tools
        assert (tool.name, told(tool)["gen_ai.tool.call.id"]) == ("execute_tool pay", "pay")
        assert tool.parent is not None
        assert tool.parent.span_id == second.context.span_id

    play(scene)


def test_the_span_is_current_in_the_pipeline_and_nowhere_else() -> None:
    seen: list[tuple[int, bool]] = []

    async def inside(turn: greenroom.Turn) -> AsyncIterator[str]:
        trace.get_current_span().set_attribute("gen_ai.usage.output_tokens", 7)
        yield "a"
        seen.append((turn.id, trace.get_current_span().get_span_context().is_valid))
        yield "b"

    async def scene() -> None:
        made = Recorded()
        async with greenroom.Runtime(made.tracing.traced(inside)) as runtime:
            session = await runtime.create("ann", id="s1")
            turns = [await session.send("ann", "hi") for _ in range(2)]
            for turn in turns:
                await turn.result()
        first, second = made.turns
        assert told(first)["gen_ai.usage.output_tokens"] == 7
        assert (first.parent, second.parent) == (None, None)
        assert seen == [(1, True), (2, True)]
        wrapped: Any = made.tracing.traced(inside)
        stand_in: Any = greenroom.Turn.__new__(greenroom.Turn)
        vars(stand_in).update(session_id="s1", id=3, attempt=1, kind="answer", decisions=None)
        vars(stand_in).update(progress=())
        outputs = wrapped(stand_in)
        assert await anext(outputs) == "a"
        assert not trace.get_current_span().get_span_context().is_valid
        await outputs.aclose()

    play(scene)


def test_threads_and_coroutines_are_traced_too() -> None:
    def blocking(turn: greenroom.Turn) -> str:
        return "done"

    async def awaited(turn: greenroom.Turn) -> str:
        return "done"

    made = Recorded()
    for pipeline in (blocking, awaited):
        result = play(partial(once, made.tracing.traced(pipeline)))
        assert result.status == "completed"
    assert [told(each)["greenroom.turn.status"] for each in made.turns] == ["completed"] * 2


def test_without_a_provider_nothing_is_recorded_and_all_works() -> None:
    assert play(lambda: once(traced(searching))).status == "completed"


def test_a_turn_is_part_of_the_trace_of_the_request_that_asked_for_it() -> None:
    async def scene() -> None:
        made = Recorded()
        async with greenroom.Runtime(made.tracing.traced(searching)) as runtime:
            h = House(runtime, (Named(),), {})
            h.hall = Hall(runtime, (Named(),), WebSettings(), follow=made.tracing.follow)
            h.app = application(h.hall, "dev")
            async with h.client("ann", traceparent=f"00-{TRACE}-{PARENT}-01") as ann:
                await runtime.create("ann", id="s1")
                for path in ("messages", "steer"):
                    sent = await ann.post(f"/v1/sessions/s1/{path}?wait_s=5", json={"text": "hi"})
                    assert (sent.status_code, sent.json()["status"]) == (200, "completed")
            async with h.client("ann", traceparent="junk") as ann:
                await ann.post("/v1/sessions/s1/messages?wait_s=5", json={"text": "hi"})
        *followed, alone = made.turns
        for span in followed:
            assert span.parent is not None
            assert f"{span.context.trace_id:032x}" == TRACE
            assert f"{span.parent.span_id:016x}" == PARENT
        assert (len(followed), alone.parent) == (2, None)

    play(scene)


def test_a_span_around_the_request_is_the_parent() -> None:
    async def scene() -> None:
        made = Recorded()
        async with greenroom.Runtime(made.tracing.traced(searching)) as runtime:
            session = await runtime.create("ann", id="s1")
            with made.provider.get_tracer("host").start_as_current_span("request") as around:
                sent = session.send("ann", "hi")
                made.tracing.follow("s1", sent, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
                await (await sent).result()
        (turn,) = made.turns
        assert turn.parent is not None
        assert turn.parent.span_id == around.get_span_context().span_id

    play(scene)


def test_a_span_of_whoever_happened_to_be_first_is_nobodys_parent() -> None:
    async def scene() -> None:
        made = Recorded()
        with made.provider.get_tracer("host").start_as_current_span("request"):
            async with greenroom.Runtime(made.tracing.traced(searching)) as runtime:
                session = await runtime.create("ann", id="s1")
                await (await session.send("ann", "hi")).result()
        assert [each.parent for each in made.turns] == [None]

    play(scene)


def test_what_is_refused_is_not_remembered_and_the_oldest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing_file, "MOST_FOLLOWED", 2)

    async def scene() -> None:
        made = Recorded()
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        async with greenroom.Runtime(made.tracing.traced(searching)) as runtime:
            session = await runtime.create("ann", id="s1")
            refused = session.send("eve", "hi")
            made.tracing.follow("s1", refused, headers)
            with logged() as lines, pytest.raises(greenroom.NotMember):
                await refused
            assert lines == []
            for _ in range(3):
                sent = session.send("ann", "hi")
                made.tracing.follow("s1", sent, headers)
                await (await sent).result()
        assert list(made.tracing._asked) == [("s1", 2), ("s1", 3)]

    play(scene)
