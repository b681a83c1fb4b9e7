"""What people show a session: sources, and their frames."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from ....actors.session.frames import MAX_PIXELS, Frame, FrameReceipt
from ....actors.session.images import MIMES
from ....actors.session.values import MAX_NAME
from ..call import Call
from ..endpoint import Endpoint, endpoint, media_type

TAG: Final = "visual"

SHOWING: Final = ("ended", "not_allowed", "not_found", "wrong_state")

Source: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]

AnySource: TypeAlias = Annotated[
    str, Meta(max_length=MAX_NAME, description="Empty: whichever is shown.")
]

Side: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_PIXELS, description="Pixels.")]

Own: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="The client's own: it is passed through.")
]

Age: TypeAlias = Annotated[
    float | None, Meta(description="How old, in seconds; without, as the session's settings say.")
]


class Showing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is shown, such as `camera`."""

    source: Source


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Whether another source is shown now than before, or none any more."""

    changed: bool


class FrameInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A frame without its picture. `received_at` is UTC milliseconds, `size` is in bytes."""

    source: str
    mime: str
    width: int
    height: int
    size: int
    timestamp_ms: int
    frame_seq: int
    received_at: int


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """Recent frames, oldest first."""

    frames: list[FrameInfo]


@endpoint("PUT", "/v1/sessions/{id}/visual", tag=TAG, raises=SHOWING)
async def start_visual(call: Call, id: str, body: Showing) -> Changed:  # noqa: A002
    """Show a source, in the place of any other: its frames are taken from now on."""
    return Changed(changed=await call.session(id).start_visual(call.user, body.source))


@endpoint("DELETE", "/v1/sessions/{id}/visual", tag=TAG, raises=SHOWING)
async def stop_visual(call: Call, id: str, source: AnySource = "") -> Changed:  # noqa: A002
    """Show a source, or whichever is shown, no more. Its frames are forgotten."""
    return Changed(changed=await call.session(id).stop_visual(call.user, source))


@endpoint(
    "POST",
    "/v1/sessions/{id}/visual/frames",
    tag=TAG,
    raises=(*SHOWING, "bad_frame"),
    consumes=MIMES,
)
async def offer_frame(
    call: Call,
    id: str,  # noqa: A002
    body: bytes,
    source: Source,
    width: Side,
    height: Side,
    timestamp_ms: Own = 0,
    frame_seq: Own = 0,
) -> FrameReceipt:
    """Show a frame: the body is the image. The receipt tells whether it was taken, and else why
    not."""
    frame = Frame(
        data=body,
        mime=media_type(call.request) or MIMES[0],
        width=width,
        height=height,
        source=source,
        timestamp_ms=timestamp_ms,
        frame_seq=frame_seq,
    )
    return await call.session(id).offer_frame(call.user, frame)


@endpoint("GET", "/v1/sessions/{id}/visual/frames", tag=TAG, raises=("not_found",))
async def list_frames(call: Call, id: str, ttl_s: Age = None) -> Frames:  # noqa: A002
    """The frames that are held, without their pictures. For participants."""
    frames = await call.session(id).frames(call.user, ttl_s)
    return Frames(
        frames=[
            FrameInfo(
                source=frame.source,
                mime=frame.mime,
                width=frame.width,
                height=frame.height,
                size=len(frame.data),
                timestamp_ms=frame.timestamp_ms,
                frame_seq=frame.frame_seq,
                received_at=frame.received_at,
            )
            for frame in frames
        ]
    )


ENDPOINTS: Final[tuple[Endpoint, ...]] = (start_visual, stop_visual, offer_frame, list_frames)
