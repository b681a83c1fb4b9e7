"""Free-form values: copied in exactly, or refused (promise P22)."""

from __future__ import annotations

import math
from typing import Any, Final

from ..errors import InvalidInput
from ..ports import SESSION_ID

MAX_DEPTH: Final = 64
"""Lists and dicts within each other. Also what a value that holds itself runs into."""

MAX_VALUES: Final = 100_000
"""Values in one, counted as often as they are held: a list may hold itself twice over, and over."""

MAX_TEXT_BYTES: Final = 256 * 1024
"""UTF-8 bytes of one message or one string."""

MAX_NAME: Final = 128
"""Characters of a user id or a name."""

MAX_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: what dates of four digits can tell."""


def plain(value: Any, field: str) -> Any:
    """A deep copy of `value`, which survives the journal and every client unchanged.

    Taken are None, bool, int of 64 bits, finite float, str that is valid Unicode, list, and dict
    with such str as keys. What an encoder would quietly turn into something else is refused:
    tuples and sets (lists), NaN and infinity (null), other keys (text), any other object.

    Raises:
        InvalidInput: naming the path of the offender, as in `arguments.rooms[2]`.
    """
    return _plain(value, field, MAX_DEPTH, [MAX_VALUES])


def copied(value: Any) -> Any:
    """A deep copy of a value that is plain already."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def _plain(value: Any, field: str, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise InvalidInput(field, "...", f"of at most {MAX_VALUES:,} values in all")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return text(value, field)
    if kind is int:
        if -(2**63) <= value < 2**64:
            return value
        raise InvalidInput(field, value, "an integer of at most 64 bits")
    if kind is float:
        if math.isfinite(value):
            return value
        raise InvalidInput(field, value, "a finite number")
    if depth == 0:
        raise InvalidInput(field, "...", f"at most {MAX_DEPTH} levels deep")
    if kind is list:
        return [_plain(item, f"{field}[{i}]", depth - 1, left) for i, item in enumerate(value)]
    if kind is dict:
        return {
            text(key, f"a key of {field}"): _plain(item, f"{field}.{key}", depth - 1, left)
            for key, item in value.items()
        }
    raise InvalidInput(field, kind.__name__, "None, bool, int, float, str, list or dict")


def text(value: Any, field: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """`value`, which is Unicode text of at most `max_bytes` bytes of UTF-8. Raises InvalidInput."""
    if type(value) is not str:
        raise InvalidInput(field, type(value).__name__, "text")
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise InvalidInput(field, value, "valid Unicode, without lone surrogates") from None
    if size > max_bytes:
        raise InvalidInput(field, value[:60], f"at most {max_bytes} bytes of UTF-8, not {size}")
    return value


def name(value: Any, field: str) -> str:
    """`value`, which is a user id or a name: 1 to 128 printable characters. Raises InvalidInput."""
    if type(value) is not str or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise InvalidInput(field, value, f"1 to {MAX_NAME} printable characters")
    return value  # a lone surrogate is not printable


def session_id(value: Any) -> str:
    """`value`, which may name a session. Raises InvalidInput."""
    if type(value) is not str or not SESSION_ID.fullmatch(value):
        raise InvalidInput(
            "session id",
            value,
            "1 to 128 of A-Z a-z 0-9 . _ : @ ~ -, beginning with a letter or digit",
        )
    return value
