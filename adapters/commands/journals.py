"""The journal that a command is pointed at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final, TypeAlias

from cyclopts import Parameter

from ...actors.ports import Journal
from ...supervisor.journals import find_journal

DEFAULT: Final = "sqlite:///greenroom.db"

JournalUrl: TypeAlias = Annotated[str, Parameter(help="URL of the journal.")]


def to_read(url: str) -> Journal:
    """The journal of `url` for reading only, whoever owns it. Raises ConfigError."""
    return find_journal(f"{url}{'&' if '?' in url else '?'}mode=ro")


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Journal]:
    """The journal of `url`, open for reading only.

    Raises ConfigError, JournalUnavailable or JournalFormat.
    """
    journal = to_read(url)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()
