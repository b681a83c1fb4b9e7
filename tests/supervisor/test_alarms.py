from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from conformance.journal_kit import append, create
from theatre import ManualClock, play, settle

from greenroom.actors.errors import JournalUnavailable
from greenroom.actors.ports import IndexRow
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.supervisor.alarms import PAGE, Alarms


class Watched(MemoryJournal):
    """Notes how many rows it is asked for, waits for `may_answer`, and fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.failing = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def due(self, *, limit: int) -> list[IndexRow]:
        self.asked.append(limit)
        rows = await super().due(limit=limit)
        await self.may_answer.wait()
        if self.failing:
            raise JournalUnavailable("memory:", why="it is being moved")
        return rows


@dataclass
class Bell:
    """Alarms, and whom they have rung for, and when, from the beginning."""

    clock: ManualClock = field(default_factory=ManualClock)
    journal: Watched = field(default_factory=Watched)
    here: set[str] = field(default_factory=set)
    rung: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_s = self.clock.now_s
        self.alarms = Alarms(
            self.clock, self.journal, self._note, lambda name: name in self.here, 5.0
        )

    def _note(self, session: str) -> None:
        self.rung.append((session, round(self.clock.now_s - self.start_s, 3)))

    def at(self, seconds: float) -> int:
        return int((self.start_s + seconds) * 1000)

    async def store(self, session: str, due_s: float) -> None:
        await self.journal.open()
        await create(self.journal, session, wake_ms=self.at(due_s))

    async def begin(self) -> None:
        await self.journal.open()
        self.alarms.start()
        await self.clock.advance(0.0)


def test_an_alarm_rings_at_its_time_and_again_until_it_is_cancelled() -> None:
    async def scene() -> None:
        bell = Bell()
        await bell.begin()
        bell.alarms.set("a", bell.at(10))
        bell.alarms.set("b", bell.at(12))

        await bell.clock.advance(16.0)
        assert bell.rung == [("a", 10.0), ("b", 12.0), ("a", 15.0)]
        bell.alarms.cancel("a")
        bell.alarms.cancel("never set")
        await bell.clock.advance(2.0)
        assert bell.rung[3:] == [("b", 17.0)]
        bell.alarms.clear()
        await bell.clock.advance(100.0)

        assert len(bell.rung) == 4
        assert len(bell.alarms) == 0

    play(scene)


def test_an_alarm_that_is_set_again_rings_once_and_one_in_the_past_at_once() -> None:
    async def scene() -> None:
        bell = Bell()
        await bell.begin()
        bell.alarms.set("a", bell.at(1))
        bell.alarms.set("a", bell.at(-1))

        await bell.clock.advance(2.0)

        assert bell.rung == [("a", 0.0)]

    play(scene)


def test_what_the_journal_has_rings_whenever_it_is_due() -> None:
    async def scene() -> None:
        bell = Bell()
        for session, due_s in (("late", -3.0), ("soon", 7.0), ("far", 90_000.0)):
            await bell.store(session, due_s)
        await bell.store("never", -bell.start_s)
        await bell.begin()

        await bell.clock.advance(7.1)
        for session in ("late", "soon"):
            bell.alarms.cancel(session)
        await bell.clock.advance(89_993.0)

        assert bell.rung == [("late", 0.0), ("late", 5.0), ("soon", 7.0), ("far", 90_000.0)]
        assert bell.journal.asked == [PAGE]

    play(scene)


def test_who_is_on_stage_or_given_up_on_is_passed_over() -> None:
    async def scene() -> None:
        bell = Bell(here={"on stage"})
        bell.alarms.give_up("parked")
        for session in ("on stage", "parked", "other"):
            await bell.store(session, 1.0)
        await bell.begin()
        await bell.clock.advance(2.0)

        assert bell.rung == [("other", 1.0)]
        bell.alarms.set("parked", bell.at(3))  # it was there again, and has left
        await bell.clock.advance(1.5)
        assert bell.rung[1:] == [("parked", 3.0)]

    play(scene)


def test_a_million_sessions_are_held_a_page_at_a_time_and_none_is_forgotten() -> None:
    async def scene() -> None:
        bell, most = Bell(), 0
        for number in range(5 * PAGE):
            await bell.store(f"s{number}", 10.0 + number // 10)
        await bell.begin()
        assert len(bell.alarms) == PAGE

        for _ in range(160):
            await bell.clock.advance(1.0)
            most = max(most, len(bell.alarms))
            for session, _ in bell.rung:
                if session in bell.alarms._at:
                    await append(bell.journal, b"", session=session, wake_ms=0, epoch=1)
                    bell.alarms.cancel(session)

        due = {f"s{number}": 10.0 + number // 10 for number in range(5 * PAGE)}
        assert most <= 2 * PAGE
        assert dict(bell.rung) == due
        assert len(bell.rung) == len(due)
        assert len(bell.journal.asked) < 12

    play(scene)


def test_what_fills_the_first_pages_and_is_passed_over_hides_nobody_behind_it() -> None:
    async def scene() -> None:
        bell = Bell()
        for number in range(2 * PAGE):
            await bell.store(f"here{number}", 1.0)
            bell.here.add(f"here{number}")
        await bell.store("other", 2.0)
        await bell.begin()
        assert bell.journal.asked == [PAGE, 2 * PAGE, 1000]

        await bell.clock.advance(3.0)

        assert bell.rung == [("other", 2.0)]

    play(scene)


def test_so_many_that_nobody_lets_in_are_tried_again_and_others_follow_them() -> None:
    async def scene() -> None:
        bell = Bell()
        for number in range(2 * PAGE):
            await bell.store(f"s{number}", 1.0)
        await bell.begin()

        await bell.clock.advance(17.0)
        assert len(bell.alarms) <= 2 * PAGE
        assert len(bell.journal.asked) < 20
        while len(bell.alarms):
            for session in list(bell.alarms._at):
                await append(bell.journal, b"", session=session, wake_ms=0, epoch=1)
                bell.alarms.cancel(session)
            await bell.clock.advance(5.0)

        assert len({session for session, _ in bell.rung}) == 2 * PAGE

    play(scene)


def test_who_leaves_while_the_journal_is_being_asked_is_not_missed() -> None:
    async def scene() -> None:
        bell = Bell()
        for number in range(PAGE):
            await bell.store(f"s{number}", 100.0 + number)
        bell.journal.may_answer.clear()
        await bell.begin()
        assert bell.journal.asked == [PAGE]

        bell.alarms.set("left", bell.at(50))
        bell.journal.may_answer.set()
        await settle()
        await bell.clock.advance(51.0)

        assert bell.rung == [("left", 50.0)]

    play(scene)


def test_many_that_leave_push_out_the_latest_which_is_found_again() -> None:
    async def scene() -> None:
        bell = Bell()
        await bell.begin()
        for number in range(3 * PAGE):
            await bell.store(f"s{number}", 1000.0 - number)
            bell.alarms.set(f"s{number}", bell.at(1000.0 - number))
        assert len(bell.alarms) <= 2 * PAGE
        assert min(bell.alarms._at.values()) == bell.at(1000.0 - 3 * PAGE + 1)

        for _ in range(1001):
            await bell.clock.advance(1.0)
            for session in {session for session, _ in bell.rung} & bell.alarms._at.keys():
                await append(bell.journal, b"", session=session, wake_ms=0, epoch=1)
                bell.alarms.cancel(session)

        assert dict(bell.rung) == {f"s{n}": 1000.0 - n for n in range(3 * PAGE)}

    play(scene)


def test_a_journal_that_does_not_answer_is_asked_again() -> None:
    async def scene() -> None:
        bell = Bell()
        await bell.store("a", 1.0)
        bell.journal.failing = True
        await bell.begin()
        await bell.clock.advance(7.0)
        assert bell.journal.asked == [PAGE, PAGE]
        bell.journal.failing = False
        await bell.clock.advance(4.0)

        assert bell.rung == [("a", 10.0)]

    play(scene)


def test_one_that_may_have_been_missed_is_found_soon() -> None:
    async def scene() -> None:
        bell = Bell()
        await bell.begin()
        await bell.store("a", 1.0)
        await bell.clock.advance(2.0)
        assert bell.rung == []

        bell.alarms.ask_again()
        await bell.clock.advance(5.1)

        assert bell.rung == [("a", 7.0)]

    play(scene)


@pytest.mark.parametrize("jump_s", [7200.0, -500.0])
def test_a_wall_clock_that_jumps_is_looked_at_again(jump_s: float) -> None:
    """A machine that slept: its timers did, too."""

    async def scene() -> None:
        class Jumping(ManualClock):
            jumped_s = 0.0

            def now_ms(self) -> int:
                return super().now_ms() + int(self.jumped_s * 1000)

        clock = Jumping()
        bell = Bell(clock=clock)
        await bell.begin()
        bell.alarms.set("a", bell.at(9000))
        clock.jumped_s = jump_s
        await clock.advance(3600.1)

        assert [session for session, _ in bell.rung][:1] == (["a"] if jump_s > 0 else [])
        if jump_s < 0:
            await clock.advance(9000.0 + 500.0 - 3600.0)
            assert bell.rung[0] == ("a", 9500.0)

    play(scene)
