"""One process on the journal: a runtime, its dispatcher, and its programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from ....actors.kernel.dispatcher import Runnable
from ....actors.ports import Claim, Commit, IndexRow, Journal, NewSession
from ....supervisor.messages import DrainReport
from ...embedded import Runtime
from ..dispatcher import SeededDispatcher
from ..faults import FaultyJournal
from .players import Players


class WatchedDispatcher(SeededDispatcher):
    """Tells when a mailbox stands in line twice: then two threads could run it at once."""

    def __init__(self, seed: int, told: Callable[[Runnable], None]) -> None:
        super().__init__(seed)
        self._told = told

    def schedule(self, box: Runnable) -> None:
        if any(box is other for other in self._ready):
            self._told(box)
        super().schedule(box)


class WatchedJournal(FaultyJournal):
    """Tells who has claimed a session, and who has written to it."""

    def __init__(self, journal: Journal, house: Any) -> None:
        super().__init__(journal, closes=False)
        self._house = house

    async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
        claim = await super().claim(session, create=create)
        self._house.tell("claimed", session, claim.epoch)
        return claim

    def _write(self, session: str, events: Any, *, epoch: int, after: int, row: IndexRow) -> Commit:
        commit = self.journal.append(session, events, epoch=epoch, after=after, row=row)
        if commit.done and commit.error is None:
            self._house.tell("written", session, epoch)
        return commit

    def append(self, session: str, events: Any, *, epoch: int, after: int, row: IndexRow) -> Commit:
        if self._bombs:
            raise self._bombs.pop(0)
        return self._gate(lambda: self._write(session, events, epoch=epoch, after=after, row=row))


class Process:
    """What dies together."""

    def __init__(self, house: Any, number: int) -> None:
        self.house, self.number = house, number
        self.players = players = Players(house, number)
        self.journal = WatchedJournal(house.store, house)
        self.dispatcher = WatchedDispatcher(
            house.script.seed + number, lambda box: house.tell("scheduled_twice", box)
        )
        self.alone = True  # whether no other process has been there meanwhile
        self.dead = False
        self.stopping: asyncio.Task[DrainReport] | None = None
        options = house.script.options
        backstage: dict[str, Any] = {}
        if options.backstage:
            backstage = {"resources": players.resources, "on_end": players.hook}
        ids = count(number << 20)
        self.runtime = players.runtime = Runtime(
            players.answer,
            compactor=players.summarise,
            journal=self.journal,
            clock=house.clock,
            dispatcher=self.dispatcher,
            new_id=lambda size: f"{next(ids):0{2 * size}x}"[-2 * size :],
            max_sessions=options.max_sessions,
            max_sessions_per_user=options.max_sessions_per_user,
            idle_s=5.0,
            live_events=options.live_events,
            max_restarts=options.max_restarts,
            restart_window_s=10.0,
            turn_attempts=options.turn_attempts,
            snapshot_bytes=400,
            turn_timeout_s=20.0,
            turn_silence_s=8.0,
            open_timeout_s=4.0,
            close_timeout_s=2.0,
            hook_timeout_s=2.0,
            approval_expires_s=10.0,
            ended_retention_s=options.ended_retention_s,
            max_running_turns=options.max_running_turns,
            max_running_turns_per_user=options.max_running_turns_per_user,
            admission_wait_s=options.admission_wait_s,
            **backstage,
        )

    @property
    def supervisor(self) -> Any:
        """Its supervisor, to be looked at."""
        return self.runtime._supervisor

    @property
    def steady(self) -> bool:
        """Whether it takes commands, and has the journal to itself."""
        return self.alone and self.stopping is None and not self.dead

    @property
    def works(self) -> bool:
        """Whether a session is on stage, or will be by itself."""
        return bool(self.runtime.resident or len(self.supervisor.alarms))

    def drain(self, budget_s: float) -> None:
        """Begin to stop."""
        if self.stopping is None:
            stop = self.runtime.stop(budget_s=budget_s)
            self.stopping = asyncio.get_running_loop().create_task(stop)

    def die(self, keep: int) -> None:
        """Stop at once: nothing runs any more, and of what the journal holds little is durable."""
        self.dead = True
        self.dispatcher.stop()
        self.journal.crash(keep)
