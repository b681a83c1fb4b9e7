"""Retention in a SQLite file: in bounded steps, whole after a crash, and looked at by its check."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conformance.damage_kit import checked, execute, fill, one
from conformance.journal_kit import append, create, error_of, events_of, played, row
from conformance.retention_kit import base_at, trim_file
from conformance.sqlite_kit import line_of, process, writing_elsewhere

from greenroom.actors.errors import JournalFailed, NotWritten, SessionDamaged, SessionNotFound
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import NewSession
from greenroom.actors.session.base import Base, decode_base, encode_base
from greenroom.adapters.journals import sqlite_queries, sqlite_retention_jobs
from greenroom.adapters.journals.checksums import checksum, seed_of
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_group import write_group
from greenroom.adapters.journals.sqlite_jobs import Append, Create, Snapshot
from greenroom.adapters.journals.sqlite_retention_jobs import DROPPED, Drop, Erase, Forget, Trim
from greenroom.adapters.journals.sqlite_schema import connect, prepare

LATER_MS = 2**62
OF_B = "(SELECT key FROM sessions WHERE id = 'b')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> SqliteJournal:
    return SqliteJournal(path)


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as the writer has one, and a session with more events than one step drops."""
    with closing(connect(path, durability="full", busy_s=0.0)) as db:
        prepare(db)
        bodies = tuple(b"%d" % n for n in range(1, 2_501))
        jobs = [
            Create("s", 0, Reply(), NewSession(genesis=b"born", row=row())),
            Append("s", 0, Reply(), bodies, 1, 0, row(name="secret", members=("ann", "bob"))),
            Snapshot("s", 5, Reply(), b"state", 1, 5),
        ]
        write_group(db, jobs)
        yield db


def write(db: sqlite3.Connection, job: Any) -> Any:
    (outcome,) = write_group(db, [job])
    return outcome


def count(db: sqlite3.Connection, what: str = "events") -> int:
    found: int = db.execute(f"SELECT count(*) FROM {what}").fetchone()[0]
    return found


def trim_of(revision: int) -> Trim:
    return Trim("s", 4, Reply(), b"base", revision)


# --- steps ---------------------------------------------------------------------------------------


def test_no_step_of_a_trim_drops_more_than_its_share(db: sqlite3.Connection) -> None:
    whole = count(db)

    assert write(db, trim_of(2 * DROPPED + 100)) is True
    assert count(db) == whole  # the base is there at once, and nothing else is dropped with it
    kept = []
    while write(db, Drop("", 0, Reply())):
        kept.append(whole - count(db))

    assert kept == [DROPPED, 2 * DROPPED, 2 * DROPPED + 100]
    assert count(db, "bases WHERE dropping") == count(db, "snapshots") == 0


def test_no_step_of_an_erasure_deletes_more_than_it_may(db: sqlite3.Connection) -> None:
    db.execute("UPDATE sessions SET deleted_ms = 1")
    steps = []
    while erased := write(db, Erase("", 0, Reply(), LATER_MS, 700)):
        steps.append(erased)

    assert steps == [700, 700, 700, 401]  # with the genesis
    assert count(db) == 0


def test_a_snapshot_made_late_of_an_older_state_is_not_kept(db: sqlite3.Connection) -> None:
    write(db, trim_of(100))

    assert write(db, Snapshot("s", 5, Reply(), b"late", 1, 99)) == 99

    assert count(db, "snapshots") == 0


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@played
async def test_p21_a_crash_between_two_steps_of_a_trim_leaves_what_reads_right(
    db: sqlite3.Connection, path: Path, steps: int
) -> None:
    write(db, trim_of(2_400))
    for _ in range(steps):
        write(db, Drop("", 0, Reply()))
    db.close()

    journal = SqliteJournal(path)
    await journal.open()
    page = await journal.read("s", after=0, limit=10_000)
    claim = await journal.claim("s")
    await journal.erase(LATER_MS, limit=300)
    for _ in range(10):
        await journal.erase(LATER_MS, limit=1_000)
    await journal.close()

    assert (page.first, len(page.events)) == (2_401, 100)
    assert (claim.base, claim.events, claim.snapshot) == ((2_400, b"base"), page.events, None)
    assert one(path, "SELECT count(*) FROM events") == 101


