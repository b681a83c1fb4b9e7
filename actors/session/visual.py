"""The rules of visual input: which source is shown, which frames are taken, which are recent."""

from __future__ import annotations

from msgspec.structs import replace

from .frames import Frame, Refusal, VisualSettings


class Visual:
    """The one source that is started, and its recent frames.

    Times are arguments: `now_s` is monotonic seconds, for all that is decided (spec VX14), `at_ms`
    is UTC milliseconds and only for display. `source` is empty while none is started.
    """

    __slots__ = ("_accepted_s", "_interval_s", "_most", "_recent", "source")

    def __init__(self, limits: VisualSettings, floor_ms: int = 0) -> None:
        """`floor_ms`: no shorter interval, whatever the `limits` say."""
        self._most = max(limits.max_recent, 1)  # spec V23
        self._interval_s = max(limits.min_interval_ms, floor_ms) / 1000
        self.source = ""
        self._recent: tuple[tuple[float, Frame], ...] = ()
        self._accepted_s: float | None = None

    def start(self, source: str) -> bool:
        """Show `source`; returns whether that is another than before (spec V21).

        Another one takes the place of the one before, begins without frames, and may show its
        first one at once. The same one goes on as it was.
        """
        if source == self.source:
            return False
        self._clear()
        self.source = source
        return True

    def stop(self, source: str = "") -> str:
        """Show nothing any more, if `source` is shown or empty; returns what was shown till then.

        Another one that is named is not shown, and nothing changes (spec V22).
        """
        if source and self.source and source != self.source:
            return ""
        was = self.source
        self._clear()
        return was

    def offer(self, frame: Frame, now_s: float, at_ms: int) -> Refusal:
        """Keep `frame` as the newest, or tell why not; a frame that is refused changes nothing.

        The time since the last accepted frame is looked at first (spec V24): a frame of another
        source is told that it is too early, and `start` of that source is what helps (VX13). Only
        frames of the started source are kept, so one that was on its way when its source was
        stopped or replaced does not bring it back (VX12).
        """
        last_s, interval_s = self._accepted_s, self._interval_s
        if last_s is not None and interval_s > 0 and now_s - last_s < interval_s:
            return "too_early"
        if not self.source or frame.source != self.source:
            return "not_started"
        taken = (now_s, replace(frame, received_at=at_ms))
        # A new tuple each time: a pipeline in a thread of its own may be reading the old one.
        self._recent = (*self._recent, taken)[-self._most :]
        self._accepted_s = now_s
        return ""

    @property
    def newest(self) -> Frame:
        """The frame that was accepted last, which must be there."""
        return self._recent[-1][1]

    def latest(self, now_s: float, ttl_s: float) -> tuple[Frame, ...]:
        """The frames of at most this age, oldest first; with `ttl_s` of 0 or less, none (V27)."""
        if not ttl_s > 0:
            return ()
        return tuple(frame for taken_s, frame in self._recent if now_s - taken_s <= ttl_s)

    def _clear(self) -> None:
        self.source, self._recent, self._accepted_s = "", (), None
