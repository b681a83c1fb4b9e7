"""What the SQLite journal promises beyond `test_journals`: its file, its owner, its writer."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conformance.journal_kit import GUARD_S, append, create, error_of, events_of, played
from conformance.sqlite_kit import line_of, process, writing_elsewhere

from greenroom.actors.errors import (
    ConfigError,
    JournalFormat,
    JournalLocked,
    JournalUnavailable,
    NotWritten,
    SessionDamaged,
)
from greenroom.actors.ports import SessionQuery
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_checkpoint import FULL_WAL_BYTES
from greenroom.adapters.journals.sqlite_formats import FORMAT
from greenroom.adapters.journals.sqlite_schema import connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> SqliteJournal:
    return SqliteJournal(path)


# --- one owner -----------------------------------------------------------------------------------

OWNER = """
import asyncio, sys
from greenroom.adapters.journals.sqlite import SqliteJournal

async def own():
    journal = SqliteJournal(sys.argv[1])
    await journal.open()
    print("open", flush=True)
    sys.stdin.readline()
    await journal.close()
    print("closed", flush=True)

asyncio.run(own())
"""


@played
async def test_a_journal_owned_by_another_process_names_it(path: Path) -> None:
    with process(OWNER, path) as owner:
        assert line_of(owner) == "open"

        error = await error_of(SqliteJournal(path).open())

    assert isinstance(error, JournalLocked)
    assert (error.path, error.pid) == (str(path), owner.pid)
    assert error.started is not None
    assert error.started.endswith("+00:00")


@played
async def test_a_second_journal_of_this_process_is_refused_and_the_first_goes_on(
    journal: SqliteJournal, path: Path
) -> None:
    for second in (SqliteJournal(path), SqliteJournal(path.parent / "." / path.name), journal):
        error = await error_of(second.open())
        assert isinstance(error, JournalLocked)
        assert error.pid == os.getpid()

    await create(journal)
    assert await append(journal, b"e") == 1


@played
async def test_a_closed_journal_is_free(path: Path) -> None:
    with process(OWNER, path) as owner:
        assert line_of(owner) == "open"
        owner.communicate("\n", timeout=GUARD_S)

    journal = SqliteJournal(path)
    await journal.open()
    await journal.close()


@played
async def test_a_killed_owner_leaves_the_journal_free(path: Path) -> None:
    with process(OWNER, path) as owner:
        assert line_of(owner) == "open"
        owner.send_signal(signal.SIGKILL)
        owner.wait(GUARD_S)

    journal = SqliteJournal(path)
    await journal.open()
    await journal.close()


@played
async def test_an_open_that_is_cancelled_lets_go_of_the_file(path: Path) -> None:
    opening = asyncio.ensure_future(SqliteJournal(path).open())
    await asyncio.sleep(0)
    opening.cancel()
    assert isinstance(await asyncio.gather(opening, return_exceptions=True), list)

    journal = SqliteJournal(path)
    await journal.open()
    await journal.close()


# --- what survives -------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from greenroom.actors.ports import End, IndexRow, NewSession
from greenroom.adapters.journals.sqlite import SqliteJournal

async def write():
    journal = SqliteJournal(sys.argv[1])
    await journal.open()
    row = IndexRow(id="s", owner="ann", name="", state="open", created_ms=1, updated_ms=1)
    await journal.claim("s", create=NewSession(genesis=b"born", row=row))
    await journal.release("s", epoch=1, end=End(1, 5))
    await journal.claim("s")
    revision = 0
    while True:
        commits = []
        for _ in range(7):
            events = [b"%d" % (revision + 1), b"%d" % (revision + 2)]
            commits.append(journal.append("s", events, epoch=2, after=revision, row=row))
            revision += 2
        for commit in commits:
            print(await commit, flush=True)

asyncio.run(write())
"""


