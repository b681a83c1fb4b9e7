"""Deletions under way: sessions that are archived before they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from ..actors.errors import GreenroomError
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId
from ..actors.session.commands import Delete
from ..actors.session.messages import Erase, GetLast
from .removal import Removal

Ask: TypeAlias = Callable[[SessionId, object], Reply[Any]]


class Deletions:
    """Has sessions archived while they live still, so that a failure leaves them as they are.

    Where an end would change more than that, because a turn runs or waits, the session ends first
    and archives itself then (`Erasure`). The same goes if something has happened meanwhile. Every
    deletion is answered.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, removal: Removal, ask: Ask) -> None:
        self._loop = loop
        self._removal = removal
        self._ask = ask
        self._waiting: set[Reply[Any]] = set()
        self._archiving: set[asyncio.Task[None]] = set()
        self._closed: GreenroomError | None = None

    def begin(self, session: SessionId, command: Delete, reply: Reply[Any]) -> None:
        """Delete a session, and answer `reply`. From any thread."""
        self._waiting.add(reply)
        reply.on_done(self._waiting.discard)
        asked = self._ask(session, GetLast(command.by))
        asked.on_done(lambda last: self._on_last(session, command, last, reply))

    def close(self, error: GreenroomError) -> None:
        """Give up those that are still being archived."""
        self._closed = error
        for task in self._archiving:
            task.cancel()
        for reply in list(self._waiting):
            reply.set_error(error)

    def _on_last(
        self, session: SessionId, command: Delete, last: Reply[Any], reply: Reply[Any]
    ) -> None:
        """Go on, on whichever thread has the answer."""
        if last.error is not None:
            reply.set_error(last.error)
        elif (revision := last.result()) is None:
            self._erase(session, Erase(command, archive=True), reply)
        elif self._closed is None:
            archive = partial(self._start, session, command, revision, reply)
            with suppress(RuntimeError):  # the loop is closed, and so is this, or will be at once
                self._loop.call_soon_threadsafe(archive)
        if self._closed is not None:
            reply.set_error(self._closed)

    def _start(self, session: SessionId, command: Delete, revision: int, reply: Reply[Any]) -> None:
        if not reply.done:
            task = self._loop.create_task(self._archive(session, command, revision, reply))
            self._archiving.add(task)
            task.add_done_callback(self._archiving.discard)

    async def _archive(
        self, session: SessionId, command: Delete, revision: int, reply: Reply[Any]
    ) -> None:
        try:
            await self._removal.keep(session)
        except GreenroomError as error:
            reply.set_error(error)
        else:
            self._erase(session, Erase(command, archive=True, archived=revision), reply)

    def _erase(self, session: SessionId, message: Erase, reply: Reply[Any]) -> None:
        self._ask(session, message).on_done(partial(_pass_on, reply))


def _pass_on(to: Reply[Any], done: Reply[Any]) -> None:
    if done.error is not None:
        to.set_error(done.error)
    else:
        to.set(done.result())
