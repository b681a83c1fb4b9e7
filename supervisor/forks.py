"""Forks under way: sessions that are to begin with what another one held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
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

    def __init__(self, loop: asyncio.AbstractEventLoop, journal: Journal, create: Create) -> None:
        self._loop = loop
        self._journal = journal
        self._create = create
        self._waiting: set[Reply[Any]] = set()
        self._reading: set[asyncio.Task[None]] = set()
        self._closed: GreenroomError | None = None

    def make(
        self, source: SessionId, point: Reply[ForkPoint], begin: Begin, reply: Reply[Any]
    ) -> None:
        """Go on with a fork whose point is known, or was refused. From any thread.

        The answer may have come before whoever asks for it looked: then this is his thread.
        """
        if point.error is not None:
            reply.set_error(point.error)
            return
        self._waiting.add(reply)
        reply.on_done(self._waiting.discard)
        if self._closed is None:
            read = partial(self._read, source, point.result(), begin, reply)
            with suppress(RuntimeError):  # the loop is closed, and so is this, or will be at once
                self._loop.call_soon_threadsafe(read)
        if self._closed is not None:
            reply.set_error(self._closed)

    def close(self, error: GreenroomError) -> None:
        """Give up those that are still being read."""
        self._closed = error
        for task in self._reading:
            task.cancel()
        for reply in list(self._waiting):
            reply.set_error(error)

    def _read(self, source: SessionId, point: ForkPoint, begin: Begin, reply: Reply[Any]) -> None:
        if not reply.done:
            task = self._loop.create_task(self._make(source, point, begin, reply))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

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