@played
async def test_what_was_acknowledged_survives_kill_9_and_no_append_is_there_in_part(
    path: Path,
) -> None:
    with process(WRITER, path) as writer:
        for _ in range(60):
            acknowledged = int(line_of(writer))
        writer.send_signal(signal.SIGKILL)

    journal = SqliteJournal(path)
    await journal.open()
    claim = await journal.claim("s")
    await journal.close()

    assert claim.revision >= acknowledged == 120
    assert claim.revision % 2 == 0
    assert claim.events == [b"%d" % n for n in range(1, claim.revision + 1)]
    assert (claim.epoch, claim.genesis, claim.end) == (3, b"born", None)


@played
async def test_another_process_finds_everything(path: Path) -> None:
    with process(WRITER, path) as writer:
        line_of(writer)
        watching = SqliteJournal(path, read_only=True)
        await watching.open()
        head = (await watching.read("s", after=0, limit=1)).head
        for _ in range(10):
            acknowledged = int(line_of(writer))
        page = await watching.read("s", after=head, limit=10_000)
        await watching.close()

    assert page.head >= acknowledged
    assert page.first == head + 1
    assert page.events == [b"%d" % n for n in range(head + 1, head + 1 + len(page.events))]


# --- what is not a journal -----------------------------------------------------------------------


def files_of(path: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in path.parent.iterdir()}


@pytest.mark.parametrize("read_only", [False, True])
@played
async def test_a_newer_format_is_refused_and_the_file_not_touched(
    path: Path, read_only: bool
) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await create(journal)
    await journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = '4' WHERE key = 'format'")
        db.commit()
    before = path.read_bytes()

    error = await error_of(SqliteJournal(path, read_only=read_only).open())

    assert isinstance(error, JournalFormat)
    assert (error.found, error.readable) == ("4", FORMAT)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello\n" * 1_000, b"SQLite format 3\0" + b"\xff" * 4_080])
@played
async def test_a_file_that_is_no_database_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    for read_only in (False, True):
        error = await error_of(SqliteJournal(path, read_only=read_only).open())
        assert isinstance(error, JournalUnavailable)
        assert error.path == str(path)

    assert path.read_bytes() == content


@played
async def test_a_database_of_something_else_is_refused_and_kept(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE sessions(id)")
    before = path.read_bytes()

    assert isinstance(await error_of(SqliteJournal(path).open()), JournalUnavailable)
    assert path.read_bytes() == before


@played
async def test_a_place_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "journal.db", tmp_path):
        assert isinstance(await error_of(SqliteJournal(path).open()), JournalUnavailable)
    assert not (tmp_path / "missing").exists()


@played
async def test_events_that_are_missing_are_not_passed_over(
    journal: SqliteJournal, path: Path
) -> None:
    await create(journal)
    await append(journal, b"1", b"2", b"3")
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM events WHERE revision = 2")
        db.commit()

    for look in (journal.claim("s"), journal.read("s", after=0, limit=10)):
        assert isinstance(await error_of(look), SessionDamaged)
    assert (await journal.read("s", after=2, limit=10)).events == [b"3"]


@played
async def test_events_that_are_missing_without_a_base_are_no_page(
    journal: SqliteJournal, path: Path
) -> None:
    await create(journal)
    await append(journal, b"1", b"2", b"3")
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM events WHERE revision IN (1, 2)")
        db.commit()

    error = await error_of(journal.read("s", after=0, limit=10))

    assert isinstance(error, SessionDamaged)
    assert error.revision == 1


# --- reading -------------------------------------------------------------------------------------


@played
async def test_reads_do_not_wait_for_the_writer(journal: SqliteJournal, path: Path) -> None:
    await create(journal, genesis=b"born")
    await append(journal, b"1")

    with writing_elsewhere(path):
        waiting = append(journal, b"2", after=1)
        assert await events_of(journal) == [b"1"]
        assert (await journal.beginning("s")).genesis == b"born"
        assert len((await journal.list(SessionQuery())).rows) == 1
        assert not waiting.done

    assert await waiting == 2


