"""Many dialogues, hosted side by side on one runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from ...actors.errors import GreenroomError
from ...supervisor.runtime import Runtime
from .dataset import Dialogue
from .pace import Pace
from .player import Player
from .report import Counters
from .trouble import NONE, Trouble


class Driver:
    """Hosts dialogues, `sessions` of them under way at once.

    Dialogue k of the file belongs to user k modulo `users`, and `rooms` people take part in each:
    the others join, leave, lose their connections and resume with their cursors. `trouble` has some
    answers interrupted and some calls approved. `pace` bounds the messages sent over all sessions.
    A dialogue that fails is counted in `counters`, and the others go on.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        sessions: int = 200,
        users: int = 100,
        rooms: int = 1,
        trouble: Trouble = NONE,
        pace: Pace | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self._runtime = runtime
        self._sessions = sessions
        self._users = users
        self._guests = rooms - 1
        self._trouble = trouble
        self._pace = pace or Pace()

    async def run(self, dialogues: Sequence[Dialogue]) -> None:
        """Host each dialogue to its end. Cancelled, it leaves every session as it stands."""
        waiting = iter(enumerate(dialogues))
        async with asyncio.TaskGroup() as players:
            for _ in range(min(self._sessions, len(dialogues))):
                players.create_task(self._play(waiting))

    async def _play(self, waiting: Iterator[tuple[int, Dialogue]]) -> None:
        counters = self.counters
        for index, dialogue in waiting:
            owner = f"user-{index % self._users}"
            try:
                await Player(
                    self._runtime,
                    dialogue,
                    owner,
                    self._pace,
                    counters,
                    guests=self._guests,
                    trouble=self._trouble,
                ).play()
            except GreenroomError as error:
                counters.add_error(f"{dialogue.dialogue_id}: {error}")
            else:
                counters.dialogues += 1
