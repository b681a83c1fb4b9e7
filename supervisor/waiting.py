"""Who waits for a slot in a full house: in which order they are served, and for how long."""

from __future__ import annotations

from ..actors.kernel.fair import FairQueue
from ..actors.kernel.mailbox import Mail
from ..actors.ports import UserId


class WaitingLine:
    """Wishes for a slot, served in turn of their users, and of one user in the order of coming.

    A wish that nobody in particular has waits in the name of None, which has its turn like a user.
    All wait equally long at most, so whoever has come first is also too late first. Times are
    monotonic seconds.
    """

    def __init__(self) -> None:
        self._fair: FairQueue[UserId | None, Mail] = FairQueue()
        self._until_s: dict[Mail, tuple[UserId | None, float]] = {}  # in the order of coming

    def __len__(self) -> int:
        return len(self._until_s)

    def waiting(self) -> dict[UserId | None, int]:
        """How many wait, by user."""
        return self._fair.waiting()

    def mails(self) -> list[Mail]:
        """All that wait, in the order of coming."""
        return list(self._until_s)

    def until_s(self, mail: Mail) -> float:
        """How long `mail`, which waits, may do so."""
        return self._until_s[mail][1]

    def add(self, user: UserId | None, mail: Mail, *, until_s: float) -> None:
        """Let `mail` wait until `until_s`."""
        self._fair.add(user, mail)
        self._until_s[mail] = (user, until_s)

    def remove(self, mail: Mail) -> None:
        """Let `mail` wait no more; harmless if it does not."""
        user, _ = self._until_s.pop(mail, (None, 0.0))
        self._fair.remove(user, mail)

    def take(self) -> Mail | None:
        """Take out whose turn it is; None if nobody waits."""
        mail = self._fair.take(_anyone)
        if mail is not None:
            del self._until_s[mail]
        return mail

    def take_newest(self) -> Mail:
        """Take out who has come last. There must be somebody."""
        mail = next(reversed(self._until_s))
        self.remove(mail)
        return mail

    def take_late(self, now: float) -> list[Mail]:
        """Take out those whose time is over at `now`."""
        late = []
        for mail, (_, until_s) in self._until_s.items():
            if until_s > now:
                break
            late.append(mail)
        for mail in late:
            self.remove(mail)
        return late

    def next_late_s(self) -> float | None:
        """When the first of them has waited long enough; None if nobody waits."""
        return next((until_s for _, until_s in self._until_s.values()), None)


def _anyone(_: UserId | None) -> bool:
    return True
