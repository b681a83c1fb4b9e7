"""A journal that only grows is a bug: what nobody can ask for any more is dropped, nothing else."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from typing import Any

import pytest
from house import logged
from steward import DAY_S, cold, keep_house, listed, timed
from theatre import GatedJournal, ManualClock, play, settle

import greenroom
from greenroom.actors.ports import SessionQuery
from greenroom.actors.session.base import decode_base
from greenroom.actors.session.state import encode_state
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.supervisor import trimming
from greenroom.supervisor.recording import read_recording, stored
from greenroom.supervisor.trimming import LEAST

SMALL = greenroom.Settings(max_events=10)


async def busy(session: greenroom.Session, count: int, first: int = 0) -> None:
    """So many events that leave no more than a trace in the state."""
    acts = [session.act("ann", "step", {"n": n}) for n in range(first, first + count)]
    for act in acts:
        await act


def few(monkeypatch: pytest.MonkeyPatch, least: int = 20, most: int = 50) -> None:
    """Sizes at which a small session is a large one."""
    monkeypatch.setattr(trimming, "LEAST", least)
    monkeypatch.setattr(trimming, "MOST", most)


def test_what_is_old_and_before_the_room_history_is_dropped_and_nothing_shows(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        few(monkeypatch)
        clock, journal = ManualClock(), store()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            await session.post("ann", "hello", key="k")
            await session.add_feedback("ann", "n", "correct")
            await busy(session, 300)
            page = await session.history("ann")
            state = (await read_recording(journal, "s")).state
            assert runtime.stats.events_trimmed == 0
            clock.now_s += 8 * DAY_S
            await keep_house(runtime, clock)

            kept = await journal.read("s", after=0, limit=1000)
            assert kept.first == state.oldest
            assert runtime.stats.events_trimmed == state.oldest - 1
            assert await session.history("ann") == page
            recording = await read_recording(journal, "s")
            assert encode_state(recording.state) == encode_state(state)
            (feedback,) = stored(recording).interactions
            assert (feedback.action_type, feedback.feedback) == ("feedback", "correct")
            await session.post("ann", "still on stage")

        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            session = runtime.session("s")
            assert (await session.info()).revision == state.revision + 1
            receipt = await session.post("ann", "hello", key="k")
            assert receipt.revision == 1  # it is remembered what was done under a key
            assert (await session.records("ann")).feedback["correct"] == 1

    play(scene)


def test_never_a_younger_one_and_never_one_of_the_room_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        few(monkeypatch)
        clock, journal = ManualClock(), MemoryJournal()
        async with greenroom.Runtime(
            journal=journal, clock=clock, event_retention_s=DAY_S
        ) as runtime:
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            await busy(session, 100)
            clock.now_s += DAY_S / 2
            await busy(session, 100)
            roomy = await runtime.create(user="ann", id="roomy")
            await busy(roomy, 100)
            clock.now_s += DAY_S / 2 - 100
            await keep_house(runtime, clock)
            clock.now_s += 100
            await keep_house(runtime, clock)
            assert (await journal.read("s", after=0, limit=1000)).first == 101
            clock.now_s += 10 * DAY_S
            await keep_house(runtime, clock)

            oldest = (await read_recording(journal, "s")).state.oldest
            assert 191 < oldest < 200
            assert (await journal.read("s", after=0, limit=1000)).first == oldest
            assert (await journal.read("roomy", after=0, limit=1000)).first == 1

    play(scene)


def test_a_clock_that_jumps_makes_nothing_older_than_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after an event that seems to be young is kept with it."""

    async def scene() -> None:
        few(monkeypatch)
        clock, journal = ManualClock(), MemoryJournal()
        async with greenroom.Runtime(
            journal=journal, clock=clock, event_retention_s=DAY_S
        ) as runtime:
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            await busy(session, 30)
            clock.now_s += 5 * DAY_S
            await busy(session, 1)
            clock.now_s -= 5 * DAY_S
            await busy(session, 100)
            clock.now_s += 3 * DAY_S
            await keep_house(runtime, clock)

            assert (await journal.read("s", after=0, limit=1000)).first == 31

    play(scene)


def test_a_few_events_are_not_worth_it() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), MemoryJournal()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            await busy(session, 500)
            await busy(session, LEAST + 4 - 500)
            clock.now_s += 8 * DAY_S
            await keep_house(runtime, clock)
            assert runtime.stats.events_trimmed == 0
            await busy(session, 6)
            await keep_house(runtime, clock)

            assert runtime.stats.events_trimmed >= LEAST

    play(scene)


