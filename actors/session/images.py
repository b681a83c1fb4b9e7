"""What the first bytes of an image tell: its type and its size. Nothing is decoded."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, assert_never, get_args

Mime: TypeAlias = Literal["image/jpeg", "image/png", "image/webp"]

MIMES: Final[tuple[Mime, ...]] = get_args(Mime)

MAX_MARKERS: Final = 256
"""Markers of a JPEG that are looked at before its size: a camera writes about ten, and one segment
holds up to 64 KiB."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_IHDR: Final = b"\x00\x00\x00\x0dIHDR"
_SIZED: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's start-of-frame markers (ITU T.81, table B.1)."""

_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG's markers that no segment follows."""

_AT_END: Final = frozenset({0x00, 0xD9, 0xDA})
"""A JPEG's end, its scan, and what is no marker: no size comes after these."""

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


def is_of_type(data: bytes, mime: Mime) -> bool:
    """Whether `data` begins as an image of this type does."""
    match mime:
        case "image/jpeg":
            return data[:3] == b"\xff\xd8\xff"
        case "image/png":
            return data[:8] == _PNG
        case "image/webp":
            return data[:4] == b"RIFF" and data[8:12] == b"WEBP"
        case _:
            assert_never(mime)


def size_of(data: bytes, mime: Mime) -> Size | None:
    """The size that the header of an image of this type tells; None if it tells none.

    Looks at no more than `MAX_MARKERS` places, whatever the bytes are, and raises nothing.
    """
    match mime:
        case "image/jpeg":
            return _jpeg(data)
        case "image/png":
            return (_big(data[16:20]), _big(data[20:24])) if _has_ihdr(data) else None
        case "image/webp":
            return _webp(data)
        case _:
            assert_never(mime)


def _has_ihdr(data: bytes) -> bool:
    return len(data) >= 24 and data[8:16] == _IHDR


def _jpeg(data: bytes) -> Size | None:
    """Go from marker to marker until the start of the frame. Each step is bounded: a fill byte
    (T.81, B.1.1.2) is one, and so costs what a segment does."""
    at = 2
    for _ in range(MAX_MARKERS):
        head = data[at : at + 9]
        if len(head) < 9 or head[0] != 0xFF:
            return None
        marker, length = head[1], _big(head[2:4])
        if marker in _SIZED:
            return _big(head[7:9]), _big(head[5:7])
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _AT_END or length < 2:
            return None
        else:
            at += 2 + length
    return None


def _webp(data: bytes) -> Size | None:
    """The size in the first chunk (RFC 9649, sections 2.5 to 2.7; RFC 6386, section 9.1)."""
    body = data[20:30]
    match data[12:16]:
        case b"VP8 " if len(body) == 10 and body[3:6] == b"\x9d\x01\x2a":
            return _little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF
        case b"VP8L" if len(body) >= 5 and body[0] == 0x2F:
            bits = _little(body[1:5])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X" if len(body) == 10:
            return _little(body[4:7]) + 1, _little(body[7:10]) + 1
        case _:
            return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
