"""What journal tests share: a loop for each test, rows, and short ways to write and look."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from greenroom.actors.ports import Claim, Commit, IndexRow, Journal, NewSession

GUARD_S = 30.0


def played(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test on a loop of its own, its `journal` (if any) open meanwhile."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(_play(test, fixtures))

    return run


async def _play(test: Callable[..., Awaitable[None]], fixtures: dict[str, Any]) -> None:
    journal: Journal | None = fixtures.get("journal")
    if journal is not None:
        await journal.open()
    try:
        await asyncio.wait_for(test(**fixtures), GUARD_S)
    finally:
        if journal is not None:
            await journal.close()


def row(session: str = "s", updated_ms: int = 1_000, **fields: Any) -> IndexRow:
    defaults = {"owner": "ann", "name": "", "state": "open", "created_ms": 1_000}
    return IndexRow(id=session, updated_ms=updated_ms, **(defaults | fields))


async def create(
    journal: Journal, session: str = "s", genesis: bytes = b"genesis", **fields: Any
) -> Claim:
    new = NewSession(genesis=genesis, row=row(session, **fields))
    return await journal.claim(session, create=new)


def append(
    journal: Journal,
    *events: bytes,
    session: str = "s",
    epoch: int = 1,
    after: int = 0,
    **fields: Any,
) -> Commit:
    return journal.append(session, events, epoch=epoch, after=after, row=row(session, **fields))


async def events_of(journal: Journal, session: str = "s") -> Sequence[bytes]:
    return (await journal.read(session, after=0, limit=10_000)).events


async def error_of(pending: Awaitable[Any]) -> BaseException | None:
    """What awaiting `pending` raises; None if it does not."""
    try:
        await pending
    except Exception as error:
        return error
    return None
