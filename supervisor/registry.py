"""What a runtime knows of all its sessions, without waking any."""

from __future__ import annotations

from typing import Final, get_args

from ..actors.errors import InvalidInput
from ..actors.ports import IndexRow, Journal, SessionId, SessionPage, SessionQuery, Totals, UserId
from ..actors.session import values
from ..actors.session.state import Lifecycle
from .age import AgeLimit
from .config import Config

STATES: Final = get_args(Lifecycle)


class Registry:
    """Looked up in the journal's index: every session is listed, on stage, passivated or ended,
    but none that nobody has touched for longer than `session_max_age_s`.

    No user id has a meaning of its own. Only where the config names a `dev_user`, that user may
    access, and is shown, every session here; inside a session it is nobody special.
    """

    journal: Journal
    config: Config
    _age: AgeLimit

    async def sessions(
        self,
        owner: UserId | None = None,
        state: str | None = None,
        *,
        limit: int = 100,
        after: IndexRow | None = None,
    ) -> SessionPage:
        """A page of sessions, most recently updated first: all, or only those of `owner`.

        `state` is created, active, paused or ended. `after` is the last row of the page before.
        An empty user id owns nothing and is refused, so that a caller who lost its identity is
        not shown everybody's (spec AX4). Raises InvalidInput.
        """
        if owner is not None:
            owner = None if values.name(owner, "owner") == self.config.dev_user else owner
        if state is not None and state not in STATES:
            raise InvalidInput("state", state, f"of {', '.join(STATES)}")
        return await self.journal.list(
            SessionQuery(
                owner=owner, state=state, limit=limit, after=after, since_ms=self._age.since_ms
            )
        )

    async def sessions_of(self, user: UserId) -> list[IndexRow]:
        """The active and paused sessions that `user` takes part in, in the order of joining."""
        joined = await self.journal.joined_by(values.name(user, "user"))
        return [row for row in joined if self._age.shows(row)]

    async def find(self, id: SessionId) -> IndexRow | None:  # noqa: A002
        """One session as listings show it; None if there is none. Raises InvalidInput."""
        row = await self.journal.find(values.session_id(id))
        return None if row is None or not self._age.shows(row) else row

    async def owner_of(self, id: SessionId) -> UserId | None:  # noqa: A002
        """Who made the session; None if there is none. Raises InvalidInput."""
        row = await self.find(id)
        return None if row is None else row.owner

    async def may_access(self, user: UserId, id: SessionId) -> bool:  # noqa: A002
        """Whether `user` owns the session; False if there is none (spec A18).

        It is a look at the index. Whether somebody takes part is the session's to say
        (`require_member`), and each of its commands looks again. Raises InvalidInput.
        """
        owner = await self.owner_of(id)
        return owner is not None and values.name(user, "user") in (owner, self.config.dev_user)

    async def totals(self) -> Totals:
        """How many sessions, events, users, interactions and feedbacks the journal holds in all."""
        return await self.journal.totals()
