"""One stored session, imported into a journal: whole, once, and then a session like any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records.source_files import acted, exported, full
from records.test_import_rules import WITH_OTHER_COUNTERS
from rooms.hall import refused
from theatre import GatedJournal, echo, play, settle, texts

import greenroom
from greenroom.actors.errors import Conflict, Fenced, NotWritten
from greenroom.actors.ports import Claim, Commit, IndexRow, Journal, NewSession
from greenroom.actors.session.base import Base, encode_base
from greenroom.actors.session.entry import decode_entry, encode_entry, encoded
from greenroom.actors.session.events import InteractionRecorded, SessionStarted
from greenroom.actors.session.fold import fold, restore
from greenroom.actors.session.importing import plan_of, same
from greenroom.actors.session.record_reading import read_session
from greenroom.actors.session.record_wire import StoredSession, session_wire
from greenroom.actors.session.state import decode_genesis, encode_genesis
from greenroom.adapters.imports import session as importing
from greenroom.adapters.imports.session import Imported, import_session
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.supervisor.recording import read_recording

ID = "3f2504e04f89"


class Recorder(GatedJournal):
    """Notes how large its appends are."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []

    def append(
        self, session: str, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        self.groups.append(len(events))
        return super().append(session, events, epoch=epoch, after=after, row=row)


@asynccontextmanager
async def opened(journal: Journal) -> AsyncIterator[Journal]:
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def stored(count: int = 0, **fields: Any) -> StoredSession:
    """The full session, with so many more interactions."""
    wire = full(**fields)
    more = [acted("view", "2023-11-05T01:50:00", content=str(number)) for number in range(count)]
    document = json.dumps(wire | {"interactions": wire["interactions"] + more})
    return read_session(json.loads(document))


async def have(journal: Journal, session: StoredSession, **options: Any) -> str:
    done = await import_session(journal, session, owner="ann", **options)
    assert done.session == session.session_id
    return done.outcome


async def contents(journal: Journal, session: str = ID) -> Any:
    """All that is kept of a session."""
    page = await journal.read(session, after=0, limit=10_000)
    return await journal.beginning(session), page, await journal.find(session)


# --- it is what it was ---------------------------------------------------------------------------


def test_s07_s09_a_session_is_imported_and_is_what_it_was_after_a_restart(store: Any) -> None:
    async def scene() -> None:
        async with opened(store()) as journal:
            done = await import_session(journal, stored(), owner="ann")
        assert done == Imported(session=ID, outcome="imported", messages=4, interactions=4)

        async with opened(store()) as journal:
            assert await exported(journal, ID) == session_wire(stored())
            row = await journal.find(ID)

        assert row is not None
        assert (row.owner, row.state, row.title) == ("ann", "active", "Merhaba, ağaç nerede?")
        assert (row.created_ms, row.updated_ms) == (1_699_147_800_123, 1_699_149_600_000)
        assert (row.messages, row.interactions, row.feedback) == (4, 4, 3)
        assert (row.language, row.turns) == ("tr", 0)

    play(scene)


@settings(max_examples=25, deadline=None)
@given(sessions=st.lists(WITH_OTHER_COUNTERS, min_size=1, max_size=4), snapshots=st.booleans())
def test_s07_s09_sx4_whatever_was_stored_comes_back_after_a_restart(
    tmp_path_factory: Any, sessions: list[StoredSession], snapshots: bool
) -> None:
    """Through a file, a runtime that wakes it and writes a snapshot, and the file again."""
    path = tmp_path_factory.mktemp("import") / "store.db"
    stored = [session_wire(session) | {"session_id": f"s{i}"} for i, session in enumerate(sessions)]

    async def scene() -> None:
        async with opened(SqliteJournal(path, durability="process")) as journal:
            for wire in stored:
                await import_session(journal, read_session(wire), owner="ann")
        journal = SqliteJournal(path, durability="process")
        async with greenroom.Runtime(journal=journal, snapshot_bytes=1) as runtime:
            for wire in stored if snapshots else ():
                await runtime.session(wire["session_id"]).transcript("ann")
        async with opened(SqliteJournal(path, durability="process")) as journal:
            for wire in stored:
                again = await exported(journal, wire["session_id"])
                assert json.dumps(again) == json.dumps(wire)

    play(scene)


def test_sx16_s20_a_listing_has_it_at_the_time_of_its_last_change() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            await runtime.import_session(full("old"), owner="ann")
            later = full("late", updated_at="2023-11-05T04:00:00+01:00")
            await runtime.import_session(later, owner="ann")
            await runtime.create(user="ann", id="new")
            await runtime.import_session(full("naive"), owner="ann")

            page = await runtime.sessions(owner="ann")

            assert [row.id for row in page.rows] == ["new", "late", "naive", "old"]

    play(scene)


# --- once, and whole -----------------------------------------------------------------------------


def test_the_same_import_again_changes_nothing(store: Any) -> None:
    async def scene() -> None:
        async with opened(store()) as journal:
            await have(journal, stored())
            before = await contents(journal)

            assert await have(journal, stored()) == "already"

            assert await contents(journal) == before

    play(scene)


def test_the_same_import_again_after_it_has_gone_on_changes_nothing(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=store()) as runtime:
            await runtime.import_session(full(), owner="ann")
            session = runtime.session(ID)
            await (await session.send("ann", "hello")).result()
            await session.record_interaction("ann", "view")
            info = await session.info()

            again = await runtime.import_session(full(), owner="ann")

            assert again.outcome == "already"
            assert await session.info() == info
            await session.post("ann", "still its own")  # nobody has taken it away

    play(scene)


@given(session=WITH_OTHER_COUNTERS)
def test_a_session_that_is_read_twice_is_the_same_and_another_is_not(
    session: StoredSession,
) -> None:
    def planned(wire: Any) -> Any:
        stored = read_session(json.loads(json.dumps(wire)))
        plan = plan_of(stored, incarnation="", owner="ann", owner_name="ann", now_ms=1)
        genesis = decode_genesis(encode_genesis(plan.genesis))
        return genesis, [decode_entry(encode_entry(entry)) for entry in plan.entries]

    wire = session_wire(session)

    assert same(planned(wire), planned(wire))
    for one, other in ((1, True), (1, 1.0), (0, False), ({}, []), ("", None)):
        pair = [planned(wire | {"graph_state": {"x": [value]}}) for value in (one, other)]
        assert not same(*pair)


@pytest.mark.parametrize("upto", [1, 4, 5, 6, 7])
def test_the_same_import_again_is_known_when_its_events_are_no_longer_kept(upto: int) -> None:
    """4 interactions, that it was started, an interaction, a message; of other events only the
    interactions last."""

    async def scene() -> None:
        async with greenroom.Runtime(journal=MemoryJournal()) as runtime:
            await runtime.import_session(full(), owner="ann")
            session, journal = runtime.session(ID), runtime.journal
            await session.record_interaction("ann", "view")
            await session.post("ann", "hello")
            recording = await read_recording(journal, ID, upto=upto)
            done = [e for e in recording.entries if isinstance(e.event, InteractionRecorded)]
            base = encode_base(Base(recording.state, done))
            await journal.trim(ID, base, revision=upto)

            assert await have(journal, stored()) == "already"

            other = acted("view", "2023-11-05T01:31:00")
            for wire in (full(metadata={}), full() | {"interactions": [other] * 4}):
                with pytest.raises(greenroom.SessionExists):
                    await have(journal, read_session(wire | {"session_id": ID}))

    play(scene)


@pytest.mark.parametrize("again", ["other", "owner", "made"])
def test_sx12_a_session_that_is_there_is_never_replaced(store: Any, again: str) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            if again == "made":
                await runtime.create(user="ann", id=ID)
            else:
                await runtime.import_session(full(), owner="ann")
            journal, before = runtime.journal, await contents(runtime.journal)

            wire = full(metadata={"client": "app"}) if again == "other" else full()
            with pytest.raises(greenroom.SessionExists) as refusal:
                await runtime.import_session(wire, owner="bob" if again == "owner" else "ann")

            assert refusal.value.session == ID
            assert await contents(journal) == before

    play(scene)


def test_sx12_sx22_a_deleted_session_does_not_come_back_by_an_import(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            await runtime.import_session(full(), owner="ann")
            assert await runtime.delete(ID, "ann")

            with pytest.raises(greenroom.SessionExists):
                await runtime.import_session(full(), owner="ann")

            assert await runtime.find(ID) is None

    play(scene)


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("failing", [0, 1, 2, 3])
def test_an_import_that_breaks_off_anywhere_is_completed_without_doubles(
    failing: int, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The create is always through; then so many groups, and perhaps one that nobody heard of."""
    monkeypatch.setattr(importing, "GROUP_EVENTS", 10)

    async def scene() -> None:
        journal, session = Recorder(), stored(count=31)  # 35, and that it was started
        async with opened(journal):
            journal.holding = True
            journal_fails = _fail_after(journal, failing, written=written)
            broken = import_session(journal, session, owner="ann")
            with pytest.raises(NotWritten):
                await journal_fails(broken)
            row = await journal.find(ID)
            assert row is not None
            assert row.state == ("active" if written and failing == 3 else "created")

            assert await have(journal, session, dry_run=True) == await have(journal, session)

            assert await exported(journal, ID) == session_wire(session)
            assert await have(journal, session) == "already"
            assert max(journal.groups) == 10

    play(scene)


def _fail_after(journal: Recorder, count: int, *, written: bool) -> Callable[..., Any]:
    """Runs an import, of whose appends the one after `count` fails."""

    async def run(work: Any) -> None:
        task = asyncio.ensure_future(work)
        for _ in range(count):
            await settle()
            journal.let(1)
        await settle()
        journal.fail(NotWritten("full"), written=written)
        journal.let()
        await task

    return run


def test_an_import_that_is_not_complete_takes_no_messages_until_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "GROUP_EVENTS", 2)

    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            journal.fail(NotWritten("full"))
            with pytest.raises(NotWritten):
                await runtime.import_session(full(), owner="ann")
            session = runtime.session(ID)
            await refused(session.post("ann", "hello?"), greenroom.WrongState)

            done = await runtime.import_session(full(), owner="ann")

            assert done.outcome == "completed"
            assert await exported(journal, ID) == session_wire(stored())
            await session.post("ann", "hello")  # though it had been on stage
            assert texts(await session.transcript("ann"))[-1] == "hello"

    play(scene)


def test_sx12_what_has_gone_on_before_it_was_complete_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "GROUP_EVENTS", 2)

    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            journal.fail(NotWritten("full"))
            with pytest.raises(NotWritten):
                await runtime.import_session(full(), owner="ann")
            await runtime.session(ID).start("ann")
            before = await contents(journal)

            with pytest.raises(greenroom.SessionExists):
                await runtime.import_session(full(), owner="ann")

            assert await contents(journal) == before

    play(scene)


def test_p10_an_import_that_somebody_else_has_taken_over_stops_and_goes_on_later() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with opened(journal):
            journal.holding = True
            task = asyncio.ensure_future(import_session(journal, stored(), owner="ann"))
            await settle()
            await journal.claim(ID)
            journal.let()
            with pytest.raises(Fenced):
                await task

            assert await have(journal, stored()) == "completed"

    play(scene)


class Overtaken(GatedJournal):
    """Somebody starts the session just before it is claimed for the rest of its import."""

    async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
        if create is None:
            first = await super().claim(session)
            state = restore(first, session)
            (body,) = encoded([SessionStarted(by="ann")], 5)
            fold(state, [body])
            row, epoch, after = state.index_row(), first.epoch, first.revision
            await self.append(session, [body], epoch=epoch, after=after, row=row)
        return await super().claim(session, create=create)


def test_p10_an_import_that_was_overtaken_writes_nothing() -> None:
    async def scene() -> None:
        journal = Overtaken()
        async with opened(journal):
            journal.fail(NotWritten("full"))
            with pytest.raises(NotWritten):
                await have(journal, stored())

            with pytest.raises(Conflict):
                await have(journal, stored())

            assert len((await journal.read(ID, after=0, limit=10)).events) == 1
            with pytest.raises(greenroom.SessionExists):
                await have(journal, stored())

    play(scene)


def test_p10_two_imports_at_once_write_it_once() -> None:
    async def scene() -> None:
        async with opened(MemoryJournal()) as journal:
            both = [import_session(journal, stored(), owner="ann") for _ in range(2)]
            done = await asyncio.gather(*both, return_exceptions=True)

            whole = [one.outcome for one in done if isinstance(one, Imported)]
            assert "imported" in whole or "completed" in whole
            others = [one for one in done if not isinstance(one, Imported)]
            kinds = (greenroom.SessionExists, Fenced, Conflict)
            assert all(isinstance(one, kinds) for one in others)
            assert await exported(journal, ID) == session_wire(stored())

    play(scene)


def test_a_dry_run_says_what_would_be_and_writes_nothing(store: Any) -> None:
    async def scene() -> None:
        async with opened(store()) as journal:
            assert await have(journal, stored(), dry_run=True) == "imported"
            assert await journal.find(ID) is None
            await have(journal, stored())
            assert await have(journal, stored(), dry_run=True) == "already"

    play(scene)


def test_what_is_too_large_for_a_journal_is_refused_by_its_field_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "MAX_BYTES", 3000)

    async def scene() -> None:
        async with opened(MemoryJournal()) as journal:
            said = {"role": "user", "content": "x" * 3000}
            large = acted("view", "2023-11-05T01:50:00", content="x" * 3000)
            for wire, field in (
                ({"chat_history": [said]}, "session"),
                ({"interactions": [acted("view", "2023-11-05"), large]}, "session.interactions[1]"),
            ):
                with pytest.raises(greenroom.InvalidInput) as refusal:
                    await import_session(journal, read_session(full() | wire), owner="ann")
                assert refusal.value.field == field
                assert refusal.value.limit == "at most 3000 bytes"
            assert await journal.find(ID) is None

    play(scene)
