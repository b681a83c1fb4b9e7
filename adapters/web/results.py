"""Waiting for the ends of turns."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from ...actors.errors import GreenroomError
from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId
from ...actors.session.info import TurnResult
from ...supervisor.runtime import Runtime


class Results:
    """The turns that requests wait for.

    A session is asked once about each, whoever waits and however often: a client that asks again
    and again about a turn that does not end adds nothing to what the session holds.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._asked: dict[tuple[SessionId, int], Reply[TurnResult]] = {}

    def __len__(self) -> int:
        """Turns that have not ended, as far as is known."""
        return len(self._asked)

    def of(self, session: SessionId, turn: int) -> Reply[TurnResult]:
        """How the turn ended, when it has. Refused: TurnNotFound."""
        place = (session, turn)
        asked = self._asked.get(place)
        if asked is None:
            asked = self._asked[place] = self._runtime.session(session).result(turn)

            def forget(_: Reply[TurnResult]) -> None:
                self._asked.pop(place, None)

            asked.on_done(forget)
        return asked


async def within(timeout_s: float, reply: Reply[Any]) -> bool:
    """Wait for an answer, but no longer than `timeout_s`: whether it is there, if only as an error.

    Whoever waits no more leaves the reply as it is, for others.
    """
    with suppress(TimeoutError, GreenroomError):
        async with asyncio.timeout(timeout_s):
            await reply
    return reply.done
