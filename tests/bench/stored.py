"""A journal with as many stored sessions as one likes: one real session, copied row by row.

A copy has an id of its own, in its row and wherever an event or a snapshot names it, and checksums
that are right for that id: `greenroom journal check` finds nothing wrong with such a file.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import greenroom
from greenroom.adapters.journals.checksums import checksum, seed_of
from greenroom.adapters.journals.sqlite import SqliteJournal

HOST = "ann"
BATCH = 20_000
"""Sessions of one transaction."""


def id_of(number: int) -> str:
    """Ids that are equally long, so that one takes another's place in encoded bytes."""
    return f"stored-{number:08d}"


def store(path: Path, sessions: int, messages: int) -> None:
    """Make a journal at `path` with so many sessions, each of so many messages, left in order."""
    asyncio.run(_make_one(path, messages))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            db.execute(f"PRAGMA {pragma}")
        for start in range(1, sessions, BATCH):
            db.execute("BEGIN")
            _copy(db, range(start, min(start + BATCH, sessions)))
            db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")


async def _make_one(path: Path, messages: int) -> None:
    async with greenroom.Runtime(journal=SqliteJournal(path)) as runtime:
        session = await runtime.create(HOST, id=id_of(0))
        for number in range(messages):
            await session.post(HOST, f"message {number}")
        assert await runtime.passivate(session.id)


def _copy(db: sqlite3.Connection, numbers: range) -> None:
    columns = [row[1] for row in db.execute("PRAGMA table_info(sessions)")]
    (row,) = db.execute("SELECT * FROM sessions WHERE id = ?", (id_of(0),)).fetchall()
    original = dict(zip(columns, row, strict=True))
    key = original["key"]
    rows = ({**original, "key": key + number, "id": id_of(number)} for number in numbers)
    marks = ", ".join(f":{column}" for column in columns)
    db.executemany(f"INSERT INTO sessions VALUES ({marks})", rows)
    for kept in ("events", "snapshots"):
        bodies = db.execute(f"SELECT revision, body FROM {kept} WHERE session = ?", (key,))
        copies = _copies(bodies.fetchall(), key, numbers)
        db.executemany(f"INSERT INTO {kept} VALUES (?, ?, ?, ?)", copies)


def _copies(bodies: list[tuple[int, bytes]], key: int, numbers: range) -> Iterator[tuple[Any, ...]]:
    old = id_of(0).encode()
    for number in numbers:
        id_ = id_of(number)
        new, seed = id_.encode(), seed_of(id_)
        for revision, original in bodies:
            body = original.replace(old, new)
            yield key + number, revision, body, checksum(seed, revision, body)
