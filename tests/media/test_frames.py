"""Which frames are no frames: types, sizes, first bytes and headers (spec, further rules)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.pictures import (
    JPEG_1X1,
    WEBP_LOSSLESS_1X1,
    WEBP_LOSSY_1X1,
    extended,
    frame,
    jpeg,
    lossless,
    lossy,
    png,
    segment,
    webp,
)

from greenroom.actors.errors import BadFrame, ConfigError, InvalidInput, Refused
from greenroom.actors.session.frames import Frame, VisualSettings, check_frame
from greenroom.actors.session.images import MAX_MARKERS, MIMES, Mime, is_of_type, size_of
from greenroom.actors.session.settings import Settings

ALL = VisualSettings(types=MIMES, max_bytes=100_000)
FILL = b"\xff"


def refusal(given: Frame, limits: VisualSettings = ALL) -> BadFrame:
    with pytest.raises(BadFrame) as refused:
        check_frame(given, limits)
    return refused.value


# --- what headers tell ---------------------------------------------------------------------------

PICTURES: list[tuple[Mime, bytes, tuple[int, int]]] = [
    ("image/jpeg", JPEG_1X1, (1, 1)),
    ("image/jpeg", jpeg(640, 480), (640, 480)),
    ("image/jpeg", jpeg(65535, 1, sof=0xC2), (65535, 1)),
    ("image/jpeg", jpeg(7, 9, segment(0xE1, bytes(65533)), segment(0xC4, bytes(40))), (7, 9)),
    ("image/jpeg", jpeg(7, 9, FILL * 3, segment(0xDB, bytes(65))), (7, 9)),
    ("image/jpeg", jpeg(7, 9, b"\xff\x01", b"\xff\xd0"), (7, 9)),
    ("image/png", png(1, 1), (1, 1)),
    ("image/png", png(300, 200), (300, 200)),
    ("image/webp", WEBP_LOSSY_1X1, (1, 1)),
    ("image/webp", WEBP_LOSSLESS_1X1, (1, 1)),
    ("image/webp", lossy(640, 480), (640, 480)),
    ("image/webp", lossy(640 | 0x4000, 480 | 0xC000), (640, 480)),  # with upscaling hints
    ("image/webp", lossless(16384, 3), (16384, 3)),
    ("image/webp", lossless(3, 16384), (3, 16384)),
    ("image/webp", extended(70_000, 2), (70_000, 2)),
]


@pytest.mark.parametrize(("mime", "data", "size"), PICTURES)
def test_the_header_tells_type_and_size(mime: Mime, data: bytes, size: tuple[int, int]) -> None:
    assert [kind for kind in MIMES if is_of_type(data, kind)] == [mime]
    assert size_of(data, mime) == size


@pytest.mark.parametrize(
    ("mime", "data"),
    [
        ("image/jpeg", b"\xff\xd8\xff"),
        ("image/jpeg", jpeg(4, 3)[:20]),
        ("image/jpeg", jpeg(4, 3, sof=0xC4)),  # a table where the frame should be
        ("image/jpeg", jpeg(4, 3, b"\xff\xd9")),
        ("image/jpeg", jpeg(4, 3, b"\xff\x00")),
        ("image/jpeg", jpeg(4, 3, b"no marker")),
        ("image/jpeg", jpeg(4, 3, b"\xff\xe1\x00\x01")),  # shorter than its own length
        ("image/png", png(4, 3)[:23]),
        ("image/png", png(4, 3).replace(b"IHDR", b"IDAT")),
        ("image/webp", b"RIFF\x04\0\0\0WEBP"),
        ("image/webp", webp(b"ALPH", bytes(20))),
        ("image/webp", webp(b"VP8 ", bytes(20))),
        ("image/webp", webp(b"VP8L", bytes(20))),
        ("image/webp", lossy(4, 3)[:29]),
        ("image/webp", lossless(4, 3)[:24]),
        ("image/webp", extended(4, 3)[:29]),
    ],
)
def test_a_header_that_is_not_whole_is_refused(mime: Mime, data: bytes) -> None:
    assert is_of_type(data, mime)
    assert size_of(data, mime) is None
    refused = refusal(frame(data=data, mime=mime))
    assert refused.field == "data"
    assert refused.limit == f"{mime} with a whole header that tells its size"


@pytest.mark.parametrize("fill", [FILL, segment(0xFE, b""), b"\xff\xd0"])
def test_no_more_places_are_looked_at_than_a_camera_writes(fill: bytes) -> None:
    """APP0 is one place, and the frame header is the last one."""
    assert size_of(jpeg(4, 3, fill * (MAX_MARKERS - 2)), "image/jpeg") == (4, 3)
    assert size_of(jpeg(4, 3, fill * (MAX_MARKERS - 1)), "image/jpeg") is None


class Counted(bytes):
    """Bytes that count how often a part of them is looked at."""

    looks = 0

    def __getitem__(self, where: Any) -> Any:
        Counted.looks += 1
        return super().__getitem__(where)


@pytest.mark.parametrize("fill", [FILL, segment(0xFE, b""), b"\xff\xd0"])
def test_hostile_data_costs_no_more_than_the_bound(fill: bytes) -> None:
    Counted.looks = 0

    assert size_of(Counted(jpeg(4, 3, fill * 200_000)), "image/jpeg") is None

    assert Counted.looks <= MAX_MARKERS


MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF\0\0\0\0WEBP", b"")


@given(
    st.sampled_from(MIMES),
    st.sampled_from(MAGIC),
    st.lists(
        st.binary(max_size=24)
        | st.sampled_from([b"VP8 ", b"VP8L", b"VP8X", b"\xff", b"\xff\xe0\0\x02", b"\xff\xc0"]),
        max_size=12,
    ),
)
def test_no_bytes_raise_anything_but_the_refusal(
    mime: Mime, magic: bytes, parts: list[bytes]
) -> None:
    data = magic + b"".join(parts)
    size = size_of(data, mime)
    assert size is None or all(0 <= side < 2**32 for side in size)

    try:
        check_frame(frame(data=data, mime=mime), ALL)
    except BadFrame:
        return
    assert is_of_type(data, mime)
    assert size == (4, 3)


@given(st.sampled_from(PICTURES), st.data())
def test_a_picture_that_was_cut_off_or_damaged_raises_nothing_else(
    picture: tuple[Mime, bytes, tuple[int, int]], draw: Any
) -> None:
    mime, data, _ = picture
    at = draw.draw(st.integers(0, min(len(data) - 1, 200)))
    data = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    if draw.draw(st.booleans()):
        data = data[: draw.draw(st.integers(0, 200))]
    try:
        check_frame(frame(data=data, mime=mime, width=1, height=1), ALL)
    except BadFrame:
        return
    assert size_of(data, mime) == (1, 1)


# --- what a session takes ------------------------------------------------------------------------


@pytest.mark.parametrize(("mime", "data", "size"), PICTURES[:14])
def test_a_picture_that_is_what_it_says_is_taken(
    mime: Mime, data: bytes, size: tuple[int, int]
) -> None:
    width, height = size
    wide = VisualSettings(types=MIMES, max_width=65_535, max_height=65_535)

    check_frame(frame(data=data, mime=mime, width=width, height=height), wide)


def test_only_jpeg_is_taken_unless_other_types_are_set() -> None:
    check_frame(frame(), VisualSettings())

    refused = refusal(frame(data=png(4, 3), mime="image/png"), VisualSettings())
    assert (refused.field, refused.value, refused.limit) == ("mime", "image/png", "of image/jpeg")
    check_frame(frame(data=png(4, 3), mime="image/png"), VisualSettings(types=("image/png",)))


@pytest.mark.parametrize("mime", ["", "image/jpg", "IMAGE/JPEG", "image/gif", "image/jpeg "])
def test_a_type_is_one_of_those_that_are_set(mime: str) -> None:
    assert refusal(frame(mime=mime)).field == "mime"


def test_data_is_not_empty_and_no_longer_than_the_limit() -> None:
    data = jpeg(4, 3)
    check_frame(frame(data=data), VisualSettings(max_bytes=len(data)))

    for wrong, limit in ((b"", 100), (data, len(data) - 1)):
        refused = refusal(frame(data=wrong), VisualSettings(max_bytes=limit))
        assert (refused.field, refused.value) == ("data", f"{len(wrong)} bytes")
        assert refused.limit == f"1 to {limit} bytes"


@pytest.mark.parametrize("side", ["width", "height"])
def test_a_side_is_within_its_limit(side: str) -> None:
    limits = VisualSettings(max_width=4, max_height=3)
    check_frame(frame(), limits)

    for value in (0, -1, 5):
        refused = refusal(frame(**{side: value}), limits)
        assert (refused.field, refused.value) == (side, value)
        assert refused.limit == f"1 to {4 if side == 'width' else 3} pixels"


@pytest.mark.parametrize(("side", "real"), [("width", 4), ("height", 3)])
def test_a_side_is_as_the_data_says(side: str, real: int) -> None:
    refused = refusal(frame(**{side: real + 1}))

    assert (refused.field, refused.value) == (side, real + 1)
    assert refused.limit == f"{real}, as the header of the data says"


def test_a_small_declaration_hides_no_large_picture() -> None:
    assert refusal(frame(data=jpeg(65535, 65535)), VisualSettings()).field == "width"


@pytest.mark.parametrize("mime", MIMES)
def test_the_first_bytes_are_those_of_the_declared_type(mime: Mime) -> None:
    for other, data, (width, height) in PICTURES[:14]:
        given = frame(data=data, mime=mime, width=width, height=height)
        if other != mime and max(width, height) <= 4096:
            refused = refusal(given)
            assert (refused.field, refused.limit) == ("data", f"{mime}, by its first bytes")


def test_a_bad_frame_is_a_refusal_with_a_code_and_shows_no_picture() -> None:
    refused = refusal(frame(data=bytes(90_000)))

    assert refused.code == "bad_frame"
    assert isinstance(refused, InvalidInput | Refused)
    assert len(str(refused)) < 200


# --- frames and settings -------------------------------------------------------------------------


def test_v04_a_frame_has_its_eight_fields_and_cannot_be_changed() -> None:
    assert Frame.__struct_fields__ == (
        *("data", "mime", "width", "height", "source", "timestamp_ms", "frame_seq", "received_at"),
    )
    with pytest.raises(AttributeError):
        frame().data = b""  # type: ignore[misc]


def test_a_frame_is_shown_without_its_data() -> None:
    shown = repr(frame(data=bytes(500_000)))

    assert shown == "<Frame 1 of camera: 4x3 image/jpeg, 500000 B>"


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("max_recent", -(2**63), 64),
        ("min_interval_ms", 0, 3_600_000),
        ("ttl_ms", 0, 3_600_000),
        ("max_bytes", 1, 4 << 20),
        ("max_width", 1, 65_535),
        ("max_height", 1, 65_535),
    ],
)
def test_each_limit_has_its_range(field: str, least: int, most: int) -> None:
    for value in (least, most):
        assert getattr(VisualSettings(**{field: value}), field) == value
    for wrong in (least - 1, most + 1, True, 1.0, "1", None):
        with pytest.raises(ConfigError) as refused:
            VisualSettings(**{field: wrong})
        assert refused.value.field == field


@pytest.mark.parametrize("types", [(), ("image/gif",), ["image/jpeg"], "image/jpeg", None])
def test_the_types_are_of_those_that_are_known(types: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        VisualSettings(types=types)

    assert refused.value.field == "types"


def test_the_settings_of_a_session_hold_them_and_come_back_as_they_were() -> None:
    settings = Settings(visual=VisualSettings(types=MIMES, max_recent=0, min_interval_ms=0))

    body = msgspec.msgpack.encode(settings)

    assert msgspec.msgpack.decode(body, type=Settings) == settings
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(Settings()), type=Settings).visual is None
    with pytest.raises(ConfigError) as refused:
        Settings(visual={"max_recent": 3})  # type: ignore[arg-type]
    assert refused.value.field == "visual"
