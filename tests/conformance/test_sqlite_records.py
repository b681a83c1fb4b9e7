"""A file from before there were records is listed, and has them from its next event on."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conformance.journal_kit import played
from theatre import echo, play, texts

import greenroom
from greenroom.actors.ports import SessionQuery
from greenroom.adapters.journals import sqlite_formats
from greenroom.adapters.journals.sqlite import SqliteJournal

FORMAT_1 = gzip.decompress(Path(__file__).with_name("format-1.db.gz").read_bytes())
"""Sessions `talk` (bob is in it and has been answered), `quiet`, `over`, and `gone`, deleted."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    path.write_bytes(FORMAT_1)
    return path


def format_of(path: Path) -> tuple[str, str]:
    """What the file says of itself, and what its tables look like."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        (found,) = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        made = db.execute("PRAGMA table_info(sessions)").fetchall()
        return found, ", ".join(f"{name} {kind} {needed}" for _, name, kind, needed, *_ in made)


@played
async def test_a_file_of_format_1_is_read_and_not_written(path: Path) -> None:
    journal = SqliteJournal(path, read_only=True)
    await journal.open()
    try:
        rows = (await journal.list(SessionQuery())).rows
        assert {row.id: (row.owner, row.title, row.language, row.feedback) for row in rows} == {
            "talk": ("ann", "", "en", 0),
            "quiet": ("bob", "", "en", 0),
            "over": ("ann", "", "en", 0),
        }
        assert await journal.find("talk") in rows
        assert (await journal.list(SessionQuery(after=rows[0]))).rows == rows[1:]
        assert [row.id for row in await journal.joined_by("bob")] == ["talk", "quiet"]
        totals = await journal.totals()
        assert (totals.sessions, totals.interactions, totals.feedback) == (3, 0, 0)
        page = await journal.read("talk", after=0, limit=100)
        assert (page.head, len(page.events)) == (5, 5)
    finally:
        await journal.close()

    assert path.read_bytes() == FORMAT_1


def test_a_file_of_format_1_goes_on_in_this_one(path: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, journal=SqliteJournal(path)) as runtime:
            session = runtime.session("talk")
            told = texts(await session.transcript("bob"))
            assert told == [
                "what was said before there were titles",
                "You said: what was said before there were titles",
            ]
            await session.add_feedback("bob", "n", "correct")
            row = await runtime.find("talk")
            assert row is not None
            assert row.title == "what was said before there were tit..."
            assert (row.interactions, row.feedback) == (1, 1)
            assert {each.id for each in (await runtime.sessions()).rows} == {
                *("talk", "quiet", "over")
            }
            assert [each.id for each in await runtime.sessions_of("bob")] == ["talk", "quiet"]
            with pytest.raises(greenroom.SessionExists):
                await runtime.create(user="ann", id="gone")

        async with greenroom.Runtime(journal=SqliteJournal(path)) as runtime:
            assert texts(await runtime.session("talk").transcript("bob")) == told
            assert (await runtime.totals()).feedback == 1

        fresh = SqliteJournal(tmp_path / "new.db")
        await fresh.open()
        await fresh.close()

    play(scene)

    assert format_of(path) == format_of(tmp_path / "new.db")
    assert format_of(path)[0] == sqlite_formats.FORMAT


@played
async def test_who_was_reading_reads_on_while_the_file_is_brought_to_this_format(
    path: Path,
) -> None:
    watching, journal = SqliteJournal(path, read_only=True), SqliteJournal(path)
    await watching.open()
    before = (await watching.list(SessionQuery())).rows

    await journal.open()
    claim = await journal.claim("talk")
    row = await journal.find("talk")
    assert row is not None
    newer = greenroom.IndexRow(
        id="talk",
        owner="ann",
        name="a room",
        state="active",
        created_ms=row.created_ms,
        updated_ms=row.updated_ms + 1000,
        title="now it has one",
        feedback=3,
    )
    await journal.append("talk", [b"?"], epoch=claim.epoch, after=claim.revision, row=newer)

    after = (await watching.list(SessionQuery())).rows
    assert [each.title for each in before] == ["", "", ""]
    assert (after[0].id, after[0].title, after[0].feedback) == ("talk", "now it has one", 3)
    assert (await watching.totals()).feedback == 3
    await watching.close()
    await journal.close()