@played
async def test_p21_a_crash_between_two_steps_of_an_erasure_brings_nothing_back(
    db: sqlite3.Connection, path: Path
) -> None:
    db.execute("UPDATE sessions SET deleted_ms = 1")
    write(db, Erase("", 0, Reply(), LATER_MS, 700))
    db.close()

    journal = SqliteJournal(path)
    await journal.open()
    assert isinstance(await error_of(journal.claim("s")), SessionNotFound)
    assert await journal.forget(LATER_MS, limit=10) == 0
    while await journal.erase(LATER_MS, limit=700):
        pass
    await journal.close()

    assert one(path, "SELECT count(*) FROM events") == 0


RETAINING = """
import asyncio, sys
from greenroom.actors.ports import IndexRow, NewSession
from greenroom.adapters.journals import sqlite_retention_jobs
from greenroom.adapters.journals.sqlite import SqliteJournal

sqlite_retention_jobs.DROPPED = 3

def row(name):
    return IndexRow(id=name, owner="ann", name="", state="open", created_ms=1, updated_ms=1)

async def main():
    journal = SqliteJournal(sys.argv[1])
    await journal.open()
    for name in ("s", "gone"):
        await journal.claim(name, create=NewSession(genesis=b"born", row=row(name)))
    head = 0
    async def write():
        nonlocal head
        while True:
            events = [b"%d" % n for n in range(head + 1, head + 8)]
            head = await journal.append("s", events, epoch=1, after=head, row=row("s"))
            await journal.append("gone", [b"x"] * 7, epoch=1, after=head - 7, row=row("gone"))
            print(head, flush=True)
            if head == 70:
                await journal.delete("gone", epoch=1)
                return
    await write()
    async def erase():
        while await journal.erase(2**62, limit=1):
            await asyncio.sleep(0)
    erasing = asyncio.ensure_future(erase())
    for revision in range(10, 70, 10):
        await journal.trim("s", b"base %d" % revision, revision=revision)
        print(revision, flush=True)
    await erasing

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [11, 12, 14, 16])
@played
async def test_p21_a_process_killed_while_it_trims_and_erases_has_lost_nothing(
    path: Path, lines: int
) -> None:
    with process(RETAINING, path) as child:
        told = [int(line_of(child)) for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        child.wait()

    journal = SqliteJournal(path)
    await journal.open()
    claim = await journal.claim("s")
    page = await journal.read("s", after=0, limit=1_000)
    while await journal.erase(LATER_MS, limit=100):
        pass
    await journal.close()

    assert claim.base is not None
    assert claim.base[0] >= told[-1]
    assert claim.base[1] == b"base %d" % claim.base[0]
    assert claim.events == page.events == [b"%d" % n for n in range(claim.base[0] + 1, 71)]
    assert one(path, "SELECT count(*) FROM events") == 1 + 70 - claim.base[0]


@played
async def test_a_trim_that_is_cancelled_is_finished_by_the_next_step(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_retention_jobs, "DROPPED", 2)
    await create(journal)
    await append(journal, *[b"e"] * 10)
    trimming = asyncio.ensure_future(journal.trim("s", b"base", revision=8))
    while (await journal.beginning("s")).base is None:
        await asyncio.sleep(0)
    trimming.cancel()
    await asyncio.gather(trimming, return_exceptions=True)

    assert len(await events_of(journal)) == 2
    await journal.erase(LATER_MS, limit=100)
    assert one(path, "SELECT count(*) FROM events") == 3


# --- other reads and writes meanwhile ------------------------------------------------------------


@pytest.mark.parametrize("question", ["claim", "read", "beginning"])
@played
async def test_a_trim_in_the_middle_of_a_reading_is_seen_whole(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """What a first statement has found is dropped before the second one looks for it."""
    await create(journal)
    await append(journal, *(b"%d" % n for n in range(1, 11)))
    await journal.trim("s", b"three", revision=3)
    look, trims = sqlite_queries._genesis if question != "read" else sqlite_queries._events, [6]

    def slow(db: sqlite3.Connection, *where: Any) -> Any:
        if trims:
            revision = trims.pop()
            with closing(sqlite3.connect(path)) as other:
                other.execute("UPDATE sessions SET base = ?", (revision,))
                other.execute("DELETE FROM events WHERE revision BETWEEN 1 AND ?", (revision,))
                sum_ = checksum(seed_of("s"), revision, b"six")
                other.execute("UPDATE bases SET revision = 6, body = ?, sum = ?", (b"six", sum_))
                other.commit()
        return look(db, *where)

    monkeypatch.setattr(sqlite_queries, look.__name__, slow)
    if question == "claim":
        claim = await journal.claim("s")
        assert (claim.base, claim.events) == ((6, b"six"), [b"7", b"8", b"9", b"10"])
    elif question == "read":
        page = await journal.read("s", after=0, limit=100)
        assert (page.first, page.events) == (7, [b"7", b"8", b"9", b"10"])
    else:
        assert (await journal.beginning("s")).base == (6, b"six")


@played
async def test_a_session_erased_in_the_middle_of_a_reading_is_not_found(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(journal)
    await append(journal, b"1")
    look = sqlite_queries._genesis

    def slow(db: sqlite3.Connection, *where: Any) -> Any:
        execute(path, "UPDATE sessions SET deleted_ms = 1, erased = 1")
        execute(path, "DELETE FROM events")
        return look(db, *where)

    monkeypatch.setattr(sqlite_queries, "_genesis", slow)

    assert isinstance(await error_of(journal.claim("s")), SessionNotFound)


@played
async def test_the_key_of_a_forgotten_session_is_not_used_again(
    journal: SqliteJournal, path: Path
) -> None:
    """A reader that has it in hand must not find another session's rows."""
    await create(journal)
    await journal.delete("s", epoch=1)
    assert await journal.erase(LATER_MS, limit=10) == 1
    assert await journal.forget(LATER_MS, limit=10) == 1

    await create(journal, "next")

    assert one(path, "SELECT key FROM sessions") == 2


