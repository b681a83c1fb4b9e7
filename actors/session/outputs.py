"""What a pipeline may yield, checked and copied at the door."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from ..errors import InvalidInput
from .approvals import check_call
from .phases import settable
from .transcript import Message, PhaseChange, TextDelta, ToolCall, ToolResult
from .values import MAX_NAME, MAX_TIME_MS, plain, text

Kept: TypeAlias = str | Message | ToolCall | ToolResult | PhaseChange


def check_output(output: Any) -> Kept:
    """A pipeline's output with its free-form values copied. Raises InvalidInput."""
    match output:
        case str():
            return text(output, "text")
        case TextDelta(text=piece, key=key):
            text(key, "key", MAX_NAME)
            return text(piece, "text")
        case Message(text=whole, key=key, at_ms=at_ms):
            text(whole, "message text")
            text(key, "key", MAX_NAME)
            if type(at_ms) is not int or not 0 <= at_ms <= MAX_TIME_MS:
                limit = "UTC milliseconds up to the year 9999, or 0 for now"
                raise InvalidInput("at_ms", at_ms, limit)
            return output
        case ToolCall():
            return check_call(output)
        case ToolResult(value=value, id=call, failed=failed):
            if type(failed) is not bool:
                raise InvalidInput("failed", failed, "True or False")
            return ToolResult(value=plain(value, "value"), id=text(call, "id"), failed=failed)
        case PhaseChange(phase=phase):
            return PhaseChange(settable(phase))
        case _:
            limit = (
                "a str, TextDelta, ToolCall, ToolResult, Message, PhaseChange or RequestApproval"
            )
            raise InvalidInput("pipeline output", type(output).__name__, limit)


def size_of(kept: Kept) -> int:
    """About how many bytes an output takes in the journal."""
    match kept:
        case str(text) | Message(text=text):
            return len(text) if text.isascii() else len(text.encode())
        case ToolCall(arguments=value) | ToolResult(value=value):
            return len(msgspec.msgpack.encode(value))
        case PhaseChange():
            return 0
