"""Forks under way: sessions that are to begin with what another one held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import structlog

from ..actors.errors import GreenroomError, JournalUnavailable, text_of
from ..actors.kernel.reply import Reply
from ..actors.ports import Journal, SessionId
from ..actors.session.fork import ForkPoint
from ..actors.session.state import Genesis, State
from .recording import read_recording

log = structlog.get_logger()

Begin: TypeAlias = Callable[[State, ForkPoint], Genesis]
"""How the new session begins, from the state to fork."""

Create: TypeAlias = Callable[[Genesis, Reply[Any]], None]


class Forks:
    """Reads what is to be forked from the journal alone, beside all mailboxes, and has it created.

    Every fork is answered: with its session, or with the error of whatever went wrong.
    """

    def __init__(self, journal: Journal, create: Create) -> None:
        self._journal = journal
        self._create = create
        self._reading: dict[asyncio.Task[None], Reply[Any]] = {}

    def make(
        self, source: SessionId, point: Reply[ForkPoint], begin: Begin, reply: Reply[Any]
    ) -> None:
        """Go on with a fork whose point is known, or was refused. On the loop, unless refused."""
        if point.error is not None:
            reply.set_error(point.error)
            return
        work = self._make(source, point.result(), begin, reply)
        task = asyncio.get_running_loop().create_task(work)
        self._reading[task] = reply
        task.add_done_callback(self._reading.pop)

    def close(self, error: GreenroomError) -> None:
        """Give up those that are still being read."""
        for task, reply in list(self._reading.items()):
            task.cancel()
            reply.set_error(error)

    async def _make(
        self, source: SessionId, point: ForkPoint, begin: Begin, reply: Reply[Any]
    ) -> None:
        try:
            recording = await read_recording(self._journal, source, upto=point.revision)
            self._create(begin(recording.state, point), reply)
        except GreenroomError as error:
            reply.set_error(error)
        except Exception as error:
            log.error("fork_failed", session=source, error=text_of(error), exc_info=error)
            reply.set_error(JournalUnavailable(source, why=text_of(error)))
