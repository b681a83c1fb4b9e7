"""Questions that wait for something to happen in a session which has left the stage meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from ..actors.errors import GreenroomError
from ..actors.kernel.mailbox import Mail, Mailbox
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId


class Questions:
    """Kept from a passivation to the next activation: whoever waits for the result of a turn that
    waits for people is not sent away, and keeps no session on stage."""

    def __init__(self) -> None:
        self._kept: dict[SessionId, list[Mail]] = {}

    def keep(self, session: SessionId, mails: Sequence[Mail]) -> None:
        """Keep `mails` until the session is on stage again."""
        if mails:
            self._kept.setdefault(session, []).extend(mails)

    def hand_to(self, session: SessionId, box: Mailbox) -> None:
        """Give the session's next activation what was asked of the last one."""
        for mail in self._kept.pop(session, ()):
            box.put_system(mail)

    def refuse(self, session: SessionId, error: GreenroomError) -> None:
        """Answer what was asked of a session that does not come back."""
        for mail in self._kept.pop(session, ()):
            if isinstance(mail.reply_to, Reply):
                mail.reply_to.set_error(error)

    def refuse_all(self, error: GreenroomError) -> None:
        """Answer everything: no session comes on stage any more."""
        for session in list(self._kept):
            self.refuse(session, error)
