"""A session whose oldest events are dropped, as a runtime's retention drops them."""

from __future__ import annotations

from pathlib import Path

from greenroom.actors.ports import Journal, SessionId
from greenroom.actors.session.base import Base, encode_base
from greenroom.actors.session.entry import Entry
from greenroom.actors.session.records import InteractionRecorded
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.supervisor.recording import read_recording


async def base_at(journal: Journal, session: SessionId, revision: int) -> bytes:
    """What stands for the events of a session up to `revision`."""
    found = await read_recording(journal, session, upto=revision)
    return encode_base(Base(found.state, [*found.interactions, *_interactions(found.entries)]))


def _interactions(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if isinstance(entry.event, InteractionRecorded)]


async def trim(journal: Journal, session: SessionId, revision: int) -> None:
    await journal.trim(session, await base_at(journal, session, revision), revision=revision)


async def trim_file(path: Path, session: SessionId, revision: int) -> None:
    """The same, in a file that nobody has open."""
    journal = SqliteJournal(path)
    await journal.open()
    await trim(journal, session, revision)
    await journal.close()
