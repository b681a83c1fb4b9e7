"""Frames: what a session is shown, and which of them it takes."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from ..errors import BadFrame, ConfigError
from .images import MIMES, Mime, is_of_type, size_of

MAX_RECENT: Final = 64
"""Frames that a session may be set up to keep."""

MAX_BYTES: Final = 4 << 20
"""Bytes of a frame that a session may be set up to take."""

MAX_PIXELS: Final = 65_535
"""Of a side, as a session may be set up to take: the most that a JPEG can have."""

HOUR_MS: Final = 3_600_000


class VisualSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which frames a session takes, and how many it keeps; fixed when it is created.

    A session holds at most `max_recent` frames, and 64 for all its watches together: of
    `max_bytes` each, by default 36 MiB in the worst case and 4 MiB without watches. Until the
    journal has taken what came before them, up to 64 more are on their way to the watches. What
    waits in its mailbox comes on top.

    Raises:
        ConfigError: a value out of range; it names the field.
    """

    max_recent: int = 8
    """Frames kept for pipelines to look at; 0 and less is 1 (spec V23)."""

    min_interval_ms: int = 1000
    """Between two accepted frames; 0: any. `Config.min_frame_interval_ms` may demand more."""

    ttl_ms: int = 10_000
    """How old a frame may be for whoever asks for the recent ones without saying how old."""

    max_bytes: int = 512 * 1024
    """Of one frame's data."""

    max_width: int = 4096
    max_height: int = 4096

    types: tuple[Mime, ...] = ("image/jpeg",)
    """The types of images that are taken."""

    def __post_init__(self) -> None:
        self._require_int("max_recent", -(2**63), MAX_RECENT)
        self._require_int("max_bytes", 1, MAX_BYTES)
        for field in ("min_interval_ms", "ttl_ms"):
            self._require_int(field, 0, HOUR_MS)
        for field in ("max_width", "max_height"):
            self._require_int(field, 1, MAX_PIXELS)
        types: Any = self.types
        if type(types) is not tuple or not types or any(mime not in MIMES for mime in types):
            raise ConfigError("types", types, f"a tuple of one or more of {', '.join(MIMES)}")

    def _require_int(self, field: str, least: int, most: int) -> None:
        value = getattr(self, field)
        if type(value) is not int or not least <= value <= most:
            raise ConfigError(field, value, f"an integer from {least} to {most}")


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One picture of a source, such as `camera` or `screen`.

    `timestamp_ms` and `frame_seq` are the client's own, passed through; `received_at` is when the
    session took it, in UTC milliseconds, whatever was given. Nothing of it can be changed, so one
    object is shared by the session and all who are shown it: that is as good as a copy for each
    (spec V18, V26).
    """

    data: bytes
    mime: str
    width: int
    height: int
    source: str
    timestamp_ms: int = 0
    frame_seq: int = 0
    received_at: int = 0

    def __repr__(self) -> str:
        size = f"{self.width}x{self.height}"
        return f"<Frame {self.frame_seq} of {self.source}: {size} {self.mime}, {len(self.data)} B>"


Refusal: TypeAlias = Literal["", "too_early", "not_started"]
"""Why a frame was not accepted, if it was not.

too_early: the last accepted one is not old enough; try again later. not_started: its source is not
the one that is started (any more); start it."""


class FrameReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a frame was accepted, and else why not: nothing has changed then."""

    accepted: bool
    reason: Refusal = ""


def check_frame(frame: Frame, limits: VisualSettings) -> None:
    """Refuse a frame that a session with these `limits` never takes.

    Its data must be an image of the declared type, by its first bytes, and of the declared size,
    by its header. Looks at the header only: what follows it may still be broken.

    Raises:
        BadFrame: it names the field and the limit.
    """
    data = frame.data
    mime = next((mime for mime in limits.types if mime == frame.mime), None)
    if mime is None:
        raise BadFrame("mime", frame.mime, f"of {', '.join(limits.types)}")
    if not 0 < len(data) <= limits.max_bytes:
        raise BadFrame("data", f"{len(data)} bytes", f"1 to {limits.max_bytes} bytes")
    _require_side("width", frame.width, limits.max_width)
    _require_side("height", frame.height, limits.max_height)
    if not is_of_type(data, mime):
        raise BadFrame("data", data[:12], f"{mime}, by its first bytes")
    size = size_of(data, mime)
    if size is None:
        raise BadFrame("data", data[:12], f"{mime} with a whole header that tells its size")
    _require_real("width", frame.width, size[0])
    _require_real("height", frame.height, size[1])


def _require_side(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise BadFrame(field, value, f"1 to {most} pixels")


def _require_real(field: str, declared: int, real: int) -> None:
    if declared != real:
        raise BadFrame(field, declared, f"{real}, as the header of the data says")
