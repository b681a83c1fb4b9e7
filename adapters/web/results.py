"""Waiting for the ends of turns."""

from __future__ import annotations

import asyncio

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

    async def wait(self, session: SessionId, turn: int, timeout_s: float) -> TurnResult | None:
        """How the turn ended; None if it has not within `timeout_s`. Raises TurnNotFound."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(session, turn)
        except TimeoutError:
            return None

    def _ask(self, session: SessionId, turn: int) -> Reply[TurnResult]:
        place = (session, turn)
        asked = self._asked.get(place)
        if asked is None:
            asked = self._asked[place] = self._runtime.session(session).result(turn)

            def forget(_: Reply[TurnResult]) -> None:
                self._asked.pop(place, None)

            asked.on_done(forget)
        return asked
