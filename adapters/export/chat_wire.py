"""Lines of a transcript in the shape that chat models are widely trained and called with.

See https://platform.openai.com/docs/api-reference/chat/create (`messages`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ...actors.session.transcript import Line, Message, ToolCall, ToolResult
from .shapes import AsText, Each, Leaf, Object

_CALL: Final = Object(
    {
        "id": Leaf.TEXT,
        "type": Leaf.OWN,
        "function": Object({"name": Leaf.TEXT, "arguments": AsText(Leaf.FREE)}),
    }
)

CHAT: Final = Each(
    Object(
        {
            "role": Leaf.OWN,
            "content": AsText(Object({"error": Leaf.FREE}, more=True)),
            "tool_calls": Each(_CALL),
            "tool_call_id": Leaf.TEXT,
        }
    )
)
"""What `chat_wire` gives. Arguments and results are exported as text, and are objects until every
string in them has been redacted: in their JSON it would be escaped."""


def chat_wire(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """The messages, each with its `role` and `content`.

    Calls that follow each other are one message, with `tool_calls`, and their results stand behind
    it, as messages of the role `tool`, also if more calls had been made before the last of them
    came. A result that failed, or is a stub, is `{"error": ...}`. A call may be left open. Parts
    are shared with the lines.
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
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _content(result: ToolResult) -> Any:
    """Null is written out: a message of the role `tool` must say something."""
    if result.failed:
        return {"error": result.value}
    return "null" if result.value is None else result.value
