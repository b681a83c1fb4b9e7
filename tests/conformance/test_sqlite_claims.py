"""Claims of a SQLite journal: written at once, and on the disk a little later."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conformance.journal_kit import append, create, error_of, played

from greenroom.actors.errors import NotWritten, SessionNotFound
from greenroom.adapters.journals import sqlite_claims
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_claims import Sync
from greenroom.adapters.journals.sqlite_group import write_group
from greenroom.adapters.journals.sqlite_schema import Durability, connect, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim waits for another write to take it to the disk."""
    monkeypatch.setattr(sqlite_claims, "SYNC_S", 3600.0)


async def stored(path: Path, *names: str, durability: Durability = "full") -> SqliteJournal:
    journal = SqliteJournal(path, durability=durability)
    await journal.open()
    for name in names:
        await create(journal, name)
    return journal


@played
async def test_a_claim_alone_is_on_the_disk_a_little_later(path: Path) -> None:
    journal = await stored(path, "s")

    claim = await journal.claim("s")

    assert claim.durable is not None
    assert not claim.durable.done
    await claim.durable
    assert (await journal.claim("s")).epoch == claim.epoch + 1
    await journal.close()


@played
async def test_what_is_written_next_takes_a_claim_with_it(path: Path, no_sync: None) -> None:
    journal = await stored(path, "s", "t")

    claims = [await journal.claim("s"), await journal.claim("t")]
    groups = journal.groups
    await append(journal, b"1", epoch=claims[0].epoch)

    assert [claim.durable.done for claim in claims if claim.durable] == [True, True]
    assert journal.groups == groups + 1
    await journal.close()


@played
async def test_a_write_that_is_refused_takes_nothing_with_it(path: Path, no_sync: None) -> None:
    journal = await stored(path, "s")
    claim = await journal.claim("s")

    await error_of(append(journal, b"late", epoch=claim.epoch - 1))
    assert isinstance(await error_of(journal.claim("none")), SessionNotFound)

    assert claim.durable is not None
    assert not claim.durable.done
    await journal.close()
    await asyncio.sleep(0)
    assert claim.durable.done


@played
async def test_the_first_claim_of_a_process_takes_all_before_it_to_the_disk(path: Path) -> None:
    await (await stored(path, "s", "t")).close()
    journal = await stored(path)

    first, second = await journal.claim("s"), await journal.claim("t")

    assert first.durable is None
    assert second.durable is not None
    await journal.close()


@played
async def test_a_journal_for_processes_that_die_syncs_no_claim(path: Path) -> None:
    journal = await stored(path, "s", durability="process")

    assert (await journal.claim("s")).durable is None
    await journal.close()


@played
async def test_a_claim_of_a_closed_journal_is_not_written(path: Path) -> None:
    journal = await stored(path, "s")
    await journal.close()

    assert isinstance(await error_of(journal.claim("s")), NotWritten)


@played
async def test_a_session_that_is_written_while_it_is_claimed_is_read_again(path: Path) -> None:
    journal = await stored(path, "s")

    written = append(journal, b"1", epoch=1)
    claiming = asyncio.ensure_future(journal.claim("s"))
    claim = await claiming

    assert (claim.revision, claim.events) == (1, [b"1"])
    await written
    await journal.close()


def test_a_sync_writes_a_page_and_changes_nothing(path: Path) -> None:
    db = connect(path, durability="full", busy_s=1.0)
    prepare(db)
    wal = Path(f"{path}-wal")
    dump, before = list(db.iterdump()), wal.stat().st_size

    assert write_group(db, [Sync()]) == [None]

    assert wal.stat().st_size > before
    assert list(db.iterdump()) == dump
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (0,)
    db.close()
