"""The user's side of one dialogue, from wherever its session stands to the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from ...actors.errors import (
    CapacityError,
    GreenroomError,
    NoApproval,
    OutcomeUnknown,
    Overloaded,
    RuntimeClosed,
    SessionClosed,
    SessionExists,
)
from ...actors.kernel.reply import Reply
from ...actors.ports import Policy, UserId
from ...actors.session.events import ApprovalRequested
from ...actors.session.info import TurnResult
from ...actors.session.settings import Settings
from ...actors.session.transcript import Line
from ...actors.session.view import is_input
from ...supervisor.handles.talk import Turn
from ...supervisor.runtime import Runtime
from ...supervisor.session import Session
from .dataset import Dialogue
from .listener import Listener
from .pace import Pace
from .report import Counters
from .room import Room
from .transcripts import words
from .trouble import NONE, Trouble

PATIENCE: Final = 300
"""Refusals in a row for want of room, without a turn between them: the dialogue is given up."""

ATTEMPTS: Final = 10
"""The same for what more room would not help."""

RETRY_S: Final = 0.1
MAX_SPREAD_S: Final = 1.0


class NotAsRecorded(GreenroomError):
    """A session has something else than the recorded dialogue of its id."""

    code = "not_as_recorded"

    def __init__(self, dialogue: str, why: str) -> None:
        self.dialogue, self.why = dialogue, why
        super().__init__(f"session {dialogue} is not as recorded: {why}")


class Player:
    """Plays the user's side of one dialogue.

    It looks at what the session has before it says anything, so that it goes on from a run that
    was killed, or from an outcome that is unknown, and says nothing twice. `place` is the exchange
    it is in, from 0. A new session is given to `owner`; one that is there already keeps its own.
    With `guests` it is one of several people in the room, who say some of its lines. With `trouble`
    it interrupts some answers with its next message, and approves some calls, having sent the
    session off the stage before.
    """

    def __init__(
        self,
        runtime: Runtime,
        dialogue: Dialogue,
        owner: UserId,
        pace: Pace,
        counters: Counters,
        *,
        guests: int = 0,
        trouble: Trouble = NONE,
    ) -> None:
        self.place = 0
        self._runtime = runtime
        self._dialogue = dialogue
        self._user = owner
        self._pace = pace
        self._counters = counters
        self._guests = guests
        self._trouble = trouble
        self._session: Session | None = None
        self._room: Room | None = None

    async def play(self) -> None:
        """Play to the end; what is refused for now is tried again.

        Raises NotAsRecorded, or the error that stays.
        """
        refusals, place = 0, 0
        while True:
            try:
                return await self._play()
            except GreenroomError as error:
                refusals, place = refusals + 1 if self.place == place else 1, self.place
                if refusals >= attempts(error):
                    raise
                self._counters.retries += 1
                await asyncio.sleep(wait_s(error, refusals))

    async def _play(self) -> None:
        if self._session is None:
            self._session = await self._create_or_find()
        session = self._session
        async with session.events(self._user) as events:
            # Queued in this order: the events that are read begin where the history ends.
            listener = Listener(session.id, events, self._counters, self._approve)
            self.place = await self._catch_up(session)
            if self.place < self._dialogue.exchanges:
                await self._in_company(session, listener)

    async def _in_company(self, session: Session, listener: Listener) -> None:
        """Play what is left, with the guests."""
        if self._room is None:
            self._room = Room(session, self._guests, self._counters)
        room = self._room
        try:
            await room.open()
            while self.place < self._dialogue.exchanges:
                await self._exchange(session, listener, room.speaker(self.place, self._user))
                self.place += 1
                await room.after(self.place)
            await room.close()
        finally:
            room.hang_up()

    async def _create_or_find(self) -> Session:
        try:
            session = await self._runtime.create(
                self._user,
                id=self._dialogue.dialogue_id,
                settings=Settings(max_participants=max(10, self._guests + 1)),
            )
        except SessionExists:
            session = self._runtime.session(self._dialogue.dialogue_id)
            self._user = (await session.info()).owner
            self._counters.found += 1
        else:
            self._counters.created += 1
        return session

    async def _catch_up(self, session: Session) -> int:
        """How many exchanges the session has. The last one may have been under way until now."""
        history = await session.transcript(self._user)
        said = [line for line in history if is_input(line)]
        if said:
            self._check_history(said)
            if (pending := await session.approval(self._user)) is not None:
                await self._decide(pending.id, [call.id for call in pending.calls])
            if not self._interrupts(len(said) - 1):
                self._check_result(await session.result(said[-1].turn))
        return len(said)

    async def _exchange(self, session: Session, listener: Listener, speaker: UserId) -> None:
        """Say the next thing, and hear it answered."""
        loop, counters = asyncio.get_running_loop(), self._counters
        due = await self._pace.start()
        policy: Policy = "interrupt" if self._interrupts(self.place - 1) else "enqueue"
        turn = await session.send(speaker, self._dialogue.input(self.place), policy=policy)
        counters.ack.add(loop.time() - due)
        if self._interrupts(self.place):
            await self._hear_some(listener, turn)
            return
        result = turn.result()
        heard = await _hear(listener, turn, result)
        counters.turn.add(loop.time() - due)
        self._check_result(await result)
        if heard is not None:
            counters.heard += 1
            self._check_heard(heard)

    def _interrupts(self, place: int) -> bool:
        return place >= 0 and self._trouble.interrupts(self._dialogue, place)

    async def _hear_some(self, listener: Listener, turn: Turn) -> None:
        """Hear as much as is said before the next message interrupts."""
        said = words(self._dialogue.answer(self.place).text)
        some = self._trouble.words_before(self._dialogue, self.place, len(said))
        heard = await listener.hear(turn.id, words_only=some)
        if heard is not None and heard != "".join(said[:some]):
            raise self._error(f"{heard!r} was streamed in exchange {self.place + 1}")
        self._counters.interruptions += 1

    async def _approve(self, event: ApprovalRequested) -> None:
        """Let the session leave the stage, then decide."""
        if await self._runtime.passivate(self._dialogue.dialogue_id):
            self._counters.left_meanwhile += 1
        await self._decide(event.approval, event.calls)

    async def _decide(self, approval: str, calls: Sequence[str]) -> None:
        session = self._runtime.session(self._dialogue.dialogue_id)
        try:
            await session.decide(self._user, dict.fromkeys(calls, True), approval)
        except NoApproval:
            return  # decided by a run that was killed, or before the outcome was known
        self._counters.approvals += 1

    def _check_history(self, said: Sequence[Line]) -> None:
        for place, line in enumerate(said):
            ours = place < self._dialogue.exchanges and self._dialogue.input(place)
            if getattr(line, "text", None) != ours:
                raise self._error(f"message {place + 1} differs")

    def _check_result(self, result: TurnResult) -> None:
        if result.status != "completed":
            raise self._error(f"turn {result.turn} {result.status}: {result.reason}")

    def _check_heard(self, heard: str) -> None:
        text = self._dialogue.answer(self.place).text
        if heard != text:
            raise self._error(f"{heard!r} was streamed in exchange {self.place + 1}, not {text!r}")

    def _error(self, why: str) -> NotAsRecorded:
        return NotAsRecorded(self._dialogue.dialogue_id, why)


async def _hear(listener: Listener, turn: Turn, result: Reply[TurnResult]) -> str | None:
    """What is streamed of `turn`. Raises what keeps it from having a result, if anything does."""
    # A session that is parked publishes no end of its turn, but its result is an error.
    result.on_done(lambda reply: listener.hang_up() if reply.error else None)
    try:
        return await listener.hear(turn.id)
    except SessionClosed:
        await result
        raise


def attempts(error: GreenroomError) -> int:
    """How often in a row `error` is put up with: once, if it will not pass."""
    match error:
        case CapacityError() | Overloaded():
            return PATIENCE
        case RuntimeClosed():
            return 1
        case OutcomeUnknown():  # the next attempt begins by looking
            return ATTEMPTS
        case _:
            return ATTEMPTS if error.retryable else 1


def wait_s(error: GreenroomError, refusals: int) -> float:
    """How long to wait after so many refusals in a row: at least what the error says.

    Spread at random: players that were refused together and came back together were measured to
    leave 5 slots idle for nine tenths of the time while 195 of them waited.
    """
    told_s: float | None = getattr(error, "retry_after_s", None)
    least_s = RETRY_S if told_s is None else told_s
    return least_s + random.uniform(0, min(least_s * refusals, MAX_SPREAD_S))
