"""A SQLite journal with sessions that a runtime has made, and ways to damage it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from theatre import ManualClock

import greenroom
from greenroom.adapters.journals.checksums import checksum, seed_of
from greenroom.adapters.journals.damage import Checked, Damage
from greenroom.adapters.journals.sqlite import SqliteJournal

SESSIONS = ("a", "b", "c")


async def agent(turn: greenroom.Turn) -> AsyncIterator[Any]:
    """Looks something up and says what it was told."""
    yield greenroom.ToolCall(name="look", arguments={"for": turn.input.text}, id="c")
    yield greenroom.ToolResult(id="c", value="found")
    yield f"you said {turn.input.text}"


def runtime_on(path: Path, clock: ManualClock | None = None, **options: Any) -> greenroom.Runtime:
    journal = SqliteJournal(path)
    return greenroom.Runtime(agent, journal=journal, clock=clock or ManualClock(), **options)


async def fill(path: Path, *, rounds: int = 3) -> None:
    """Sessions a, b and c of ann and bob, with some turns each, and a snapshot at the head."""
    async with runtime_on(path) as runtime:
        for name in SESSIONS:
            session = await runtime.create(user="ann", id=name)
            await session.join("bob", name="Bob")
            for number in range(rounds):
                turn = await session.send("ann", f"{name} says {number}")
                await turn.result()


def execute(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement, values)
        db.commit()


def one(path: Path, query: str, *values: Any) -> Any:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchone()[0]


def change_event(
    path: Path, session: str, revision: int, change: Callable[[bytes], bytes], *, summed: bool
) -> None:
    """Change an event's bytes; `summed`: and its checksum, as nobody but a bug would."""
    where = "session = (SELECT key FROM sessions WHERE id = ?) AND revision = ?"
    body = change(one(path, f"SELECT body FROM events WHERE {where}", session, revision))
    execute(path, f"UPDATE events SET body = ? WHERE {where}", body, session, revision)
    if summed:
        found = checksum(seed_of(session), revision, body)
        execute(path, f"UPDATE events SET sum = ? WHERE {where}", found, session, revision)


def break_a_page(path: Path) -> None:
    """Overwrite the head of the first page of events, so that SQLite cannot read it."""
    with closing(sqlite3.connect(path)) as db:
        page = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()[0]
    data = bytearray(path.read_bytes())
    leaves = int.from_bytes(data[(root - 1) * page + 12 :][:2], "big")
    child = int.from_bytes(data[(root - 1) * page + leaves :][:4], "big")
    data[(child - 1) * page : (child - 1) * page + 16] = b"\xff" * 16
    path.write_bytes(data)


def drop_snapshots(path: Path) -> None:
    execute(path, "DELETE FROM snapshots")


async def checked(path: Path, sessions: Sequence[str] = ()) -> tuple[list[Damage], Checked]:
    found: list[Damage] = []
    counted = await SqliteJournal(path, read_only=True).check(sessions, found=found.append)
    return found, counted
