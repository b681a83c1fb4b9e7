"""A drain under way: who asked for it, and what becomes of whom."""

from __future__ import annotations

from collections.abc import Iterable

from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId, Timer
from .messages import DrainReport


class Draining:
    """Kept from the request to stop until it is answered."""

    def __init__(self, mail: Mail, sessions: Iterable[SessionId]) -> None:
        self.handed_back: set[SessionId] = set()
        self.timers: list[Timer] = []
        self.until_s = float("inf")
        """When the budget ends, in monotonic seconds."""
        self.done = False
        self._askers = [mail]
        self._report: DrainReport | None = None
        self._sessions = frozenset(sessions)

    def join(self, mail: Mail) -> None:
        """Answer a second request with the same report."""
        self._askers.append(mail)
        if self._report is not None:
            self._send(self._report)

    def answer(self, left: Iterable[SessionId]) -> None:
        """Report by id; `left` are the sessions that have not gone."""
        self.done = True
        left = sorted(left)
        self._report = DrainReport(
            passivated=sorted(self._sessions.difference(left, self.handed_back)),
            handed_back=sorted(self.handed_back),
            left=left,
        )
        self._send(self._report)

    def _send(self, report: DrainReport) -> None:
        for mail in self._askers:
            if isinstance(mail.reply_to, Reply):
                mail.reply_to.set(report)
        self._askers.clear()
