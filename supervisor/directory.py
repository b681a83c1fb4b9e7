"""Where the mailbox of each live session is found."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..actors.kernel.mailbox import Mailbox
from ..actors.ports import SessionId


class Directory:
    """From session id to mailbox. A hit is one look-up, from any thread.

    A mailbox is listed from the first message for its session on, before anybody knows whether
    there is such a session: so all its messages go the same way, and stay in order.
    """

    def __init__(self) -> None:
        self._boxes: dict[SessionId, Mailbox] = {}
        self._lock = threading.Lock()
        self.get = self._boxes.get

    def __len__(self) -> int:
        return len(self._boxes)

    def open(self, session: SessionId, make: Callable[[], Mailbox]) -> tuple[Mailbox, bool]:
        """The session's mailbox, and whether this call has made it."""
        with self._lock:
            box = self._boxes.get(session)
            if box is not None:
                return box, False
            box = self._boxes[session] = make()
            return box, True

    def forget(self, session: SessionId, box: Mailbox) -> None:
        """Unlist `box`, if it is the one listed."""
        with self._lock:
            if self._boxes.get(session) is box:
                del self._boxes[session]

    def deepest(self) -> int:
        """The most commands that wait in any one mailbox."""
        return max((box.depth for box in list(self._boxes.values())), default=0)