def test_one_that_is_damaged_or_deleted_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Losing(GatedJournal):
        async def trim(self, session: str, base: bytes, *, revision: int) -> None:
            if session == "b":
                raise greenroom.SessionNotFound(session)
            await super().trim(session, base, revision=revision)

    async def scene() -> None:
        few(monkeypatch)
        clock, journal = ManualClock(), Losing()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            for name in ("a", "b", "c"):
                session = await runtime.create(user="ann", id=name, settings=SMALL)
                await busy(session, 100)
            journal._records["a"].events[5] = b"\x91\x01"
            before = list(journal._records["a"].events)
            clock.now_s += 8 * DAY_S
            with logged() as lines:
                await keep_house(runtime, clock)

            assert journal._records["a"].events == before
            assert journal._records["a"].base is None
            assert journal._records["c"].base is not None
            told = {line["event"] for line in lines}
            assert "session_trimmed" in told

    play(scene)


def test_everything_goes_of_a_room_without_a_history(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        few(monkeypatch)
        clock, journal = ManualClock(), MemoryJournal()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            settings = greenroom.Settings(record_session=False)
            session = await runtime.create(user="ann", id="s", settings=settings)
            await busy(session, 100)
            assert await runtime.passivate("s")
            clock.now_s += 8 * DAY_S
            await keep_house(runtime, clock)

            assert journal._records["s"].events == []
            journal._records["s"].snapshot = None
            assert (await session.info()).revision == 100
            await session.post("ann", "go on")

    play(scene)


def test_a_reader_whose_cursor_is_younger_misses_nothing_and_an_older_one_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        few(monkeypatch)
        clock, journal = ManualClock(), MemoryJournal()
        async with greenroom.Runtime(
            journal=journal, clock=clock, event_retention_s=DAY_S, live_events=4
        ) as runtime:
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            await busy(session, 100)
            old = (await session.snapshot("ann")).cursor
            clock.now_s += DAY_S
            await busy(session, 60)
            young = (await session.snapshot("ann")).cursor
            clock.now_s += DAY_S / 2
            await busy(session, 100)
            await keep_house(runtime, clock)
            assert runtime.stats.events_trimmed > 0

            for cursor, healed in ((young, True), (old, True), (greenroom.START, False)):
                reader = session.events("ann", after=cursor)
                gap = await anext(reader)
                assert gap.healed is healed
                first = await anext(reader)
                assert first.revision == {young: 161, old: 101}.get(cursor, first.revision)
                reader.close()

    play(scene)


def test_a_small_journal_drops_them_whatever_their_age_before_any_session_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        few(monkeypatch)
        clock, journal = timed(monkeypatch), MemoryJournal()
        async with greenroom.Runtime(
            journal=journal, clock=clock, journal_max_bytes=20_000
        ) as runtime:
            await cold(runtime, "over", "x" * 1000)
            await runtime.session("over").end("ann")
            assert await runtime.passivate("over")
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            await busy(session, 400)
            assert await journal.size() > 20_000
            await keep_house(runtime, clock)

            assert await journal.size() <= 20_000
            assert await listed(runtime) == ["over", "s"]

    play(scene)


def test_a_session_that_goes_on_for_ever_stays_as_large_as_it_is(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages, too, as far as its people have a summary made of them, or cut them off."""

    async def scene() -> None:
        few(monkeypatch, least=100, most=250)
        clock, sizes = timed(monkeypatch), []
        async with greenroom.Runtime(
            journal=store(), clock=clock, event_retention_s=DAY_S, snapshot_bytes=2_000
        ) as runtime:
            session = await runtime.create(user="ann", id="s", settings=SMALL)
            for n in range(40):
                for said in [session.post("ann", f"{n}: {'x' * 100}") for _ in range(100)]:
                    await said
                await session.truncate("ann", 0)
                clock.now_s += DAY_S / 2
                if n % 3 == 0:
                    await runtime.passivate("s")
                await keep_house(runtime, clock)
                sizes.append(await runtime.journal.size())

            early = max(sizes[5:15])
            assert max(sizes) <= early * 1.1
            assert runtime.stats.events_trimmed > 3000

    play(scene)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_nothing_live_or_young_goes_and_everything_old_does(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any policy, any times: what is gone was older than its limit, what is older goes in time."""

    async def scene() -> None:
        rng = random.Random(seed)
        few(monkeypatch, least=rng.choice((1, 5)), most=10)
        clock, journal = timed(monkeypatch), MemoryJournal()
        ended_s, age_s = (rng.choice((3600.0, DAY_S, math.inf)) for _ in range(2))
        events_s = rng.choice((3600.0, DAY_S))
        erased_s = rng.choice((3600.0, 7200.0))
        runtime = greenroom.Runtime(
            journal=journal,
            clock=clock,
            max_sessions=6,
            max_sessions_per_user=6,
            idle_s=rng.choice((60.0, 3600.0)),
            ended_retention_s=ended_s,
            session_max_age_s=age_s,
            deleted_retention_s=erased_s,
            tombstone_retention_s=erased_s + rng.choice((0.0, 3600.0)),
            event_retention_s=events_s,
        )
        async with runtime:
            watched = Watch(runtime, journal, clock, ended_s, age_s, events_s)
            names = [f"s{n}" for n in range(8)]
            for _ in range(50):
                await watched.act(rng, rng.choice(names))
                await watched.check()
                clock.now_s += rng.choice((0.0, 0.0, 1900.0, 9000.0, 40_000.0))
                await clock.advance(rng.choice((1.0, 100.0)))
                await watched.check()
            for _ in range(3):
                clock.now_s += DAY_S
                await keep_house(runtime, clock)
                await watched.check()
            await watched.check_all_old_is_gone()

    play(scene)


class Watch:
    """Looks into a journal, and at what has gone of it since the last look."""

    def __init__(
        self, runtime: Any, journal: MemoryJournal, clock: ManualClock, *limits: float
    ) -> None:
        self.runtime, self.journal, self.clock = runtime, journal, clock
        self.ended_s, self.age_s, self.events_s = limits
        self.seen: dict[str, Any] = {}
        self.by_ann: set[str] = set()

    async def act(self, rng: random.Random, name: str) -> None:
        """One thing that Ann does with a session, once or more often."""
        runtime, session = self.runtime, self.runtime.session(name)
        settings = greenroom.Settings(max_events=rng.choice((3, 8)))
        acts: list[Any] = [
            lambda: runtime.create(user="ann", id=name, settings=settings),
            lambda: session.act("ann", "step", {}),
            lambda: session.post("ann", "hello"),
            lambda: session.record_interaction("ann", "prune"),
            lambda: session.end("ann"),
            lambda: session.info(),
            lambda: runtime.passivate(name),
            lambda: self._delete(name),
        ]
        for _ in range(rng.choice((1, 1, 12))):
            with suppress(greenroom.GreenroomError):
                await rng.choices(acts, (4, 8, 4, 3, 1, 2, 2, 0.5))[0]()
            await settle(5)

    async def _delete(self, name: str) -> None:
        if await self.runtime.delete(name, "ann"):
            self.by_ann.add(self.seen.get(name, (None, None))[1])

    async def check(self) -> None:
        held = self.runtime._supervisor.ledger.held()
        for name, record in self.journal._records.items():
            if record.deleted:
                continue
            recording = await read_recording(self.journal, name)
            before_ms = self.clock.now_ms() - self.events_s * 1000
            assert record.dropped <= recording.state.oldest - 1
            if record.base is not None:  # the last that is gone was the last there was, by then
                assert record.base[0] == record.dropped
                base = (await self.journal.beginning(name)).base
                assert base is not None
                assert decode_base(base[1]).state.updated_ms < before_ms
            interactions = len(stored(recording).interactions)
            records = recording.state.records
            assert interactions == (0 if records is None else records.interactions)
        for name in held:
            assert not self.journal._records[name].deleted, name
        now_ms = self.clock.now_ms()
        live = {record.genesis for record in self.journal._records.values() if not record.deleted}
        for row, genesis in self.seen.values():
            if genesis not in live and genesis not in self.by_ann:
                limit_s = min(self.age_s, self.ended_s if row.state == "ended" else math.inf)
                assert now_ms - row.updated_ms > limit_s * 1000
        self.seen = {
            name: (record.row, record.genesis)
            for name, record in self.journal._records.items()
            if not record.deleted
        }

    async def check_all_old_is_gone(self) -> None:
        rows = (await self.journal.list(SessionQuery())).rows
        now_ms = self.clock.now_ms()
        for row in rows:
            age_s = (now_ms - row.updated_ms) / 1000
            assert age_s <= self.age_s
            assert row.state != "ended" or age_s <= self.ended_s
        assert not any(record.deleted for record in self.journal._records.values())
        assert await self.journal.trimmable(least=trimming.LEAST, limit=10) == []
