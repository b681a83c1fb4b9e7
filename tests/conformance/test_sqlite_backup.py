"""A backup is a journal of one instant, made beside the writer, and takes nobody's place."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from conformance.damage_kit import checked, execute, fill, one, runtime_on
from conformance.journal_kit import append, create, error_of, events_of, played
from house import GUARD_S

from greenroom.actors.errors import InvalidInput, JournalUnavailable
from greenroom.adapters.journals import sqlite_backup
from greenroom.adapters.journals.sqlite import SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "copy.db"


class Steps:
    """Stands in for the sync of each step: the first one waits until the test has done its part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pages: int = 1) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.count = 0
        monkeypatch.setattr(sqlite_backup, "PAGES", pages)
        monkeypatch.setattr(sqlite_backup, "PAUSE_S", 0.0)
        monkeypatch.setattr(sqlite_backup.os, "fsync", self._sync)

    def _sync(self, _: int) -> None:
        self.count += 1
        self.begun.set()
        assert self.go_on.wait(GUARD_S)

    async def first(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, GUARD_S)


@played
async def test_a_backup_during_writes_is_of_one_instant_and_the_writer_goes_on(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SX18, too: whoever reads all of the file keeps nobody from writing to it."""
    await fill(path, rounds=10)
    steps = Steps(monkeypatch)
    async with runtime_on(path) as runtime:
        session = runtime.session("a")
        await session.post("ann", "before")
        backup = asyncio.ensure_future(SqliteJournal(path).backup(target))
        await steps.first()
        for number in range(20):
            await session.post("ann", f"after {number}")
        assert not target.exists()
        steps.go_on.set()
        size = await backup

    assert steps.count > 10
    assert size == target.stat().st_size
    assert (await checked(target))[0] == []
    async with runtime_on(target) as copy:
        transcript = await copy.session("a").transcript("ann")
        assert transcript[-1].text == "before"
    async with runtime_on(path) as original:
        assert (await original.session("a").transcript("ann"))[-1].text == "after 19"
    assert sorted(os.listdir(target.parent)) == ["copy.db", "copy.db.lock"]


@played
async def test_what_was_acknowledged_before_is_in_every_backup(path: Path, target: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await create(journal)
    for number in range(5):
        await append(journal, b"%d" % number, after=number)
        copy = target.with_name(f"{number}.db")
        await journal.backup(copy)
        reading = SqliteJournal(copy, read_only=True)
        await reading.open()
        assert await events_of(reading) == [b"%d" % n for n in range(number + 1)]
        await reading.close()
    await journal.close()


@played
async def test_a_file_that_is_there_is_never_written_over(path: Path, target: Path) -> None:
    await fill(path)
    target.write_text("dear")

    error = await error_of(SqliteJournal(path).backup(target))

    assert isinstance(error, InvalidInput)
    assert error.field == "target"
    assert target.read_text() == "dear"
    assert isinstance(await error_of(SqliteJournal(path).backup(path)), InvalidInput)


@played
async def test_a_file_that_comes_meanwhile_is_kept_as_well(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    steps = Steps(monkeypatch)
    backup = asyncio.ensure_future(SqliteJournal(path).backup(target))
    await steps.first()
    target.write_text("dear")
    steps.go_on.set()

    assert isinstance(await error_of(backup), InvalidInput)
    assert target.read_text() == "dear"
    assert os.listdir(target.parent) == ["copy.db"]


@played
async def test_a_backup_that_is_cancelled_leaves_nothing(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    steps = Steps(monkeypatch)
    backup = asyncio.ensure_future(SqliteJournal(path).backup(target))
    await steps.first()
    backup.cancel()
    await asyncio.sleep(0)
    steps.go_on.set()

    assert isinstance(*await asyncio.gather(backup, return_exceptions=True), asyncio.CancelledError)
    assert os.listdir(target.parent) == []
    assert steps.count <= 2


@played
async def test_sx2_a_backup_that_fails_leaves_nothing(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sqlite_backup.os, "fsync", full)
    assert isinstance(
        await error_of(SqliteJournal(path).backup(target)), OSError | JournalUnavailable
    )
    assert os.listdir(target.parent) == []
    missing = target.parent / "missing" / "copy.db"
    assert isinstance(await error_of(SqliteJournal(path).backup(missing)), OSError)


@played
async def test_there_must_be_a_journal_to_back_up(path: Path, target: Path) -> None:
    assert isinstance(await error_of(SqliteJournal(path).backup(target)), JournalUnavailable)
    path.write_text("no journal at all, but some text")
    assert isinstance(await error_of(SqliteJournal(path).backup(target)), JournalUnavailable)
    assert os.listdir(target.parent) == []


@played
async def test_a_damaged_journal_is_copied_as_it_is(path: Path, target: Path) -> None:
    await fill(path)
    execute(path, "UPDATE events SET body = x'c1' WHERE session = 2 AND revision = 4")

    await SqliteJournal(path).backup(target)

    assert one(target, "SELECT body FROM events WHERE session = 2 AND revision = 4") == b"\xc1"
    assert [damage.revision for damage in (await checked(target))[0]] == [4]
