"""Where a session is shown things: sources, frames, and those who watch them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from ..errors import Refused, TooManyWatches, without_frames
from ..kernel.mailbox import Mail
from ..kernel.reply import Reply
from ..ports import UserId
from .events import VisualStarted, VisualStopped
from .frames import Frame, FrameReceipt, VisualSettings, check_frame
from .messages import GetFrames, OfferFrame, StartVisual, StopVisual, WatchFrames
from .outbox import Held, Later, Outbox
from .rules.checks import require, require_member, require_open, require_state
from .rules.rooms import OPEN
from .stage import Stage
from .state import State
from .visual import Visual
from .watch import FrameBuffer

WATCHED: Final = 64
"""Frames that all watches of a session may hold together, and that may be on their way to them."""


class Screen:
    """The visual input of one activation: made with its first use, gone with the activation.

    Nothing of it is journaled, and frames are not in the live log either. They go to the watches,
    and answers to whoever asked, after all that was decided before (promise P7): a frame of
    somebody whose joining is not durable yet is seen by nobody.
    """

    __slots__ = (
        "_limits",
        "_outbox",
        "_stage",
        "_state",
        "_under_way",
        "_user",
        "_visual",
        "_watches",
    )

    def __init__(self, stage: Stage, outbox: Outbox, state: State) -> None:
        self._stage = stage
        self._outbox = outbox
        self._state = state
        self._limits = state.settings.visual or VisualSettings()
        self._visual = Visual(self._limits, stage.min_frame_interval_ms)
        self._user: UserId = ""  # who has started the source
        self._watches: list[FrameBuffer] = []
        self._under_way = 0

    def handle(self, mail: Mail) -> bool:
        """Do what was asked, or refuse. Returns whether that is activity of the session: starting,
        stopping, and a frame that was accepted are (spec V21, V22, V25)."""
        try:
            return self._HANDLERS[type(mail.message)](self, mail)
        except Refused as refusal:
            self._stage.stats.frames_refused += type(mail.message) is OfferFrame
            self._tell(mail, without_frames(refusal))  # they hold the picture
            return False

    def latest(self, ttl_s: float | None = None) -> tuple[Frame, ...]:
        """The frames of at most this age, oldest first. May be called from any thread."""
        if ttl_s is None:
            ttl_s = self._limits.ttl_ms / 1000
        return self._visual.latest(self._stage.clock.monotonic(), ttl_s)

    def expel(self, user: UserId) -> None:
        """The user has left: nothing more for his watches, and what he shows is stopped."""
        for watch in self._watches:
            if watch.user == user and watch.begun:  # or else it is of after he came back
                watch.end()
        if user == self._user:
            self.stop(user)

    def stop(self, by: UserId = "") -> None:
        """Show nothing any more, and say so, if something is shown."""
        if source := self._visual.stop():
            self._publish(VisualStopped(source=source, user=by))
        self._user = ""

    def close(self) -> None:
        """Forget every frame and end every watch."""
        self._visual.stop()
        for watch in self._watches:
            watch.end()
        self._watches.clear()

    # --- what it is asked ---

    def _start(self, mail: Mail) -> bool:
        user, source = mail.message.user, mail.message.source
        require_open(self._state, user, "show")
        is_other = self._visual.start(source)
        if is_other:
            self._user = user
            self._publish(VisualStarted(source=source, user=user))
        self._tell(mail, is_other)
        return True

    def _stop(self, mail: Mail) -> bool:
        """Also while the session is paused: a camera can always be turned off."""
        user, source = mail.message.user, mail.message.source
        require(self._state, user, "show")
        require_state(self._state, *OPEN)
        stopped = self._visual.stop(source)
        if stopped:
            self._user = ""
            self._publish(VisualStopped(source=stopped, user=user))
        self._tell(mail, bool(stopped))
        return True

    def _offer(self, mail: Mail) -> bool:
        frame = mail.message.frame
        clock, stats = self._stage.clock, self._stage.stats
        require_open(self._state, mail.message.user, "show")
        check_frame(frame, self._limits)
        refusal = self._visual.offer(frame, clock.monotonic(), clock.now_ms())
        if refusal:
            stats.frames_refused += 1
            self._tell(mail, FrameReceipt(accepted=False, reason=refusal))
            return False
        stats.frames += 1
        self._tell(mail, FrameReceipt(accepted=True), then=self._delivery(self._visual.newest))
        return True

    def _get(self, mail: Mail) -> bool:
        """Taken when it is let out: an answer that waits for the journal holds no frames."""
        require_member(self._state, mail.message.user)
        self._tell(mail, Later(partial(self.latest, mail.message.ttl_s)))
        return False

    def _watch(self, mail: Mail) -> bool:
        watch: FrameBuffer = mail.message.buffer
        require_member(self._state, watch.user)
        require_state(self._state, *OPEN)
        self._watches = [watch for watch in self._watches if not watch.ended]
        in_use = sum(watch.size for watch in self._watches)
        if in_use + watch.size > WATCHED:
            raise TooManyWatches(self._state.id, limit=WATCHED, in_use=in_use)
        self._watches.append(watch)
        self._tell(mail, None, then=watch.begin)
        return False

    # --- what comes of it ---

    def _delivery(self, frame: Frame) -> Callable[[], None] | None:
        """What hands `frame` to the watches once it may be seen; None: too many wait for that."""
        if self._under_way >= WATCHED:
            for watch in self._watches:
                watch.drop()
            self._stage.stats.frames_dropped += len(self._watches)
            return None
        self._under_way += 1
        return partial(self._deliver, frame)

    def _deliver(self, frame: Frame) -> None:
        self._under_way -= 1
        for watch in self._watches:
            if watch.user not in self._state.participants:  # his leaving is not durable yet
                watch.end()
            if watch.begun and not watch.ended and not watch.offer(frame):
                self._stage.stats.frames_dropped += 1

    def _publish(self, event: VisualStarted | VisualStopped) -> None:
        at_ms = self._stage.clock.now_ms()
        self._outbox.put(Held((event,), at_ms))

    def _tell(self, mail: Mail, answer: object, then: Callable[[], None] | None = None) -> None:
        reply: Any = mail.reply_to if isinstance(mail.reply_to, Reply) else None
        self._outbox.put(Held(reply=reply, answer=answer, then=then))

    _HANDLERS: ClassVar[dict[type, Callable[[Screen, Mail], bool]]] = {
        StartVisual: _start,
        StopVisual: _stop,
        OfferFrame: _offer,
        GetFrames: _get,
        WatchFrames: _watch,
    }


SHOWN = frozenset(Screen._HANDLERS)
"""What a screen is asked."""
