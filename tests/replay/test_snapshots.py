"""L02, L16, LX3, LX7, LX13: a snapshot and exactly the cursor from which to go on."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis.strategies import integers
from replay.kit import gaps, place, read, shown
from theatre import GatedJournal, LotteryDispatcher, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.ports import Claim
from greenroom.actors.session import events as happened
from greenroom.actors.session.cursor import START
from greenroom.actors.session.fold import apply, restore
from greenroom.actors.session.info import SessionSnapshot, snapshot
from greenroom.actors.session.items import Published

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=60, deadline=None, derandomize=True)


class View:
    """What a client makes of a session that it reads from the beginning."""

    def __init__(self, journal: GatedJournal) -> None:
        genesis = journal._records["s"].genesis
        self.state = restore(
            Claim(epoch=0, revision=0, genesis=genesis, snapshot=None, events=[], end=None), "s"
        )
        self.saying = ""
        self.presence: dict[str, Any] = {}

    def fold(self, item: Published) -> None:
        assert item.revision == self.state.revision + item.durable, "lost or repeated"
        event: Any = item.event
        if item.durable:
            apply(self.state, event, item.at_ms)
        match event:
            case happened.TextStreamed(text=text):
                self.saying += text
            case happened.PresenceChanged(user=user):
                self.presence[user] = event
            case happened.Left(user=user):
                self.presence.pop(user, None)
            case happened.MessagePosted(message=greenroom.Message(role="assistant")):
                self.saying = ""

    def at(self, cursor: str) -> SessionSnapshot:
        """What a snapshot with this cursor shows of it."""
        return snapshot(self.state, [self.saying]).at(place(cursor), self.presence)


class Room:
    """A room in which a seed draws who does what; snapshots are taken all along."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.journal = GatedJournal()
        self.script = Script()
        self.runtime = greenroom.Runtime(
            self.script,
            journal=self.journal,
            clock=self.clock,
            dispatcher=LotteryDispatcher(seed),
        )
        self.snapshots: list[Any] = []

    async def live(self, acts: int) -> greenroom.Session:
        session = await self.runtime.create(user="ann", id="s")
        for number in range(acts):
            self._act(session, number)
            await settle(self.rng.choice((0, 0, 1, 3, 20)))
        self.journal.let()
        for turn in range(1, acts + 1):
            self.script.cue("s", turn, None)
        await self.clock.advance(1.0)
        await settle(300)
        return session

    def _act(self, session: greenroom.Session, number: int) -> None:
        user = self.rng.choice(("ann", "ann", "bob"))
        match self.rng.randrange(12):
            case 0:
                session.join("bob")
            case 1:
                session.leave("bob")
            case 2:
                session.update_context(user, {"k": {str(number % 3): number}, "n": number})
            case 3:
                session.add_memory(user, f"m{number}")
            case 4:
                session.post(user, f"post {number}")
            case 5:
                session.send("ann", f"ask {number}")
            case 6 | 7:
                turn = max(len(self.script.turns), 1)
                self.script.cue("s", turn, f"{number} ", *([None] if number % 4 == 0 else []))
            case 8:
                session.present(user, focus=str(number))
            case 9:
                self.journal.holding = True
            case 10:
                self.journal.let()
            case 11:
                pass
        self.snapshots.append(session.snapshot("ann"))


@SCHEDULES
@given(seed=SEEDS)
def test_lx7_l16_a_snapshot_and_what_follows_its_cursor_make_the_whole(seed: int) -> None:
    async def scene() -> None:
        room = Room(seed)
        async with room.runtime:
            session = await room.live(acts=25)
            whole = await read(session, START)
            last = await session.snapshot("ann")
            reader, count = View(room.journal), 0

            for reply in room.snapshots:
                given = reply.result()
                rest = await read(session, given.cursor)

                assert gaps(rest) == []
                assert rest == whole[len(whole) - len(rest) :]
                for item in whole[count : len(whole) - len(rest)]:
                    reader.fold(item)
                count = len(whole) - len(rest)
                assert given == reader.at(given.cursor), "the snapshot is not of its cursor"
            for item in whole[count:]:
                reader.fold(item)
            assert last == reader.at(last.cursor)

    play(scene)


def test_lx3_a_snapshot_of_one_revision_never_has_a_cursor_past_the_next() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True
            session.post("ann", "one")
            asked = session.snapshot("ann")
            session.post("ann", "two")
            await settle()
            assert not asked.done, "what it shows is not durable yet"

            journal.let()
            shot = await asked

            assert shot.info.revision == place(shot.cursor).revision == 1
            assert shown(await read(session, shot.cursor)) == ["two"]

    play(scene)


def test_lx7_a_snapshot_whose_commit_fails_is_not_given() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True
            session.post("ann", "one")
            asked = session.snapshot("ann")
            journal.fail(greenroom.NotWritten("full"))
            await settle()
            journal.let()
            await settle()

            assert isinstance(asked.error, greenroom.GreenroomError)
            await clock.advance(1.0)
            assert (await session.snapshot("ann")).info.revision == 0

    play(scene)


def test_lx13_a_snapshot_shows_the_text_and_the_presence_that_its_cursor_is_past() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with greenroom.Runtime(script, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "go")
            script.cue("s", 1, "half ", "an ")
            session.present("ann", focus="here")
            await settle()

            shot = await session.snapshot("ann")
            script.cue("s", 1, "answer", None)
            await turn.result()
            rest = await read(session, shot.cursor)

            assert shot.saying == "half an "
            assert shot.presence["ann"].focus == "here"
            assert shown(rest) == ["~answer", "half an answer", "turn.ended"]
            assert (await session.snapshot("ann")).saying == ""

    play(scene)


def test_lx13_the_latest_cursor_of_a_gap_hides_nothing_that_the_log_still_holds() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, live_events=4) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "before")
            turn = await session.send("ann", "go")
            script.cue("s", 1, "a", "b", "c", "d")
            await settle()

            gap, *rest = await read(session, START)

            assert shown(rest) == ["before", "go", "turn.started", "~a", "~b", "~c", "~d"]
            assert shown(await read(session, gap.latest)) == ["~a", "~b", "~c", "~d"]
            script.cue("s", 1, None)
            await turn.result()

    play(scene)
