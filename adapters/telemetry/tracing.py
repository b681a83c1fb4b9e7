"""Spans of turns and tool calls, for OpenTelemetry: one of each, and none for a piece of text."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from ...actors.kernel.reply import Reply
from ...actors.ports import Pipeline, SessionId
from ...actors.session.pipeline import Stream, Turn, as_stream
from ...actors.session.transcript import (
    Message,
    RequestApproval,
    TextDelta,
    ToolCall,
    ToolResult,
)
from . import attributes as names

MOST_FOLLOWED: Final = 10_000
"""Turns that are remembered with the request that asked for them; the oldest are forgotten."""

_Key: TypeAlias = tuple[SessionId, int]


class Tracing:
    """Makes spans of what pipelines do, under those of the requests that asked for it.

        tracing = Tracing()
        runtime = Runtime(tracing.traced(agent))
        app = asgi(runtime, authenticators, follow=tracing.follow)

    Spans go to the process's tracer provider, or to `provider`; without an SDK nothing is recorded.
    No text, argument, result or error message is in them, and no user: names, ids, durations and
    the types of errors only.

    Which request asked for a turn is known in this process only: a turn that is found lost after a
    restart, and run again, begins a trace of its own. `gen_ai.conversation.id` still joins them.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("greenroom", tracer_provider=provider)
        self._asked: OrderedDict[_Key, context.Context] = OrderedDict()

    def traced(self, pipeline: Pipeline, *, agent: str | None = None) -> Pipeline:
        """`pipeline`, with a span `invoke_agent` around each invocation and `execute_tool` around
        each of its tool calls, from the call to the result.

        The span is the current one while the pipeline runs: what it calls may add to it, as the
        tokens that a model has used. `agent` is its name there, if not that of the function.
        """
        name: str = agent or getattr(pipeline, "__name__", None) or type(pipeline).__name__
        stream = as_stream(pipeline)

        async def run(turn: Turn) -> AsyncGenerator[Any, None]:
            parent = self._asked.get((turn.session_id, turn.id), context.Context())
            traced = _Invocation(self._tracer, turn, name, parent)
            async with aclosing(traced.run(stream)) as outputs:
                async for output in outputs:
                    yield output

        return run

    def follow(self, session: SessionId, sent: Reply[Any], headers: Mapping[str, str]) -> None:
        """Have the turn that `sent` will be answered with be a part of the request's trace.

        That is the current span, as of the application around, or else what `traceparent` in the
        `headers` says; if there is neither, nothing is followed.
        """
        current = context.get_current()
        if not _is_in_a_trace(current):
            current = propagate.extract(headers, context.Context())
        if _is_in_a_trace(current):
            # Called before the turn's pipeline can be: replies come before the effects of a step.
            sent.on_done(lambda done: self._remember(session, done, current))

    def _remember(self, session: SessionId, done: Reply[Any], asked: context.Context) -> None:
        if done.error is None:
            self._asked[session, done.result().id] = asked
            if len(self._asked) > MOST_FOLLOWED:
                self._asked.popitem(last=False)


def traced(pipeline: Pipeline, *, agent: str | None = None) -> Pipeline:
    """`Tracing.traced` with the process's tracer provider: each turn is a trace of its own."""
    return Tracing().traced(pipeline, agent=agent)


def has_provider() -> bool:
    """Whether anybody in this process has set up what spans are for."""
    return not isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider
    )


class _Invocation:
    """One invocation of a pipeline, and the calls that it has open."""

    def __init__(self, tracer: Tracer, turn: Turn, agent: str, parent: context.Context) -> None:
        self._tracer, self._turn, self._parent = tracer, turn, parent
        self._calls: dict[str, Span] = {}
        self._began_s: float | None = time.monotonic()
        self._span = tracer.start_span(
            f"{names.INVOKE_AGENT} {agent}",
            parent,
            SpanKind.INTERNAL,
            {
                names.OPERATION: names.INVOKE_AGENT,
                names.AGENT: agent,
                names.CONVERSATION: turn.session_id,
                names.TURN: turn.id,
                names.ATTEMPT: turn.attempt,
                names.KIND: turn.kind,
                names.RESUMED: turn.decisions is not None,
                names.WAITED_S: turn.waited_s,
            },
        )
        self._context = trace.set_span_in_context(self._span, parent)

    async def run(self, stream: Stream) -> AsyncGenerator[Any, None]:
        """What the pipeline yields, unchanged."""
        status, outputs = "stopped", None
        try:
            self._go_on()
            outputs = self._within(lambda: stream(self._turn))
            while True:
                try:
                    output = await self._step(outputs.__anext__)
                except StopAsyncIteration:
                    status = "completed"
                    return
                if isinstance(output, RequestApproval):
                    status = "suspended"
                self._see(output)
                yield output
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:
            status = "failed"
            self._fail(self._span, type(error).__qualname__)
            raise
        finally:
            try:
                if (close := getattr(outputs, "aclose", None)) is not None:
                    await self._step(close)
            finally:
                self._end(status)

    async def _step(self, step: Callable[[], Any]) -> Any:
        """Go on for one output. Between two, nobody else is to find this span the current one."""
        token = context.attach(self._context)
        try:
            return await step()
        finally:
            context.detach(token)

    def _within(self, call: Callable[[], Any]) -> Any:
        token = context.attach(self._context)
        try:
            return call()
        finally:
            context.detach(token)

    def _go_on(self) -> None:
        """What people have approved is being done now."""
        approved = self._turn.decisions or {}
        for line in self._turn.progress:
            if isinstance(line, ToolCall) and approved.get(line.id):
                self._open(line)

    def _see(self, output: Any) -> None:
        if self._began_s is not None and isinstance(output, str | TextDelta | Message):
            self._span.set_attribute(names.FIRST_CHUNK_S, time.monotonic() - self._began_s)
            self._began_s = None
        if isinstance(output, ToolCall):
            self._open(output)
        elif isinstance(output, ToolResult):
            self._close(output)

    def _open(self, call: ToolCall) -> None:
        told = {names.OPERATION: names.EXECUTE_TOOL, names.TOOL: call.name}
        told |= {names.CONVERSATION: self._turn.session_id}
        if call.id:
            told[names.TOOL_CALL] = call.id
        name = f"{names.EXECUTE_TOOL} {call.name}"
        span = self._tracer.start_span(name, self._context, SpanKind.INTERNAL, told)
        self._calls[call.id or f"\0{id(span)}"] = span

    def _close(self, result: ToolResult) -> None:
        key = result.id or next(iter(self._calls), "")  # without an id: the one that is open
        span = self._calls.pop(key, None)
        if span is None:
            return
        if result.failed:
            self._fail(span, "tool_failed")
        span.end()

    def _end(self, status: str) -> None:
        for span in self._calls.values():
            self._fail(span, "no_result")
            span.end()
        self._span.set_attribute(names.STATUS, status)
        self._span.end()

    def _fail(self, span: Span, kind: str) -> None:
        span.set_attribute(names.ERROR_TYPE, kind)
        span.set_status(Status(StatusCode.ERROR))


def _is_in_a_trace(of: context.Context) -> bool:
    return trace.get_current_span(of).get_span_context().is_valid