# --- faults --------------------------------------------------------------------------------------


def test_what_a_full_disk_does_not_take_leaves_all_as_it_was(db: sqlite3.Connection) -> None:
    base = bytes(1_000_000)
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + 10}")
    before = list(db.iterdump())

    error = write(db, Trim("s", len(base), Reply(), base, 1_000))

    assert isinstance(error, NotWritten)
    assert list(db.iterdump()) == before
    db.execute(f"PRAGMA max_page_count = {pages + 1_000}")
    assert write(db, Trim("s", len(base), Reply(), base, 1_000)) is True


@pytest.mark.parametrize("job", [Drop, Erase, Forget])
def test_a_step_on_a_store_that_cannot_be_written_changes_nothing(
    db: sqlite3.Connection, job: Any
) -> None:
    write(db, trim_of(2_000))
    db.execute("INSERT INTO sessions SELECT 9, 'gone', 9, 0, NULL, NULL, 1, '', '', '', 0, 0, 0, 0,"
               " 0, 0, NULL, '', '', 0, 0, 0, 0, 1 FROM sessions")  # fmt: skip
    before = list(db.iterdump())
    db.execute("PRAGMA query_only = ON")

    bounds = () if job is Drop else (LATER_MS, 100)
    error = write(db, job("", 0, Reply(), *bounds))

    assert isinstance(error, NotWritten)
    assert list(db.iterdump()) == before
    db.execute("PRAGMA query_only = OFF")
    assert write(db, job("", 0, Reply(), *bounds)) > 0


@played
async def test_a_step_that_another_writer_keeps_out_is_not_written(path: Path) -> None:
    journal = SqliteJournal(path, busy_s=0.0)
    await journal.open()
    await create(journal)
    await append(journal, b"1", b"2")
    found = await journal.stale(LATER_MS, limit=1, ended=False)

    with writing_elsewhere(path):
        for step in (
            journal.hide(found),
            journal.trim("s", b"base", revision=1),
            journal.note("a", "b"),
        ):
            assert isinstance(await error_of(step), NotWritten)

    assert await events_of(journal) == [b"1", b"2"]
    assert await journal.hide(found) == ["s"]
    await journal.close()


