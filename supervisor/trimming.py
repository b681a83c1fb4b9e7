"""When events that no room history holds any more are dropped."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog

from ..actors.errors import GreenroomError, SessionDamaged, SessionNotFound, text_of
from ..actors.ports import Journal, SessionId, Trimmable
from ..actors.session.base import Base, encode_base
from ..actors.session.entry import decode_entry
from ..actors.session.records import InteractionRecorded
from ..actors.session.stage import Stats
from .recording import PAGE, read_recording
from .retention import EVERYTHING_MS, Retention, before_ms

LEAST: Final = 1_000
"""Events that must go at once: what stands for them is the whole state, written anew each time.
With 200 bytes an event they are larger than most states."""

MOST: Final = 10_000
"""Events folded at once and held in memory: a few megabytes."""

STEP: Final = 10
"""Sessions looked at in one step."""

log = structlog.get_logger()


class Trimming:
    """Puts their fold in the place of the oldest events, one session after the other.

    Dropped are events that are older than the policy says and from before the room history, never
    a newer one: a cursor younger than that finds everything after it. Interactions are kept, and a
    session that is on stage does not notice.
    """

    def __init__(self, journal: Journal, policy: Retention, stats: Stats) -> None:
        self._journal = journal
        self._policy = policy
        self._stats = stats
        self._after: SessionId = ""

    async def step(self, now_ms: int) -> bool:
        """Trim the next few sessions; whether there may be more."""
        before = before_ms(now_ms, self._policy.event_retention_s)
        if before is None:
            return False
        found = await self._journal.trimmable(least=LEAST, after=self._after, limit=STEP)
        for trimmable in found:
            await self._trim_all(trimmable, before)
        more = len(found) == STEP
        self._after = found[-1].id if more else ""
        return more

    async def press(self) -> int:
        """Trim one session as far as its room history, however young its events: how many went."""
        for trimmable in await self._journal.trimmable(least=LEAST, limit=STEP):
            if gone := await self._trim_all(trimmable, EVERYTHING_MS):
                return gone
        return 0

    async def _trim_all(self, trimmable: Trimmable, before: int) -> int:
        """Drop what may go of one session: how many events."""
        session, base, gone = trimmable.id, trimmable.base, 0
        last = trimmable.oldest - 1
        try:
            while last - base >= LEAST:
                revision = await self._old(session, base, min(last, base + MOST), before)
                if revision - base < LEAST:
                    break
                await self._trim(session, revision)
                gone, base = gone + revision - base, revision
        except SessionNotFound:
            pass  # deleted meanwhile
        except GreenroomError as error:
            log.warning("session_not_trimmed", session=session, error=text_of(error))
        if gone:
            self._stats.events_trimmed += gone
            log.info("session_trimmed", session=session, events=gone)
        return gone

    async def _old(self, session: SessionId, base: int, last: int, before: int) -> int:
        """The revision up to which all events after `base` are from before `before`."""
        revision = base
        while revision < last:
            page = await self._journal.read(
                session, after=revision, limit=min(PAGE, last - revision)
            )
            if page.first != revision + 1 or not page.events:
                return base
            for body in page.events:
                if _at_ms(session, revision + 1, body) >= before:
                    return revision
                revision += 1
            await asyncio.sleep(0)
        return revision

    async def _trim(self, session: SessionId, revision: int) -> None:
        recording = await read_recording(self._journal, session, upto=revision)
        acts = [done for done in recording.entries if isinstance(done.event, InteractionRecorded)]
        base = Base(recording.state, [*recording.interactions, *acts])
        await self._journal.trim(session, encode_base(base), revision=revision)


def _at_ms(session: SessionId, revision: int, body: bytes) -> int:
    try:
        return decode_entry(body).at_ms
    except msgspec.MsgspecError as error:
        raise SessionDamaged(session, revision=revision, why=str(error)) from error
