"""A session is archived, or at least read whole, before it is removed without being asked."""

from __future__ import annotations

from ..actors.errors import ArchiveFailed, SessionNotFound, text_of
from ..actors.ports import Archive, Journal, SessionId
from ..actors.session.stage import Stats
from .recording import read_recording


class Removal:
    """What comes before a session is hidden (spec SX8, SX21).

    The archive comes first, and the same session is archived once: after a crash in between, all
    of it is done again, and leaves what it would have left.
    """

    def __init__(self, journal: Journal, archive: Archive | None, stats: Stats) -> None:
        self._journal = journal
        self._archive = archive
        self._stats = stats

    async def prepare(self, session: SessionId) -> None:
        """Have the session archived; without an archive, see that it can be read.

        What cannot be read is never removed: its bytes are all that there is of it.
        Raises ArchiveFailed, SessionDamaged, SessionNotFound and JournalUnavailable.
        """
        if self._archive is None:
            await read_recording(self._journal, session)
        else:
            await self.keep(session)

    async def keep(self, session: SessionId) -> None:
        """Have the session archived, if there is an archive.

        Raises ArchiveFailed, whatever the archive raises, but SessionNotFound.
        """
        if self._archive is None:
            return
        try:
            self._stats.archived += await self._archive.put(session, self._journal)
        except SessionNotFound:
            raise
        except Exception as error:
            self._stats.archives_failed += 1
            if isinstance(error, ArchiveFailed):
                raise
            raise ArchiveFailed(session, why=text_of(error)) from error
