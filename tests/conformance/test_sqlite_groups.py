"""How the SQLite journal writes: groups, refusals within them, and stores that fail."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conformance.journal_kit import GUARD_S, append, create, error_of, events_of, played, row
from conformance.sqlite_kit import process, writing_elsewhere

from greenroom.actors.errors import (
    Conflict,
    Fenced,
    JournalFailed,
    NotWritten,
    SessionDamaged,
    SessionExists,
    SessionNotFound,
)
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import End, NewSession
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_group import write_group
from greenroom.adapters.journals.sqlite_jobs import Append, Create, Release, Snapshot, Take, Taken
from greenroom.adapters.journals.sqlite_queries import read_page
from greenroom.adapters.journals.sqlite_schema import connect, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> SqliteJournal:
    return SqliteJournal(path)


# --- groups --------------------------------------------------------------------------------------


@played
async def test_whatever_is_queued_is_one_transaction(journal: SqliteJournal, path: Path) -> None:
    sessions = [f"s-{n}" for n in range(100)]
    await asyncio.gather(*(create(journal, name) for name in sessions))
    before = journal.groups

    with writing_elsewhere(path):
        commits = [append(journal, b"%d" % n, session=s, after=n) for s in sessions for n in (0, 1)]
    await asyncio.gather(*(_settled(commit) for commit in commits))

    assert [commit.result() for commit in commits] == [1, 2] * 100
    # The writer may have begun with the first few before the rest was queued.
    assert journal.groups - before <= 2


async def _settled(commit: Reply[int]) -> None:
    await error_of(commit)


@played
async def test_an_append_that_fails_harms_no_other_of_its_group(
    journal: SqliteJournal, path: Path
) -> None:
    await create(journal, "a")
    await create(journal, "b")
    await journal.claim("b")

    with writing_elsewhere(path):
        commits = [
            append(journal, b"1", session="a"),
            append(journal, b"x", session="b", epoch=1),
            append(journal, b"x", session="a", after=7),
            append(journal, b"2", session="a", after=1),
            append(journal, b"1", session="b", epoch=2),
        ]
    errors = [await error_of(commit) for commit in commits]

    assert [errors[0], errors[3], errors[4]] == [None, None, None]
    assert [type(error) for error in errors[1:3]] == [Fenced, Conflict]
    assert await events_of(journal, "a") == [b"1", b"2"]
    assert await events_of(journal, "b") == [b"1"]


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as the writer has one, with the sessions `a` and `b`, of epoch 1."""
    with closing(connect(path, durability="full", busy_s=0.0)) as db:
        prepare(db)
        for name in "ab":
            new = NewSession(genesis=b"born", row=row(name))
            assert write_group(db, [Create(name, 0, Reply(), new)]) == [1]
        yield db


def appended(session: str, *events: bytes, after: int = 0, epoch: int = 1) -> Append:
    size = sum(map(len, events))
    return Append(session, size, Reply(), events, epoch, after, row(session))


def heads_of(db: sqlite3.Connection) -> list[int]:
    return [head for (head,) in db.execute("SELECT head FROM sessions ORDER BY id").fetchall()]


