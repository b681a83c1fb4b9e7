"""What one watcher of a session's frames is given: a small buffer between session and reader."""

from __future__ import annotations

from collections import deque

from ..kernel.dispatcher import Dispatcher
from ..kernel.reply import Reply
from ..ports import UserId
from .frames import Frame


class FrameBuffer:
    """Up to `size` frames that their reader has not pulled yet.

    The session offers, on the loop, and never waits; one reader pulls, on the loop or on any other
    thread; either may end it, as often as it likes.
    """

    __slots__ = (
        "_dispatcher",
        "_ended",
        "_error",
        "_frames",
        "_wanted",
        "begun",
        "dropped",
        "size",
        "user",
    )

    def __init__(self, dispatcher: Dispatcher, user: UserId, size: int) -> None:
        self.user = user
        self.size = size
        self.begun = False  # watching: what was accepted before is not for this reader
        self.dropped = 0
        self._dispatcher = dispatcher
        self._frames: deque[Frame] = deque()
        self._wanted: Reply[bool] | None = None
        self._ended = False
        self._error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether it takes nothing any more."""
        return self._ended

    def begin(self) -> None:
        """Take what is accepted from now on."""
        self.begun = True

    def drop(self) -> None:
        """Do without a frame, and count it."""
        self.dropped += 1

    def offer(self, frame: Frame) -> bool:
        """Hold `frame` for the reader. False: there is no room, and it is dropped (spec V26)."""
        if len(self._frames) >= self.size:
            self.drop()
            return False
        self._frames.append(frame)
        if self._ended:  # by its reader, on another thread, just now
            self._frames.clear()
        self._tell_reader()
        return True

    def end(self, error: Exception | None = None) -> None:
        """Nothing more is offered. What is held may still be pulled, then `error` is raised."""
        if not self._ended:
            self._error = error
            self._ended = True
            self._tell_reader()

    def close(self) -> None:
        """The reader wants nothing more, not even what is held."""
        self.end()
        self._error = None
        self._frames.clear()

    def pull(self) -> Frame | Reply[bool] | None:
        """The next frame; a reply to wait for before the next pull; or None: it is over."""
        while True:
            wanted = self._wanted
            if wanted is None:
                # Asked before looking: whatever is offered from here on answers it.
                wanted = self._wanted = Reply(self._dispatcher)
            ended = self._ended  # read first: what was offered before the end must be found
            try:
                return self._frames.popleft()
            except IndexError:
                pass
            if ended:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            if not wanted.done:
                return wanted
            self._wanted = None

    def _tell_reader(self) -> None:
        if (wanted := self._wanted) is not None and not wanted.done:
            wanted.set(True)