@played
async def test_a_store_that_breaks_is_unknown(journal: SqliteJournal, path: Path) -> None:
    await create(journal)
    execute(path, "DROP TABLE bases")

    assert await error_of(journal.trim("s", b"base", revision=0)) is None
    await append(journal, b"1")
    assert isinstance(await error_of(journal.trim("s", b"base", revision=1)), JournalFailed)


# --- what is left in the file --------------------------------------------------------------------


@played
async def test_nothing_of_what_is_erased_is_left_in_the_file(
    journal: SqliteJournal, path: Path
) -> None:
    secrets = [b"secret-%d" % n for n in range(6)]
    await create(journal, genesis=secrets[0] * 50, name="secret-name", members=("secret-user",))
    texts = {"name": "secret-name", "title": "secret-title", "owner": "secret-owner"}
    await append(journal, *[secrets[1] * 50] * 200, **texts, members=("secret-user",))
    await journal.snapshot("s", secrets[2] * 5_000, epoch=1, revision=200)
    await journal.trim("s", secrets[3] * 5_000, revision=100)
    await create(journal, "other")
    await journal.close()
    await journal.open()
    assert b"secret" in path.read_bytes()
    await journal.delete("s", epoch=1)

    while await journal.erase(LATER_MS, limit=7):
        pass
    await journal.close()

    with closing(sqlite3.connect(path)) as db:
        assert "secret" not in "".join(db.iterdump())
    assert b"secret" not in path.read_bytes()


# --- the check -----------------------------------------------------------------------------------


async def fill_trimmed(path: Path, revision: int = 5) -> None:
    await fill(path)
    await trim_file(path, "b", revision)


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("revision", [1, 5, 12])
@played
async def test_a_trimmed_session_is_found_whole(path: Path, revision: int, snapshot: bool) -> None:
    await fill_trimmed(path, revision)
    if not snapshot:
        execute(path, "DELETE FROM snapshots")

    assert (await checked(path))[0] == []


@played
async def test_a_session_that_is_all_base_is_found_whole(path: Path) -> None:
    await fill(path)
    await trim_file(path, "b", one(path, "SELECT head FROM sessions WHERE id = 'b'"))

    assert (await checked(path))[0] == []


@played
async def test_what_a_crash_left_to_be_dropped_is_passed_over(path: Path) -> None:
    await fill(path)
    journal = SqliteJournal(path, read_only=True)
    await journal.open()
    base = await base_at(journal, "b", 5)
    await journal.close()
    with closing(connect(path, durability="full", busy_s=0.0)) as db:
        assert write(db, Trim("b", 0, Reply(), base, 5)) is True

    assert (await checked(path))[0] == []


def other_state(body: bytes) -> bytes:
    base = decode_base(body)
    base.state.context = {"x": 1}
    base.state.name = "another"
    return encode_base(base)


def older(body: bytes) -> bytes:
    base = decode_base(body)
    base.state.revision -= 1
    return encode_base(base)


def of_another(body: bytes) -> bytes:
    base = decode_base(body)
    base.state.id = "x"
    return encode_base(Base(base.state, []))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda body: body[:-1], "its base cannot be read"),
        (lambda _: b"\xc1", "its base cannot be read"),
        (of_another, "its base is that of session x"),
        (older, "its base is of revision 4"),
        (other_state, "the snapshot is not what the events say"),
    ],
)
@played
async def test_a_base_that_is_wrong_is_found_though_its_sum_is_right(
    path: Path, change: Callable[[bytes], bytes], what: str
) -> None:
    await fill_trimmed(path)
    wrong = change(one(path, "SELECT body FROM bases"))
    found_sum = checksum(seed_of("b"), 5, wrong)
    execute(path, "UPDATE bases SET body = ?, sum = ?", wrong, found_sum)

    found, _ = await checked(path)

    assert {each.session for each in found} == {"b"}
    assert found[0].what.startswith(what)


