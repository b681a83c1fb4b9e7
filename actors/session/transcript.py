"""What a conversation is made of, and what a pipeline yields to add to it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from .phases import Phase
from .values import copied

Role: TypeAlias = Literal["user", "assistant", "system"]


class Message(
    msgspec.Struct, frozen=True, kw_only=True, tag="message", omit_defaults=True, gc=False
):
    """Something said. A pipeline yields `Message(text=...)` to say it at once, without deltas.

    `turn` is the turn it belongs to, 0 for none. `at_ms` is UTC milliseconds. `interrupted` marks
    an answer that was cut short: it holds what had been produced by then, of which readers had
    seen the first `delivered` characters, if they tell. `author` and `turn` are filled in by the
    session, and `at_ms` if it is 0 (spec V15).

    `key` names the answer to a turn that was sent with an `answer_key`. The keyed answer of a turn
    that was interrupted may come late: it is placed in its own turn (spec V16, barge-in).
    """

    text: str
    role: Role = "assistant"
    author: str | None = None
    turn: int = 0
    at_ms: int = 0
    interrupted: bool = False
    key: str = ""
    delivered: int | None = None


class ImportedMessage(Message, frozen=True, kw_only=True, tag="imported", omit_defaults=True):
    """A message that was taken over from a stored session: a `Message` with what it had there.

    `language` is its own, whatever the session's is. `unknown` are the fields that greenroom does
    not know (spec SX4). `source_role` is a role that is none of the three: the transcript has the
    message as said by the assistant, as it is neither a person's nor may it instruct a model.
    """

    language: str
    source_role: str | None = None
    unknown: dict[str, Any] | None = None


class TextDelta(msgspec.Struct, frozen=True, tag="text_delta"):
    """A piece of the answer, published at once. The pieces join to one message. Same as `str`.

    `key`: as of `Message`. A piece that bears the key of another turn is dropped.
    """

    text: str
    key: str = ""


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


class RequestApproval(msgspec.Struct, frozen=True, kw_only=True, tag="request_approval"):
    """The pipeline wants people to decide on tool calls before it makes them.

    It is the last thing a pipeline yields: the turn is suspended, durably, and the generator is
    closed. When somebody has decided, or `expires_s` have passed, the pipeline is invoked again
    with `turn.decisions`, and with `saved` in `turn.saved`: bytes, or plain data.
    """

    calls: list[ToolCall]
    saved: Any = None
    expires_s: float | None = None


class PhaseChange(msgspec.Struct, frozen=True, tag="phase_change"):
    """The pipeline moves its voice session to a phase. If it may not go there, the turn fails."""

    phase: Phase


def own(line: Line) -> Line:
    """`line`, sharing nothing that can be changed with the one given."""
    match line:
        case ToolCall(arguments=arguments) if arguments:
            return msgspec.structs.replace(line, arguments=copied(arguments))
        case ToolResult(value=list() | dict() as value):
            return msgspec.structs.replace(line, value=copied(value))
        case ImportedMessage(unknown=dict() as unknown):
            return msgspec.structs.replace(line, unknown=copied(unknown))
        case _:
            return line


Line: TypeAlias = Message | ToolCall | ToolResult | ImportedMessage
"""One line of a transcript, in the order in which a model must see them."""

Output: TypeAlias = (
    str | TextDelta | ToolCall | ToolResult | Message | RequestApproval | PhaseChange
)
"""What a pipeline may yield."""
