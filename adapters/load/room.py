"""The other people in a session: they join, listen, drop out, come back, and leave."""

from __future__ import annotations

from ...actors.errors import GreenroomError
from ...actors.ports import UserId
from ...actors.session.cursor import START
from ...actors.session.items import Gap
from ...supervisor.session import Session
from ...supervisor.subscription import Subscription
from .report import Counters


class MissedOrRepeated(GreenroomError):
    """A participant's stream was not what the session had: a promise is broken."""

    code = "missed_or_repeated"

    def __init__(self, session: str, user: str, *, expected: int, found: int) -> None:
        self.session, self.user, self.expected, self.found = session, user, expected, found
        super().__init__(f"{user} in session {session} heard revision {found}, not {expected}")


class Guest:
    """One participant beside the owner, and a check of every durable event it hears.

    While it takes part, its revisions follow each other without a hole or a repetition, however
    often its connection is dropped and resumed with the cursor of the last item it had.
    """

    def __init__(self, session: Session, user: UserId, counters: Counters) -> None:
        self.user = user
        self._session = session
        self._counters = counters
        self._events: Subscription | None = None
        self._cursor: str | None = None
        self._last = 0
        self.inside = False

    async def join(self) -> None:
        """Come in and listen from there on."""
        receipt = await self._session.join(self.user)
        self._events = self._session.events(self.user)
        self._last, self._cursor, self.inside = receipt.revision, None, True
        self._counters.joins += 1

    async def leave(self) -> None:
        """Hear out what there is, and go."""
        self.drop()
        self.inside = False
        await self._session.leave(self.user)
        self._counters.leaves += 1

    def drop(self) -> None:
        """Lose the connection."""
        if self._events is not None:
            self._events.close()
            self._events = None

    async def hear(self, revision: int) -> None:
        """Listen, connecting anew if need be, until everything up to `revision` was heard."""
        try:
            while self._last < revision:
                await self._next()
        except GreenroomError:
            self.drop()
            raise

    async def _next(self) -> None:
        if self._events is None:
            self._events = self._session.events(self.user, after=self._cursor or START)
            self._counters.reconnects += 1
        item = await anext(self._events)
        if isinstance(item, Gap):
            self._counters.gaps += 1
            self._cursor = self._cursor and item.cursor
            return
        if self._cursor is None and item.revision <= self._last:
            return  # it lost its connection before it had a cursor, and so begins at the beginning
        self._cursor = item.cursor
        if item.durable:
            expected, self._last = self._last + 1, item.revision
            if item.revision != expected:
                raise MissedOrRepeated(
                    self._session.id, self.user, expected=expected, found=item.revision
                )


class Room:
    """The guests of one session, who do in turn all that guests do.

    After exchange n guest g hears what was said and then, depending on n and g, stays, loses its
    connection, leaves, or comes back; who is inside says some of the recorded lines.
    """

    def __init__(self, session: Session, guests: int, counters: Counters) -> None:
        self._session = session
        self._guests = [
            Guest(session, f"guest-{number}", counters) for number in range(1, guests + 1)
        ]

    async def open(self) -> None:
        """Everybody comes in, those too who were in when an earlier run was killed."""
        for guest in self._guests:
            if not guest.inside:
                await guest.join()

    def speaker(self, place: int, owner: UserId) -> UserId:
        """Who says the line of exchange `place`."""
        people = [owner, *(guest.user for guest in self._guests if guest.inside)]
        return people[place % len(people)]

    async def after(self, place: int) -> None:
        """What the guests do between two exchanges."""
        for number, guest in enumerate(self._guests):
            revision = (await self._session.info()).revision
            if not guest.inside:
                await guest.join()
                continue
            step = (place + number) % 4
            if step != 3:  # who is about to be dropped may miss the words, not the events
                await guest.hear(revision)
            if step == 1:
                guest.drop()
            elif step == 2:
                await guest.leave()

    async def close(self) -> None:
        """Everybody who is inside hears the session to its end, and hangs up."""
        revision = (await self._session.info()).revision
        for guest in self._guests:
            if guest.inside:
                await guest.hear(revision)
            guest.drop()

    def hang_up(self) -> None:
        """Drop every connection."""
        for guest in self._guests:
            guest.drop()
