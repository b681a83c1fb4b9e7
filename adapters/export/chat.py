"""Conversations for fine-tuning, in the shape that chat models are widely trained with.

See https://platform.openai.com/docs/api-reference/chat/create (`messages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...actors.errors import SessionDamaged
from ...actors.session.audit import audit
from ...actors.session.state import State
from ...actors.session.transcript import Line, Message, ToolCall, ToolResult
from ...supervisor.recording import Recording
from .shapes import AsText, Each, Leaf, Object

_CALL: Final = Object(
    {
        "id": Leaf.TEXT,
        "type": Leaf.OWN,
        "function": Object({"name": Leaf.TEXT, "arguments": AsText(Leaf.FREE)}),
    }
)

_MESSAGE: Final = Object(
    {
        "role": Leaf.OWN,
        "content": AsText(Object({"error": Leaf.FREE}, more=True)),
        "tool_calls": Each(_CALL),
        "tool_call_id": Leaf.TEXT,
    }
)

SHAPE: Final = Object({"messages": Each(_MESSAGE)})


def chat_records(recording: Recording) -> Iterator[dict[str, Any]]:
    """One record: `messages` as a model must see them; none for a session without a transcript.

    Calls that follow each other are one assistant message, and their results stand behind it, also
    if more calls had been made before the last of them came. A result that is text stands as it
    is, any other as JSON. One that failed, or is a stub, is `{"error": ...}`, and so is that of a
    call which is still open. Raises SessionDamaged for a transcript that no model takes.
    """
    _require_valid(recording.state)
    messages = list(_messages(recording.state.history))
    if messages:
        yield {"messages": messages}


def _require_valid(state: State) -> None:
    for problem in audit(state.history, state.running.turn if state.running else None):
        why = f"line {problem.line} of its transcript: {problem.what}"
        raise SessionDamaged(state.id, revision=state.revision, why=why)


def _messages(history: list[Line]) -> Iterator[dict[str, Any]]:
    group = _Group()
    for line in history:
        match line:
            case Message():
                yield from group.end()
                yield {"role": line.role, "content": line.text}
            case ToolCall():
                if group.closed:
                    yield from group.end()
                group.call(line)
            case ToolResult():
                group.answer(line)
    yield from group.end()


class _Group:
    """Calls that are one message, and their results: ids are of one turn."""

    def __init__(self) -> None:
        self._calls: dict[str, ToolCall] = {}
        self._results: dict[str, ToolResult] = {}

    @property
    def closed(self) -> bool:
        return len(self._results) == len(self._calls)

    def call(self, call: ToolCall) -> None:
        self._calls[call.id] = call

    def answer(self, result: ToolResult) -> None:
        self._results[result.id] = result

    def end(self) -> Iterator[dict[str, Any]]:
        if self._calls:
            calls = list(map(_call, self._calls.values()))
            yield {"role": "assistant", "content": None, "tool_calls": calls}
        for call in self._calls:
            answer = _content(self._results.get(call))
            yield {"role": "tool", "content": answer, "tool_call_id": call}
        self._calls.clear()
        self._results.clear()


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _content(result: ToolResult | None) -> Any:
    if result is None or result.failed:
        return {"error": None if result is None else result.value}
    return "null" if result.value is None else result.value
