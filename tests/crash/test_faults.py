"""What the disk does to a runtime: full, read-only, broken in the middle of a batch, slow."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from crash.faults import BUSY, FAULTS, FULL, STUCK, UNREADABLE, UNSURE, Fault, FaultyJournal
from crash.words import digest
from house import GUARD_S
from hypothesis import given, settings
from hypothesis.strategies import integers
from theatre import LotteryDispatcher, echo, play, texts

import greenroom
from greenroom.actors.session.events import DURABLE
from greenroom.actors.session.live import LiveLog
from greenroom.actors.session.view import is_input
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.supervisor.recording import read_recording

QUICK: dict[str, Any] = {
    "restart_delay_s": 0.001,
    "max_restart_delay_s": 0.001,
    "max_restarts": 1_000_000,
}

PUBLISHED: dict[str, dict[int, int]] = defaultdict(dict)
"""Session, revision: a digest of the durable event that was published."""


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    PUBLISHED.clear()
    publish = LiveLog.publish

    def noting(self: LiveLog, event: Any, **about: Any) -> Any:
        item = publish(self, event, **about)
        if type(event) in DURABLE:
            told = PUBLISHED[self.session].setdefault(item.revision, digest(event))
            assert told == digest(event), "published twice, differently"
        return item

    monkeypatch.setattr(LiveLog, "publish", noting)


async def check_published(path: Path) -> None:
    """P7: whatever was published is in the journal, the same."""
    journal = SqliteJournal(path, read_only=True)
    await journal.open()
    for name, events in PUBLISHED.items():
        entries = (await read_recording(journal, name)).entries
        for revision, wanted in events.items():
            assert digest(entries[revision - 1].event) == wanted
    await journal.close()


async def error_of(reply: Any) -> BaseException | None:
    (done,) = await asyncio.wait_for(asyncio.gather(reply, return_exceptions=True), GUARD_S)
    return done if isinstance(done, BaseException) else None


@asynccontextmanager
async def two_rooms(journal: FaultyJournal) -> AsyncIterator[tuple[Any, Any]]:
    """Ann's session `a` and Bob's `b`, in each of which something was said."""
    async with greenroom.Runtime(journal=journal, **QUICK) as runtime:
        for user in ("ann", "bob"):
            session = await runtime.create(user=user, id=user[0])
            await session.post(user, "before")
        yield runtime.session("a"), runtime.session("b")


def ways() -> Iterator[Any]:
    for at, fault in FAULTS:
        yield pytest.param(((at, fault),), id=f"{at} {fault.name} {fault.when}")
    yield pytest.param(STUCK, id="stuck")


@pytest.mark.parametrize("way", [*ways()])
def test_p09_p21_a_write_that_fails_is_told_and_nothing_else_is_harmed(
    tmp_path: Path, way: tuple[tuple[str, Fault], ...]
) -> None:
    """SX18, and what a full, read-only or broken disk does."""

    async def scene() -> None:
        journal = FaultyJournal(tmp_path / "j.db")
        async with two_rooms(journal) as (a, b):
            for at, fault in way:
                journal.fail(at, fault)

            error = await error_of(a.post("ann", "at risk"))
            assert not journal.due or way is STUCK
            assert await error_of(b.post("bob", "beside")) is None or way is STUCK
            kept = texts(await a.transcript("ann"))
            await a.post("ann", "after")
            await b.post("bob", "after")

            assert isinstance(error, greenroom.NotWritten | greenroom.OutcomeUnknown)
            unsure = any(fault.when == "after" for _, fault in way)
            assert kept == ["before", *(["at risk"] if unsure else [])]
            if isinstance(error, greenroom.NotWritten):
                assert "at risk" not in kept
        async with greenroom.Runtime(journal=SqliteJournal(tmp_path / "j.db")) as runtime:
            assert texts(await runtime.session("a").transcript("ann")) == [*kept, "after"]
            assert texts(await runtime.session("b").transcript("bob"))[-1] == "after"
        await check_published(tmp_path / "j.db")

    play(scene)


def test_p09_what_a_commit_has_written_though_it_failed_is_found(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = FaultyJournal(tmp_path / "j.db")
        async with two_rooms(journal) as (a, _):
            events = a.events("ann", after=greenroom.START)
            journal.fail("COMMIT", UNSURE)

            assert isinstance(await error_of(a.post("ann", "one")), greenroom.OutcomeUnknown)
            receipt = await a.post("ann", "two")

            assert texts(await a.transcript("ann")) == ["before", "one", "two"]
            durable: list[int] = []
            while not durable or durable[-1] < receipt.revision:
                item = await anext(events)
                if not isinstance(item, greenroom.Gap):
                    durable.append(item.revision)
            assert durable == [1, 2, 3]

    play(scene)


def test_sx18_a_slow_disk_keeps_no_reader_and_no_loop_waiting(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = FaultyJournal(tmp_path / "j.db")
        async with two_rooms(journal) as (a, b):
            journal.disk.clear()
            slow = a.post("ann", "slow")
            page = await asyncio.wait_for(journal.read("b", after=0, limit=10), GUARD_S)
            before = texts(await b.transcript("bob"))
            assert not slow.done
            journal.repair()
            await slow

            assert (len(page.events), before) == (1, ["before"])
            assert texts(await a.transcript("ann")) == ["before", "slow"]

    play(scene)


def test_a_session_that_cannot_be_read_is_unavailable_until_it_can(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = FaultyJournal(tmp_path / "j.db")
        async with two_rooms(journal) as (a, b):
            assert await a._runtime.passivate("a")
            for _ in range(2):  # it is read beside the claim, and if need be after it
                journal.fail("SELECT head", UNREADABLE)

            error = await error_of(a.transcript("ann"))
            assert isinstance(error, greenroom.JournalUnavailable)
            assert "SQLITE_IOERR_READ" in str(error) or "disk" in str(error)
            await b.post("bob", "beside")

            assert texts(await a.transcript("ann")) == ["before"]

    play(scene)


def test_p11_a_leave_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = FaultyJournal(tmp_path / "j.db")
        async with two_rooms(journal) as (a, _):
            journal.fail("COMMIT", FULL)

            await a._runtime.passivate("a")
            await a.post("ann", "one")

            assert not journal.due
            assert texts(await a.transcript("ann")) == ["before", "one"]

    play(scene)


def test_a_session_whose_creation_failed_can_be_created(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = FaultyJournal(tmp_path / "j.db")
        async with greenroom.Runtime(journal=journal, **QUICK) as runtime:
            for at, fault in (("BEGIN", BUSY), ("INSERT", FULL), ("COMMIT", FULL)):
                journal.fail(at, fault)
                refusal = await error_of(runtime.create(user="ann", id="s"))
                assert isinstance(refusal, greenroom.NotWritten)
                assert runtime.resident == 0

            session = await runtime.create(user="ann", id="s")
            assert (await session.post("ann", "one")).revision == 1

    play(scene)


# --- everything at once --------------------------------------------------------------------------

SEEDS = integers(0, 2**32 - 1)
USERS = ("ann", "bob", "eve")


class Trouble:
    """Three people, three sessions on two places, and a disk that fails now and then."""

    def __init__(self, path: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.journal = FaultyJournal(path)
        self.runtime = greenroom.Runtime(
            echo,
            journal=self.journal,
            dispatcher=LotteryDispatcher(seed),
            max_sessions=2,
            snapshot_bytes=300,
            turn_attempts=1000,
            **QUICK,
        )
        self.sent: dict[str, list[tuple[str, Any]]] = defaultdict(list)

    async def act(self) -> None:
        rng, user = self.rng, self.rng.choice(USERS)
        session = self.runtime.session(f"of-{user}")
        text = f"{user} {len(self.sent[session.id])}"
        match rng.randrange(10):
            case 0 | 1 | 2:
                self.sent[session.id].append((text, session.post(user, text)))
            case 3 | 4:
                policy = rng.choice(("enqueue", "interrupt"))
                self.sent[session.id].append((text, session.send(user, text, policy=policy)))
            case 5 | 6:
                at, fault = rng.choice((*FAULTS, ("SELECT", UNREADABLE), *STUCK))
                self.journal.fail(at, fault)
            case 7:
                self.runtime.passivate(session.id, force=rng.random() < 0.3)
            case 8:
                self.journal.disk.clear()
                await asyncio.sleep(0)
                self.journal.disk.set()
            case 9:
                waiting = [reply for _, reply in self.sent[session.id] if not reply.done]
                if waiting:
                    await error_of(waiting[-1])

    async def come_to_rest(self) -> None:
        """Repair the disk; from then on everybody is answered."""
        self.journal.repair()
        for replies in self.sent.values():
            for _, reply in replies:
                await error_of(reply)
        for user in USERS:
            while isinstance(
                error := await error_of(self.runtime.session(f"of-{user}").info()),
                greenroom.CapacityError | greenroom.OutcomeUnknown,
            ):
                await asyncio.sleep(0)
            assert error is None, error


async def scene_of(path: Path, seed: int) -> Trouble:
    trouble = Trouble(path, seed)
    await trouble.runtime.start()
    for user in USERS:
        await trouble.runtime.create(user=user, id=f"of-{user}")
    for _ in range(60):
        await trouble.act()
    await trouble.come_to_rest()
    await trouble.runtime.stop()
    return trouble


async def check(trouble: Trouble, path: Path) -> None:
    journal = SqliteJournal(path, read_only=True)
    await journal.open()
    for name, sent in trouble.sent.items():
        state = (await read_recording(journal, name)).state
        found = [line.text for line in state.history if is_input(line)]
        counted = Counter(found)
        for text, reply in sent:
            if reply.error is None:
                assert counted[text] == 1, f"{text} was acknowledged"
            elif not isinstance(reply.error, greenroom.OutcomeUnknown):
                assert isinstance(reply.error, greenroom.GreenroomError)
                assert counted[text] == 0, f"{text} was refused: {reply.error}"
            assert counted[text] <= 1
    await journal.close()
    await check_published(path)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_p04_p07_p09_p21_whatever_the_disk_does(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    PUBLISHED.clear()
    path = tmp_path_factory.mktemp("disk") / "j.db"

    async def scene() -> None:
        await check(await scene_of(path, seed), path)

    play(scene)