@pytest.mark.parametrize(
    ("statement", "revision", "what"),
    [
        ("UPDATE bases SET body = x'00'", 5, "base: its bytes are not those written"),
        ("UPDATE bases SET sum = NULL", 5, "base: its bytes are not those written"),
        ("DELETE FROM bases", 5, "what stands for the events that are dropped is missing"),
        ("UPDATE bases SET revision = 4", 4, "there is a base, but the journal says"),
        ("UPDATE sessions SET base = 0 WHERE id = 'b'", 5, "there is a base, but the journal says"),
        ("UPDATE sessions SET base = 999 WHERE id = 'b'", 999, "more events are dropped"),
        ("UPDATE snapshots SET revision = 3 WHERE session = 2", 3, "there is a snapshot from"),
        ("DELETE FROM events WHERE session = 2 AND revision = 6", 6, "events are missing"),
        ("DELETE FROM events WHERE session = 2 AND revision = 0", 0, "its genesis is missing"),
    ],
)
@played
async def test_what_is_wrong_with_a_trimmed_session_is_found(
    path: Path, statement: str, revision: int, what: str
) -> None:
    await fill_trimmed(path)
    execute(path, statement)

    found, _ = await checked(path)

    assert {each.session for each in found} == {"b"}
    assert (found[0].revision, found[0].what[: len(what)]) == (revision, what)


@pytest.mark.parametrize("statement", ["UPDATE bases SET body = x'00'", "DELETE FROM bases"])
@played
async def test_a_base_that_is_damaged_is_never_served(path: Path, statement: str) -> None:
    await fill_trimmed(path)
    journal = SqliteJournal(path)
    await journal.open()
    execute(path, statement)

    assert (await journal.claim("b")).snapshot is not None  # which says the same
    execute(path, "DELETE FROM snapshots")
    for question in (journal.claim("b"), journal.beginning("b")):
        error = await error_of(question)
        assert isinstance(error, SessionDamaged)
        assert error.revision == 5
    assert await error_of(journal.claim("a")) is None
    await journal.close()


@played
async def test_what_is_left_of_an_erased_session_is_found(path: Path) -> None:
    await fill(path)
    execute(path, "UPDATE sessions SET deleted_ms = 1, erased = 1 WHERE id = 'b'")

    found, counted = await checked(path)

    assert counted.sessions == 2
    assert [each.what.split(maxsplit=1)[1] for each in found] == [
        f"{table} of a session 2 that is erased" for table in ("events", "snapshots", "members")
    ]


@played
async def test_a_journal_with_all_of_it_is_found_whole_and_copied_whole(path: Path) -> None:
    await fill_trimmed(path)
    journal = SqliteJournal(path)
    await journal.open()
    await journal.hide(await journal.stale(LATER_MS, limit=1, ended=False))
    while await journal.erase(LATER_MS, limit=5):
        pass
    await journal.note("retention", "a week")
    copy = path.with_name("copy.db")
    await journal.backup(copy)
    await journal.close()

    assert (await checked(path))[0] == (await checked(copy))[0] == []
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(copy)) as copied:
        assert list(db.iterdump()) == list(copied.iterdump())


# --- the indices ---------------------------------------------------------------------------------


QUERIES = {
    "sessions_due": "deleted_ms IS NULL AND wake_ms <> 0 ORDER BY wake_ms, key",
    "sessions_long": """deleted_ms IS NULL AND id > '' AND head - events - base >= 64
        AND head - events - base >= 500 ORDER BY id""",
    "sessions_hidden": """deleted_ms IS NOT NULL AND NOT erased AND deleted_ms < 9
        ORDER BY deleted_ms""",
}


@pytest.mark.parametrize("index", QUERIES)
def test_no_step_looks_through_all_sessions(db: sqlite3.Connection, index: str) -> None:
    query = f"SELECT key FROM sessions WHERE {QUERIES[index]} LIMIT 10"
    plan = " ".join(step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {query}"))

    assert index in plan