@played
async def test_a_journal_opened_for_reading_shows_and_takes_nothing(
    journal: SqliteJournal, path: Path
) -> None:
    await create(journal, genesis=b"born")
    watching = SqliteJournal.from_url(f"sqlite:///{path}?mode=ro")
    await watching.open()

    await append(journal, b"1")
    assert await events_of(watching) == [b"1"]
    for write in (
        append(watching, b"2", after=1),
        watching.snapshot("s", b"state", epoch=1, revision=1),
        watching.release("s", epoch=1, end=None),
        watching.claim("s"),
        watching.delete("s", epoch=1),
    ):
        assert isinstance(await error_of(write), NotWritten)

    await watching.close()
    assert await append(journal, b"2", after=1) == 2


@played
async def test_reading_needs_no_owner_and_leaves_the_file_as_it_is(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await create(journal)
    await append(journal, b"1")
    await journal.close()
    before = path.read_bytes()

    watching = SqliteJournal(path, read_only=True)
    await watching.open()
    events = await events_of(watching)
    await watching.close()

    assert events == [b"1"]
    assert path.read_bytes() == before


@played
async def test_there_must_be_a_journal_to_read(path: Path) -> None:
    assert isinstance(
        await error_of(SqliteJournal(path, read_only=True).open()), JournalUnavailable
    )
    assert files_of(path) == {}

    path.touch()
    assert isinstance(
        await error_of(SqliteJournal(path, read_only=True).open()), JournalUnavailable
    )


# --- the write-ahead log -------------------------------------------------------------------------


@played
async def test_the_log_is_copied_and_does_not_grow_without_end(
    journal: SqliteJournal, path: Path
) -> None:
    await create(journal)
    log = path.with_name(f"{path.name}-wal")
    largest = 0
    for n in range(20):
        await append(journal, bytes(4 << 20), after=n)
        largest = max(largest, log.stat().st_size)

    assert path.stat().st_size > 20 << 20
    assert largest < FULL_WAL_BYTES + (16 << 20)


@played
async def test_a_closed_journal_is_one_file_and_its_lock(
    journal: SqliteJournal, path: Path
) -> None:
    await create(journal)
    await journal.close()

    assert sorted(files_of(path)) == ["journal.db", "journal.db.lock"]
    assert files_of(path)["journal.db.lock"] == b""


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///journal.db", "journal.db"),
        ("sqlite:///data/journal.db", "data/journal.db"),
        ("sqlite:////var/lib/journal.db", "/var/lib/journal.db"),
        ("sqlite:////tmp/with%20space%3F.db?durability=process", "/tmp/with space?.db"),
        ("sqlite:///journal.db?durability=full&mode=ro", "journal.db"),
    ],
)
def test_a_url_names_the_file(url: str, path: str) -> None:
    assert SqliteJournal.from_url(url).path == Path(path)


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("sqlite:", "url"),
        ("sqlite://", "url"),
        ("sqlite:///", "url"),
        ("sqlite://journal.db", "url"),
        ("postgres:///journal", "url"),
        ("journal.db", "url"),
        ("sqlite:///journal.db#part", "url"),
        ("sqlite:///journal.db?unknown=1", "url"),
        ("sqlite:///journal.db?durability=some", "durability"),
        ("sqlite:///journal.db?durability=", "durability"),
        ("sqlite:///journal.db?mode=rwx", "mode"),
    ],
)
def test_a_url_that_is_wrong_says_where(url: str, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SqliteJournal.from_url(url)
    assert refused.value.field == field


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("process", 1)])
def test_durability_is_how_often_sqlite_syncs(
    path: Path, durability: Any, synchronous: int
) -> None:
    with closing(connect(path, durability=durability, busy_s=0.0)) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("name", ["with space", "100%", "a?b#c", "naïve", "'quoted'"])
@played
async def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    journal = SqliteJournal(tmp_path / name, durability="process")
    await journal.open()
    await create(journal)
    assert await append(journal, b"e") == 1
    assert await events_of(journal) == [b"e"]
    await journal.close()

    assert sorted(os.listdir(tmp_path)) == [name, f"{name}.lock"]
