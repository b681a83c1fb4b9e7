"""P15 under schedules that a seed draws: every cursor that was ever issued can be gone on from.

Trims, timed frees, passivations, crashes, hidden commits and readers that lag all interleave. A
record of every publication says what a resume must give: each durable event after the cursor
once and in order, every ephemeral one that the log still holds, and a single gap before them, if
and only if something was lost or nobody can tell.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from company import is_durable
from hypothesis import given, settings
from hypothesis.strategies import integers
from replay.kit import gaps
from theatre import GatedJournal, LotteryDispatcher, ManualClock, crash_on_boom, play, settle

import greenroom
from greenroom.actors.session.cursor import parse
from greenroom.actors.session.items import Published
from greenroom.actors.session.live import LiveLog

SEEDS = integers(0, 2**32 - 1)
ACTS = 45


PUBLISHED: list[Published] = []
"""Everything that was ever published, in order."""


@pytest.fixture(scope="module", autouse=True)
def trouble() -> Iterator[None]:
    """A handler that crashes on "boom", and a record of all that was ever published."""
    publish = LiveLog.publish

    def noting(self: LiveLog, *args: Any, **kwargs: Any) -> Published:
        PUBLISHED.append(publish(self, *args, **kwargs))
        return PUBLISHED[-1]

    with pytest.MonkeyPatch.context() as patch:
        crash_on_boom(patch)
        patch.setattr(LiveLog, "publish", noting)
        yield


class Room:
    """Session `s`, to which a seed does everything that can go wrong, and some readers of it."""

    def __init__(self, seed: int) -> None:
        PUBLISHED.clear()
        self.rng = random.Random(seed)
        self.clock, self.journal = ManualClock(), GatedJournal()
        self.runtime = greenroom.Runtime(
            self._answer,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
            idle_s=5.0,
            live_events=self.rng.choice((2, 6, 20, 500)),
            live_age_s=self.rng.choice((2.0, 1000.0)),
            max_restarts=1000,
            max_restart_delay_s=0.1,
            snapshot_bytes=300,
            turn_attempts=2,
        )
        self.issued: dict[str, Any] = {greenroom.START: None}
        self.readers: list[greenroom.Subscription] = []
        self.snapshots: list[Any] = []

    async def live(self) -> None:
        await self.runtime.create(user="ann", id="s")
        for number in range(ACTS):
            await self._act(number)
            await settle(self.rng.choice((0, 1, 5, 30)))
        self.journal.heal()
        for _ in range(4):
            await self.clock.advance(0.5)
        for reader in self.readers:
            await self._pull(reader, 1000)
        for reply in self.snapshots:
            if reply.error is None:
                self.issued.setdefault(reply.result().cursor, None)

    async def _act(self, number: int) -> None:
        session = self.runtime.session("s")
        match self.rng.randrange(13):
            case 0 | 1:
                session.post("ann", str(number))
            case 2 | 3:
                session.send("ann", str(number), policy="interrupt")
            case 4:
                session.present("ann", focus=str(number))
            case 5:
                self.snapshots.append(session.snapshot("ann"))
            case 6 | 7:
                after = self.rng.choice([*self.issued, None])
                self.readers.append(session.events("ann", after=after))
            case 8:
                for reader in self.readers[:3]:
                    await self._pull(reader, self.rng.randrange(1, 100))
            case 9:
                session.post("ann", "boom")
            case 10:
                await self.clock.advance(self.rng.choice((0.3, 3.0, 6.0)))
            case 11:
                self._trouble_the_journal()
            case 12 if self.readers:
                self.readers.pop(0).close()

    async def _pull(self, reader: greenroom.Subscription, most: int) -> None:
        """Take what there is, a little of it, and note its cursors."""
        for _ in range(most):
            await settle(2)
            try:
                item = reader._sink.pull()
            except greenroom.GreenroomError:
                return
            if not isinstance(item, Published | greenroom.Gap):
                return
            self.issued[item.cursor] = item
            if isinstance(item, greenroom.Gap):
                self.issued.setdefault(item.latest, None)

    def _trouble_the_journal(self) -> None:
        match self.rng.randrange(4):
            case 0:
                self.journal.fail(greenroom.NotWritten("full"))
            case 1:
                self.journal.fail(greenroom.JournalFailed("no answer"), written=True)
            case 2:
                self.journal.holding = True
            case 3:
                self.journal.let()

    async def _answer(self, turn: greenroom.Turn) -> Any:
        for word in range(self.rng.randrange(5)):
            yield f"{word} "
            await settle(self.rng.randrange(4))


async def resumed(session: greenroom.Session, cursors: Iterable[str]) -> dict[str, list[Any]]:
    """What follows each cursor, all of it read at the same time."""
    readers = {cursor: session.events("ann", after=cursor) for cursor in cursors}
    found: dict[str, list[Any]] = {cursor: [] for cursor in readers}
    quiet = 0
    while quiet < 2:
        await settle(3 * len(readers) + 20)
        quiet += 1
        for cursor, reader in readers.items():
            while isinstance(item := reader._sink.pull(), Published | greenroom.Gap):
                found[cursor].append(item)
                quiet = 0
    for reader in readers.values():
        reader.close()
    await settle(len(readers))
    return found


class Truth:
    """What a resume must give, by the record alone."""

    def __init__(self, room: Room) -> None:
        live = room.runtime._logs.get("s")
        assert live is not None
        self.kept = live.read(live.first_index, 10_000) or []
        record = room.journal._records["s"]
        self.revision, self.epoch = len(record.events), record.epoch

    def check(self, cursor: str, items: list[Any]) -> None:
        at = parse(cursor, "s")
        durable = [item.revision for item in items if is_durable(item)]
        assert durable == list(range(at.revision + 1, self.revision + 1)), "lost or repeated"
        assert gaps(items[1:]) == [], "more than one gap, or not at the beginning"
        rest = items[len(gaps(items)) :]
        assert not any(after.healed > before.healed for before, after in pairwise(rest))
        live = [item for item in rest if not item.healed]
        if gaps(items):
            self._check_loss(at, items[0], live)
        else:
            assert not any(item.healed for item in items)
            assert live == self._following(at), "a clean replay that is not the whole"

    def _following(self, at: Any) -> list[Published]:
        """Everything that was published after a cursor."""
        if at.epoch == 0 and at.revision:
            event = next(i for i in PUBLISHED if i.durable and i.revision == at.revision)
            return PUBLISHED[PUBLISHED.index(event) + 1 :]
        return [i for i in PUBLISHED if (i.epoch, i.position) > (at.epoch, at.position)]

    def _check_loss(self, at: Any, gap: greenroom.Gap, live: list[Published]) -> None:
        """A gap is told only where something is gone, and nothing is left out that is not."""
        assert gap.healed
        if gap.reason == "trimmed":
            following = self._following(at)
            assert len(following) > len(live), "a gap where nothing was lost"
        else:
            assert at.epoch != self.epoch, "a place in this very activation is known"
            from_journal = [i for i in self.kept if i.durable and i.revision == at.revision]
            assert at.epoch or not from_journal, "the place of an event that is here is known"
        assert live == self.kept[len(self.kept) - len(live) :]
        left_out = self.kept[: len(self.kept) - len(live)]
        assert all(item.revision <= at.revision for item in left_out), "left out, and yet here"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_p15_every_cursor_ever_issued_can_be_gone_on_from(seed: int) -> None:
    async def scene() -> None:
        room = Room(seed)
        async with room.runtime:
            await room.live()
            session = room.runtime.session("s")
            await session.info()
            truth = Truth(room)
            found = await resumed(session, room.issued)
            again = {item.cursor for items in found.values() for item in items}
            found |= await resumed(session, again - found.keys())

            for cursor, items in found.items():
                truth.check(cursor, items)

    play(scene)
