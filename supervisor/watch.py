"""A watcher's end of a session's frames."""

from __future__ import annotations

from ..actors.kernel.reply import Reply
from ..actors.session.frames import Frame
from ..actors.session.watch import FrameBuffer
from .pulled import Pulled


class FrameWatch(Pulled[Frame]):
    """Frames of one session as they are accepted.

    Ends with the session, with its time on stage, and with the user's membership; raises what
    refused it.
    """

    def __init__(self, begun: Reply[None], buffer: FrameBuffer) -> None:
        super().__init__(buffer)
        self._buffer = buffer
        # A refused watch ends for whoever is pulling already.
        begun.on_done(self._on_answer)

    @property
    def dropped(self) -> int:
        """Frames that this watch has missed, as its buffer was full."""
        return self._buffer.dropped

    def close(self) -> None:
        self._buffer.close()

    def _on_answer(self, begun: Reply[None]) -> None:
        if isinstance(begun.error, Exception):
            self._buffer.end(begun.error)