def kinds_of(outcomes: list[Any]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_a_group_of_every_kind_runs_in_order(db: sqlite3.Connection) -> None:
    new = NewSession(genesis=b"born", row=row("c"))
    outcomes = write_group(
        db,
        [
            appended("a", b"1"),
            appended("b", b"1", b"2"),
            appended("a", b"2", after=1),
            Snapshot("a", 5, Reply(), b"state", 1, 2),
            Release("a", 0, Reply(), 1, End(1, 3)),
            Take("a", 0, Reply(), Reply()),
            appended("a", b"3", after=2, epoch=2),
            Create("c", 0, Reply(), new),
            appended("c", b"1"),
        ],
    )

    assert [outcomes[n] for n in (0, 1, 2, 3, 4, 6, 7, 8)] == [1, 2, 2, 2, 1, 3, 1, 1]
    assert (outcomes[5].epoch, outcomes[5].end) == (2, End(1, 3))
    assert heads_of(db) == [3, 2, 1]


def test_refusals_in_a_group_stand_beside_what_is_written(db: sqlite3.Connection) -> None:
    new = NewSession(genesis=b"born", row=row("a"))
    outcomes = write_group(
        db,
        [
            appended("a", b"1"),
            Create("a", 0, Reply(), new),
            Take("c", 0, Reply(), Reply()),
            appended("b", b"x", epoch=9),
            Take("b", 0, Reply(), Reply()),
            appended("b", b"x"),
            appended("b", b"1", epoch=2),
        ],
    )

    refused = [SessionExists, SessionNotFound, Fenced]
    assert kinds_of(outcomes[1:4]) == refused
    assert kinds_of(outcomes[5:6]) == [Fenced]
    assert (outcomes[0], outcomes[4].epoch, outcomes[6]) == (1, 2, 1)
    assert heads_of(db) == [1, 1]


def test_appends_are_not_joined_across_epochs(db: sqlite3.Connection) -> None:
    stale, owned = appended("a", b"x", epoch=9), appended("a", b"2", after=1)

    assert kinds_of(write_group(db, [stale, owned])) == [Fenced, Conflict]
    assert heads_of(db) == [0, 0]


def test_a_session_that_is_damaged_harms_no_other_of_the_group(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO events SELECT key, 2, x'00', NULL FROM sessions WHERE id = 'a'")

    outcomes = write_group(db, [appended("b", b"1"), appended("a", b"1", b"2")])

    assert outcomes[0] == 1
    assert isinstance(outcomes[1], JournalFailed)
    assert heads_of(db) == [0, 1]
    assert read_page(db, "b", after=0, limit=10).events == [b"1"]


class Corrupt(Take):
    """A claim that meets a damaged page."""

    def run(self, db: sqlite3.Connection) -> Taken:
        super().run(db)
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT_INDEX
        raise error


def test_a_damaged_page_harms_no_other_of_the_group(db: sqlite3.Connection) -> None:
    claim = Corrupt("a", 0, Reply(), Reply())

    outcomes = write_group(db, [appended("b", b"1"), claim, appended("a", b"1")])

    assert (outcomes[0], outcomes[2]) == (1, 1)
    assert isinstance(outcomes[1], SessionDamaged)
    assert heads_of(db) == [1, 1]


def test_a_large_group_is_written_whole(db: sqlite3.Connection) -> None:
    jobs = [appended("a", *[b"%d" % n] * 3, after=3 * n) for n in range(1_000)]

    assert write_group(db, jobs) == [3 * n + 3 for n in range(1_000)]
    page = read_page(db, "a", after=0, limit=10_000)
    assert page.events == [b"%d" % n for n in range(1_000) for _ in range(3)]


def test_what_cannot_be_joined_into_one_row_is_read_all_the_same(db: sqlite3.Connection) -> None:
    written = [b"%d" % n * 50 for n in range(9)]
    write_group(db, [appended("a", *written)])

    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 200)

    assert read_page(db, "a", after=0, limit=10).events == written


# --- a store that fails --------------------------------------------------------------------------


def test_a_full_disk_is_not_written_and_works_again_with_room(db: sqlite3.Connection) -> None:
    jobs = [appended("b", b"1"), appended("a", bytes(100_000))]
    (limit,) = db.execute("PRAGMA max_page_count = 1").fetchone()  # as many as it has

    assert kinds_of(write_group(db, jobs)) == [NotWritten, NotWritten]
    assert not db.in_transaction
    assert heads_of(db) == [0, 0]

    db.execute(f"PRAGMA max_page_count = {limit + 1_000}")
    assert write_group(db, jobs) == [1, 1]


def test_a_read_only_store_is_not_written(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA query_only = ON")

    (error,) = write_group(db, [appended("a", b"1")])

    assert isinstance(error, NotWritten)
    assert "SQLITE_READONLY" in error.why
    db.execute("PRAGMA query_only = OFF")
    assert write_group(db, [appended("a", b"1")]) == [1]


def test_a_broken_store_is_unknown(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE events")

    outcomes = write_group(db, [appended("a", b"1"), appended("b", b"1")])

    assert kinds_of(outcomes) == [JournalFailed, JournalFailed]
    assert heads_of(db) == [0, 0]


def test_each_job_of_a_failed_group_has_an_error_of_its_own(
    db: sqlite3.Connection, path: Path
) -> None:
    with writing_elsewhere(path):
        first, second = write_group(db, [appended("a", b"1"), appended("b", b"1")])

    assert isinstance(first, NotWritten)
    assert isinstance(second, NotWritten)
    assert first is not second


@played
async def test_the_writer_goes_on_after_a_group_that_failed(path: Path) -> None:
    journal = SqliteJournal(path, busy_s=0.0)
    await journal.open()
    await create(journal)

    with writing_elsewhere(path):
        error = await error_of(append(journal, b"lost"))
        claim_error = await error_of(journal.claim("s"))
    assert isinstance(error, NotWritten)
    assert isinstance(claim_error, NotWritten)

    assert await append(journal, b"e") == 1
    assert await events_of(journal) == [b"e"]
    await journal.close()


BREAKING = """
import asyncio, json, os, resource, sys
from greenroom.actors.errors import GreenroomError
from greenroom.actors.ports import IndexRow, NewSession
from greenroom.adapters.journals.sqlite import SqliteJournal

row = IndexRow(id="s", owner="ann", name="", state="open", created_ms=1, updated_ms=1)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def try_append(journal, body, **where):
    try:
        return await journal.append("s", [body], row=row, **where)
    except GreenroomError as error:
        return error.code

async def main():
    journal = SqliteJournal(sys.argv[1])
    await journal.open()
    await journal.claim("s", create=NewSession(genesis=b"", row=row))
    limit(os.stat(sys.argv[1] + "-wal").st_size + 5000)  # one page has room, then EFBIG
    failed = await try_append(journal, bytes(20000), epoch=1, after=0)
    limit(resource.RLIM_INFINITY)
    claim = await journal.claim("s")
    retried = await try_append(journal, bytes(20000), epoch=claim.epoch, after=claim.revision)
    await journal.close()
    print(json.dumps([failed, claim.revision, len(claim.events), retried]))

asyncio.run(main())
"""


def test_after_an_error_of_the_disk_the_claim_tells_what_is_there(path: Path) -> None:
    with process(BREAKING, path) as child:
        out, _ = child.communicate(timeout=GUARD_S)

    failed, revision, events, retried = json.loads(out)

    assert failed == "journal_failed"
    assert revision == events
    assert retried == revision + 1
