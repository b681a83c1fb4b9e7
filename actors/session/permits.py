"""How many turns run at once, in all and of each user, and who waits for the next place."""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from ..kernel.fair import FairQueue
from ..kernel.mailbox import Mailbox
from ..ports import UserId


class Hold(Enum):
    """What one activation has of the places for running turns."""

    NOTHING = auto()

    WAITING = auto()
    """A turn of it could run, but for a place."""

    GRANTED = auto()
    """It has a place, and has not started a turn yet: the notice is on its way."""

    USED = auto()
    """A turn of it runs, or was stopped and its pipeline has not done so yet."""


class Permit:
    """One activation's share in `Permits`. Every way out of it goes through `give_back`, once."""

    __slots__ = ("_permits", "hold", "mailbox", "user")

    def __init__(self, permits: Permits, user: UserId, mailbox: Mailbox) -> None:
        self._permits = permits
        self.user = user
        self.mailbox = mailbox
        self.hold = Hold.NOTHING

    @property
    def waits(self) -> bool:
        """Whether it waits for a place, or has not heard of it yet."""
        return self.hold is Hold.WAITING or self.hold is Hold.GRANTED

    def take(self) -> None:
        """A turn has been started, as `may_start` has allowed."""
        self._permits.take(self)

    def wait(self) -> None:
        """Stand in line; `PermitGranted` comes, perhaps at once."""
        self._permits.wait(self)

    def give_back(self) -> None:
        """Have nothing any more, and wait for nothing. Doing it twice is harmless."""
        self._permits.give_back(self)


class PermitGranted(msgspec.Struct, frozen=True):
    """There is a place for a turn of the activation that holds `permit`."""

    permit: Permit


class IllegalTake(Exception):
    """A turn was started without a place: a bug."""


class Permits:
    """The places of running turns: at most `most` in all, `most_per_user` of one owner's sessions.

    None is no limit. A session has one place, whichever of its turns runs: so one whose pipeline
    is stopping keeps it, until that has stopped or is given up on, and no user runs more than it
    may by interrupting. A free place goes to the user whose turn it is: one who has all its places
    waits, and keeps nobody else from theirs. `exempt` is the one user without a limit of its own.

    Kept in memory only: what waits is durable as a queued turn, and stands in line anew after a
    restart. Used on the dispatcher's thread alone.
    """

    def __init__(
        self,
        *,
        most: int | None = None,
        most_per_user: int | None = None,
        exempt: UserId | None = None,
    ) -> None:
        self.most = most
        self.most_per_user = most_per_user
        self.in_use = 0
        self._exempt = exempt
        self._used: dict[UserId, int] = {}
        self._line: FairQueue[UserId, Permit] = FairQueue()

    @property
    def waiting(self) -> int:
        """Sessions that wait for a place."""
        return len(self._line)

    def used(self) -> dict[UserId, int]:
        """Places in use, by user."""
        return self._used.copy()

    def waiting_of(self) -> dict[UserId, int]:
        """Sessions that wait for a place, by user."""
        return self._line.waiting()

    def may_start(self, user: UserId, permit: Permit | None) -> bool:
        """Whether a turn of `user` may start now, in a session that has `permit`.

        In one that has a place already: if nobody waits who could have it instead.
        """
        match Hold.NOTHING if permit is None else permit.hold:
            case Hold.NOTHING:
                return self._has_room() and self._user_has_room(user)
            case Hold.WAITING:
                return False
            case Hold.GRANTED:
                return True
            case Hold.USED:
                return not self._is_awaited(user)

    def take(self, permit: Permit) -> None:
        """Use a place for the turn that was started. Raises IllegalTake."""
        if permit.hold is Hold.NOTHING or permit.hold is Hold.WAITING:
            if not self.may_start(permit.user, permit):
                raise IllegalTake(permit.mailbox.name)
            self._count(permit.user, 1)
        permit.hold = Hold.USED

    def wait(self, permit: Permit) -> None:
        """Stand in line, unless it has what it wants."""
        if permit.hold is Hold.NOTHING:
            permit.hold = Hold.WAITING
            self._line.add(permit.user, permit)
            self._serve()

    def give_back(self, permit: Permit) -> None:
        """Leave the line, or let the next one have the place."""
        hold, permit.hold = permit.hold, Hold.NOTHING
        if hold is Hold.WAITING:
            self._line.remove(permit.user, permit)
        elif hold is not Hold.NOTHING:
            self._count(permit.user, -1)
            self._serve()

    def _serve(self) -> None:
        while self._has_room():
            permit = self._line.take(self._user_has_room)
            if permit is None:
                return
            self._count(permit.user, 1)
            permit.hold = Hold.GRANTED
            permit.mailbox.signal(PermitGranted(permit))

    def _is_awaited(self, user: UserId) -> bool:
        """Whether a place that `user` gave back would go to somebody who waits."""
        if user in self._line:
            return True
        if self._has_room():  # then all who wait have as many as they may
            return False
        return self._line.next_user(self._user_has_room) is not None

    def _has_room(self) -> bool:
        return self.most is None or self.in_use < self.most

    def _user_has_room(self, user: UserId) -> bool:
        limit = self.most_per_user
        return limit is None or user == self._exempt or self._used.get(user, 0) < limit

    def _count(self, user: UserId, change: int) -> None:
        self.in_use += change
        used = self._used.get(user, 0) + change
        if used:
            self._used[user] = used
        else:
            del self._used[user]
