"""P6: a crash loses at most the command in hand. P11: passivation loses and repeats nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ....actors.errors import MailboxClosed, OutcomeUnknown, SessionClosed
from ....actors.kernel.reply import Reply
from ..simulation.tale import text_of_user
from .base import Promise


class CrashesLoseLittle(Promise):
    """Who waits in the mailbox when a session crashes hears nothing of it."""

    code = "P6"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._crashes: Counter[str] = Counter()
        self._queued: dict[int, int] = {}
        self._unknown: list[Any] = []

    def logged(self, line: Any) -> None:
        if line["event"] != "session_crashed":
            return
        name = line["session"]
        self._crashes[name] += 1
        for process in self.house.live:
            box = process.runtime._directory.get(name)
            for mail in (box and box._user) or ():
                if isinstance(mail.reply_to, Reply):
                    self._queued[id(mail.reply_to)] = self._crashes[name]

    def answered(self, asked: Any) -> None:
        if isinstance(asked.error, OutcomeUnknown):
            self._unknown.append(asked)

    def step(self) -> None:
        unknown, self._unknown = self._unknown, []
        for asked in unknown:
            waited = self._queued.get(id(asked.reply))
            lost = waited is not None and waited == self._crashes[asked.session]
            self.require(not lost, f"{asked!r} waited in the mailbox, and was lost in a crash")


class PassivationLosesNothing(Promise):
    """Who calls while a session leaves is not turned away, and what he says is said once."""

    code = "P11"

    def folded(self, tale: Any, entry: Any) -> None:
        text = text_of_user(entry.event)
        if text is not None and text in self.house.said:
            self.require(tale.texts[text] == 1, f"{text!r} was said twice")

    def answered(self, asked: Any) -> None:
        turned_away = isinstance(asked.error, SessionClosed | MailboxClosed)
        if not turned_away or asked.call == "crash" or not asked.process.steady:
            return
        self.require(not asked.steady, f"{asked!r} was turned away: {asked.error!r}")
