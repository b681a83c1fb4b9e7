"""Who waits to hear whether a session has left the stage."""

from __future__ import annotations

from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId
from ..actors.session.messages import LEFT, Departure


class Farewells:
    """Requests to leave that have not been answered yet, by session."""

    def __init__(self) -> None:
        self._askers: dict[SessionId, list[Mail]] = {}

    def expect(self, mail: Mail) -> None:
        """Answer `mail`, an `Evict`, when its session has left, or stays."""
        self._askers.setdefault(mail.message.session, []).append(mail)

    def stayed(self, session: SessionId) -> None:
        """It is not idle; whoever has forced it to leave waits still."""
        asked = self._askers.pop(session, [])
        for mail in asked:
            if mail.message.force:
                self.expect(mail)
            else:
                tell(mail, False)

    def departed(self, session: SessionId, how: Departure) -> None:
        """It is gone from the stage, in whichever way."""
        for mail in self._askers.pop(session, ()):
            tell(mail, how in LEFT or how is Departure.RENEWED)


def tell(mail: Mail, left: bool) -> None:
    """Answer one request."""
    if isinstance(mail.reply_to, Reply):
        mail.reply_to.set(left)
