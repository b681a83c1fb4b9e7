"""A journal of every format that was ever published is read, brought forward, and gone on with."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conformance.journal_kit import error_of, played
from conformance.retention_kit import trim
from data.journals.make import agent
from theatre import ManualClock, texts

import greenroom
from greenroom.actors.errors import JournalFormat
from greenroom.adapters.journals.damage import Damage
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_formats import FORMAT, READABLE
from greenroom.supervisor.recording import read_recording

STORED = Path(__file__).parent.parent / "data" / "journals"
SAID = [line for n in range(4) for line in (f"question {n}", f"you said: question {n}")]


@pytest.fixture(params=READABLE)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the file that the format's own version has written."""
    found = tmp_path / "journal.db"
    stored = STORED / f"format-{request.param}.db.gz"
    found.write_bytes(gzip.decompress(stored.read_bytes()))
    return found


def test_a_file_of_each_format_is_stored() -> None:
    stored = {file.name for file in STORED.glob("*.gz")}
    assert stored == {f"format-{name}.db.gz" for name in READABLE}


@played
async def test_an_older_format_is_read_without_being_touched(path: Path) -> None:
    before = path.read_bytes()
    journal = SqliteJournal(path, read_only=True)
    await journal.open()

    recording = await read_recording(journal, "talk")

    await journal.close()
    assert texts(recording.state.history) == SAID
    assert recording.state.context["deep"] == {"list": [1, 2.5, None, True]}
    assert path.read_bytes() == before


@played
async def test_an_older_format_is_brought_forward_and_gone_on_with(path: Path) -> None:
    for round_ in (1, 2):
        clock = ManualClock()
        async with greenroom.Runtime(agent, journal=SqliteJournal(path), clock=clock) as runtime:
            talk, asks = runtime.session("talk"), runtime.session("asks")
            assert texts(await talk.transcript("ann"))[: len(SAID)] == SAID
            assert (await talk.info()).name == "naïve 日本 \N{PERFORMING ARTS}"
            again = await talk.send("ann", "question 3", key="key-3")
            assert again.id == 4  # the key is remembered
            turn = await talk.send("bob", f"more {round_}")
            await turn.result()
            assert texts(await talk.transcript("bob"))[-1] == f"you said: more {round_}"
            if round_ == 1:
                asked = await asks.approval("ann")
                assert asked is not None
            for name, error in (
                ("gone", greenroom.SessionNotFound),
                ("ended", greenroom.SessionEnded),
                ("new", greenroom.WrongState),
            ):
                owner = "eve" if name == "new" else "bob"
                assert isinstance(await error_of(runtime.session(name).post(owner, "x")), error)

    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (FORMAT,)


@played
async def test_an_older_format_is_checked_and_counted_without_being_touched(path: Path) -> None:
    before = path.read_bytes()
    journal, found = SqliteJournal(path, read_only=True), list[Damage]()

    counted = await journal.check(found=found.append)
    stats = await journal.stats()

    assert found == []
    assert counted.sessions == sum(stats.states.values()) == 4
    assert stats.deleted + stats.erased == 1
    assert path.read_bytes() == before


@played
async def test_retention_works_on_what_an_older_format_has_left(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    while await journal.erase(2**62, limit=3):
        pass
    assert await journal.forget(2**62, limit=10) == 1
    for found in await journal.trimmable(least=1, limit=10):
        await trim(journal, found.id, found.oldest - 1)
    await trim(journal, "asks", 2)
    assert await journal.due(limit=10) == []
    damage: list[Damage] = []

    await journal.check(found=damage.append)
    recording = await read_recording(journal, "talk")
    await journal.close()

    assert damage == []
    assert recording.first > 1
    assert texts(recording.state.history) == SAID


@played
async def test_bringing_forward_is_all_or_nothing(path: Path) -> None:
    """A second statement that fails leaves the file in the format it had."""
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        if found == FORMAT:
            return
        columns = db.execute("PRAGMA table_info(events)").fetchall()
        db.execute("ALTER TABLE sessions ADD COLUMN erased")  # as nobody has left it
        db.commit()

    error = await error_of(SqliteJournal(path).open())

    assert isinstance(error, greenroom.JournalUnavailable)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (found,)
        assert db.execute("PRAGMA table_info(events)").fetchall() == columns


@pytest.mark.parametrize("table", ["events", "snapshots"])
@played
async def test_what_has_lost_its_sum_is_damaged_and_what_never_had_one_is_not(
    path: Path, table: str
) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    with closing(sqlite3.connect(path)) as db:
        (old,) = db.execute("SELECT value FROM meta WHERE key = 'unsummed'").fetchone()
        db.execute(f"UPDATE {table} SET sum = NULL")
        db.commit()
    found: list[Damage] = []

    counted = await journal.check(found=found.append)
    await journal.close()

    if old == "0":
        assert {"talk", "asks"} <= {damage.session for damage in found}
    else:
        assert found == []
        assert counted.unsummed > 0


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_journal_is_refused_and_no_byte_of_it_changes(path: Path, read_only: bool) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = '9' WHERE key = 'format'")
        db.commit()
    before = path.read_bytes()

    error = asyncio.run(error_of(SqliteJournal(path, read_only=read_only).open()))

    assert isinstance(error, JournalFormat)
    assert (error.found, error.readable) == ("9", FORMAT)
    assert path.read_bytes() == before
