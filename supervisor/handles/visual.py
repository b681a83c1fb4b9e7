"""The handle's part on what a session is shown: sources, frames, and watching them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.frames import Frame, FrameReceipt
from ...actors.session.messages import GetFrames, OfferFrame, StartVisual, StopVisual, WatchFrames
from ...actors.session.screen import WATCHED
from ...actors.session.watch import FrameBuffer
from ..watch import FrameWatch
from .base import Handle


class Visual(Handle):
    """What people show, for pipelines and others to look at.

    Nothing of it is journaled: a session that has left the stage, or has crashed, is shown nothing
    until a source is started again. While frames come it does not leave for idleness.
    """

    __slots__ = ()

    def start_visual(self, user: UserId, source: str) -> Reply[bool]:
        """Show a source, such as `camera`: its frames are accepted from now on. One at a time.

        True: it takes the place of what was shown before, whose frames are forgotten; the room
        hears `visual.started`, and the first frame may come at once. False: it is shown already.
        Refused: NotMember, NotAllowed, WrongState, SessionEnded.
        """
        return self._ask(StartVisual(values.name(user, "user"), values.name(source, "source")))

    def stop_visual(self, user: UserId, source: str = "") -> Reply[bool]:
        """Show a source, or whichever is shown, no more; its frames are forgotten at once.

        True: something is shown no more, and the room hears `visual.stopped`. False: nothing was
        shown, or another source, which goes on. A source is also stopped when whoever started it
        leaves. Refused: NotMember, NotAllowed, SessionEnded.
        """
        named = values.name(source, "source") if source != "" else ""
        return self._ask(StopVisual(values.name(user, "user"), named))

    def offer_frame(self, user: UserId, frame: Frame) -> Reply[FrameReceipt]:
        """Show a frame. The receipt tells whether it was accepted: if not, nothing has changed.

        It is `too_early` sooner after the last accepted one than the settings allow, whichever
        source it is of: that is looked at first, and starting another source helps. It is
        `not_started` if its source is not the one that is started, as when it was still on its way
        while that was stopped.

        Refused: BadFrame (what the session's settings never take, or data that is no such image),
        NotMember, NotAllowed, WrongState, SessionEnded.
        """
        return self._ask(OfferFrame(values.name(user, "user"), _checked(frame)))

    def frames(self, user: UserId, ttl_s: float | None = None) -> Reply[tuple[Frame, ...]]:
        """The recent frames of at most this age, oldest first; of an age of 0 or less, none.

        Without `ttl_s`, of the age that the settings say. Asking is no activity. Refused:
        NotMember.
        """
        if ttl_s is not None and type(ttl_s) not in (int, float):
            raise InvalidInput("ttl_s", ttl_s, "a number of seconds")
        return self._ask(GetFrames(values.name(user, "user"), ttl_s))

    def watch_frames(self, user: UserId, buffer: int = 1) -> FrameWatch:
        """Each frame that is accepted from now on, as an async (or, off the loop, plain) iterator.

        A frame for which there is no room in the `buffer` (1 to 64 frames; less is 1) is dropped
        for this watch only, and counted in its `dropped`. The iterator ends when the session ends
        or leaves the stage, and when the user leaves it: what is in the buffer by then may still be
        pulled. Watching keeps no session on the stage. `close` it (or use `async with`) to stop.

        The first frame raises NotMember, SessionEnded, or TooManyWatches.
        """
        if type(buffer) is not int or buffer > WATCHED:
            raise InvalidInput("buffer", buffer, f"at most {WATCHED} frames")
        held = FrameBuffer(self._runtime.dispatcher, values.name(user, "user"), max(buffer, 1))
        return FrameWatch(self._ask(WatchFrames(held)), held)


def _checked(frame: Any) -> Frame:
    """The frame with its data copied, if that can be changed. Raises InvalidInput.

    Whether it is an image that the session takes is for the session to say.
    """
    if not isinstance(frame, Frame):
        raise InvalidInput("frame", type(frame).__name__, "a Frame")
    data: Any = frame.data
    if not isinstance(data, bytes | bytearray):
        raise InvalidInput("data", type(data).__name__, "bytes")
    for field in ("width", "height", "timestamp_ms", "frame_seq"):
        value = getattr(frame, field)
        if type(value) is not int or not 0 <= value < 2**63:
            raise InvalidInput(field, value, "an integer of 64 bits, at least 0")
    values.name(frame.mime, "mime")
    values.name(frame.source, "source")
    return replace(frame, data=bytes(data))
