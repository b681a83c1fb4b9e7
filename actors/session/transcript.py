"""What a conversation is made of, and what a pipeline yields to add to it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from .values import copied

Role: TypeAlias = Literal["user", "assistant", "system"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag="message", omit_defaults=True):
    """Something said. A pipeline yields `Message(text=...)` to say it at once, without deltas.

    `turn` is the turn it belongs to, 0 for none. `at_ms` is UTC milliseconds. `interrupted` marks
    an answer that was cut short: it holds what had been produced by then. `author`, `turn` and
    `at_ms` are filled in by the session.
    """

    text: str
    role: Role = "assistant"
    author: str | None = None
    turn: int = 0
    at_ms: int = 0
    interrupted: bool = False


class TextDelta(msgspec.Struct, frozen=True, tag="text_delta"):
    """A piece of the answer, published at once. The pieces join to one message. Same as `str`."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call", omit_defaults=True):
    """The pipeline calls a tool. `id` pairs it with its result; the session makes one if empty.

    `arguments` is plain data (see `values.plain`) and is copied when yielded.
    """

    name: str
    arguments: dict[str, Any] = {}
    id: str = ""
    turn: int = 0


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result", omit_defaults=True):
    """What a tool answered. `id` names the call; empty means the one call that is still open.

    `stub` marks a result that the session wrote because the turn ended without one.
    """

    value: Any = None
    id: str = ""
    failed: bool = False
    stub: bool = False
    turn: int = 0


def own(line: Line) -> Line:
    """`line`, sharing nothing that can be changed with the one given."""
    match line:
        case ToolCall(arguments=arguments) if arguments:
            return msgspec.structs.replace(line, arguments=copied(arguments))
        case ToolResult(value=list() | dict() as value):
            return msgspec.structs.replace(line, value=copied(value))
        case _:
            return line


Line: TypeAlias = Message | ToolCall | ToolResult
"""One line of a transcript, in the order in which a model must see them."""

Output: TypeAlias = str | TextDelta | ToolCall | ToolResult | Message
"""What a pipeline may yield."""
