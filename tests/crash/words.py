"""How a victim and its killer name what they talk about."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec


def digest(value: Any) -> int:
    """Of a text, or of an event as it is encoded."""
    return crc32(msgspec.msgpack.encode(value))
