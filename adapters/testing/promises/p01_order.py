"""P1: commands from one sender to one session are handled in the order sent."""

from __future__ import annotations

from typing import Any

from .base import Promise


class SendersKeepTheirOrder(Promise):
    code = "P1"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._last: dict[tuple[int, str, str], int] = {}

    def journaled(self, _: Any, entry: Any) -> None:
        message = getattr(entry.event, "message", None)
        if message is None or message.role != "user":
            return
        asked = self.house.said.get(message.text)
        if asked is None:
            return
        sender = (asked.process.number, asked.session, message.author)
        before = self._last.get(sender, 0)
        self.require(asked.number > before, f"{asked!r} was handled after {before}")
        self._last[sender] = asked.number
