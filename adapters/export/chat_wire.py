"""Lines of a transcript in the shape in which chat models are trained and called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ...actors.session.transcript import Line, Message, ToolCall, ToolResult


def chat_wire(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """The messages, each with its `role` and `content`.

    Calls that follow each other are one message, with `tool_calls`, whose arguments are JSON text;
    their results stand behind it, as messages of the role `tool`: text as it is, any other value
    as JSON, and `{"error": ...}` of one that failed, or is a stub. A call may be left open.
    """
    chat: list[dict[str, Any]] = []
    group: list[ToolCall | ToolResult] = []
    unanswered = 0
    for line in lines:
        if isinstance(line, Message) or (isinstance(line, ToolCall) and not unanswered):
            chat += _grouped(group)
            group, unanswered = [], 0
        if isinstance(line, Message):
            chat.append({"role": line.role, "content": line.text})
        else:
            unanswered += 1 if isinstance(line, ToolCall) else -1
            group.append(line)
    return [*chat, *_grouped(group)]


def _grouped(group: Sequence[ToolCall | ToolResult]) -> Iterator[dict[str, Any]]:
    calls = [line for line in group if isinstance(line, ToolCall)]
    if calls:
        yield {"role": "assistant", "content": None, "tool_calls": list(map(_call, calls))}
    for line in group:
        if isinstance(line, ToolResult):
            yield {"role": "tool", "content": _content(line), "tool_call_id": line.id}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": _json(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _content(result: ToolResult) -> str:
    value = {"error": result.value} if result.failed else result.value
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
