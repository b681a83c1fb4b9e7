"""Which sessions are exported, and each of them as its journal holds it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from ...actors.ports import IndexRow, Journal, SessionId, SessionQuery, UserId

PAGE: Final = 1000


class Selection:
    """Named sessions, those of one owner, or all that are not deleted, hot or cold.

    All, or those of an owner, come in order of id, page by page. An id never changes, so a session
    has its place in that order for as long as it exists, whatever is written meanwhile: one that
    is there from beginning to end is met exactly once (spec S22, SX26). In the order of listings,
    by the last update, it would move to the front, past the page that is being read.
    """

    def __init__(
        self, journal: Journal, named: Sequence[SessionId] | None, owner: UserId | None
    ) -> None:
        self._journal = journal
        self._named = None if named is None else list(dict.fromkeys(named))
        self._owner = owner

    @property
    def named(self) -> bool:
        return self._named is not None

    async def count(self) -> int:
        """How many there are now."""
        if self._named is not None:
            return len(self._named)
        if self._owner is None:
            return (await self._journal.totals()).sessions
        counted = 0
        async for page in self._pages():
            counted += len(page)
        return counted

    async def __aiter__(self) -> AsyncIterator[SessionId]:
        for session in self._named or ():
            yield session
        if self._named is None:
            async for page in self._pages():
                for row in page:
                    yield row.id

    async def _pages(self) -> AsyncIterator[list[IndexRow]]:
        after, more = None, True
        while more:
            query = SessionQuery(owner=self._owner, order="id", limit=PAGE, after=after)
            page = await self._journal.list(query)
            more = page.more
            if page.rows:
                after = page.rows[-1]
                yield page.rows
