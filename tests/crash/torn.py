"""Copies of a journal that are cut short, overwritten or flipped somewhere, and what they tell.

SQLite sums up the frames of its write-ahead log, and nothing in the file itself: what is flipped
within an event there is found by the checksum of the event alone.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
from conformance.journal_kit import row

from greenroom.actors.errors import (
    JournalError,
    JournalFailed,
    NotWritten,
    SessionDamaged,
    SessionNotFound,
)
from greenroom.actors.ports import End, NewSession, SessionQuery
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.testing.torn import tear

SESSIONS: Final = tuple(f"s-{n}" for n in range(12))


class Written(msgspec.Struct):
    """What was written, in order: `heads[k]` is how far each session was after commit k.

    `bases` are the revisions that each session was trimmed to.
    """

    bodies: dict[str, list[bytes]]
    heads: list[dict[str, int]]
    bases: dict[str, set[int]]


async def write(path: Path, commits: int, seed: int) -> Written:
    """A journal, half of it copied into the file and half of it in the log, as it is while open."""
    rng = random.Random(seed)
    written = Written({}, [{}], {})
    for half in range(2):
        journal = SqliteJournal(path)
        await journal.open()
        if half:  # the copies are made of a journal that nobody has closed
            journal._store.writer._on_written = lambda: None  # type: ignore[union-attr]
        for _ in range(commits // 2):
            await _commit(journal, rng, written)
        if half:
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{path.parent}/torn.db{suffix}")
        await journal.close()
    return written


async def _commit(journal: SqliteJournal, rng: random.Random, written: Written) -> None:
    name, bodies = rng.choice(SESSIONS), written.bodies
    if name not in bodies:
        bodies[name] = [b"genesis of " + name.encode()]
        new = NewSession(genesis=bodies[name][0], row=row(name, members=("ann",)))
        await journal.claim(name, create=new)
    else:
        head = len(bodies[name]) - 1
        events = [_body(rng, name, head + n) for n in range(1, rng.randrange(2, 5))]
        await journal.append(name, events, epoch=1, after=head, row=row(name, head))
        bodies[name] += events
        if rng.random() < 0.1:
            await journal.snapshot(name, b"s" * 300, epoch=1, revision=head + len(events))
            written.heads.append(written.heads[-1] | {name: len(bodies[name]) - 1})
            await journal.release(name, epoch=1, end=End(1, head))
        if rng.random() < 0.15:
            await journal.trim(name, _base(name, head), revision=head)
            written.bases.setdefault(name, set()).add(head)
    written.heads.append(written.heads[-1] | {name: len(bodies[name]) - 1})


def _base(name: str, revision: int) -> bytes:
    return f"{name} up to {revision} ".encode() * 30


def _body(rng: random.Random, name: str, revision: int) -> bytes:
    return f"{name} {revision} ".encode() + rng.randbytes(rng.choice((5, 50, 300, 6000)))


# --- looking -------------------------------------------------------------------------------------


class Finding(msgspec.Struct):
    """What one copy told: how far its sessions are, what it reported, and what was never so."""

    heads: dict[str, int] = {}
    reported: list[str] = []
    lies: list[str] = []
    opened: bool = False
    sound: bool = False
    """What SQLite's own check says of the copy."""


async def inspect(path: Path, written: Written) -> Finding:
    """Open a copy and ask it everything. Only typed errors come back."""
    found = Finding(sound=_is_sound(path))
    journal = SqliteJournal(path)
    try:
        await journal.open()
    except JournalError as error:
        found.reported.append(error.code)
        return found
    found.opened = True
    try:
        for name in SESSIONS:
            await _ask(journal, name, written, found)
        for question in (
            journal.list(SessionQuery()),
            journal.totals(),
            journal.joined_by("ann"),
            journal.find("s-1"),
        ):
            await _typed(question, found)
        await _go_on(journal, found)
    finally:
        await journal.close()
    return found


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            checked: list[tuple[str]] = db.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.Error:
        return False
    return checked == [("ok",)]


async def _ask(journal: SqliteJournal, name: str, written: Written, found: Finding) -> None:
    bodies = written.bodies.get(name, [])
    claim = await _typed(journal.claim(name), found)
    page = await _typed(journal.read(name, after=0, limit=10_000), found)
    beginning = await _typed(journal.beginning(name), found)
    if page is not None:
        found.heads[name] = page.head
        _compare(name, bodies[page.first :], page.events, found)
        if page.first > 1 and page.first - 1 not in written.bases.get(name, ()):
            found.lies.append(f"{name} begins at {page.first}")
        if page.head >= len(bodies) or len(page.events) != page.head - page.first + 1:
            found.lies.append(f"{name} ends at {page.head} with {len(page.events)} events")
    if beginning is not None:
        _compare(name, bodies[:1], [beginning.genesis], found)
        _look_at_base(name, beginning.base, written, found)
    if claim is not None:
        _look_at_base(name, claim.base, written, found)
        first = (claim.snapshot or claim.base or (0, b""))[0]
        _compare(name, bodies[1 + first :], claim.events, found)


def _look_at_base(
    name: str, base: tuple[int, bytes] | None, written: Written, found: Finding
) -> None:
    if base is None:
        return
    if base[0] not in written.bases.get(name, ()) or base[1] != _base(name, base[0]):
        found.lies.append(f"base of {name} at {base[0]}")


def _compare(name: str, wanted: list[bytes], served: list[bytes], found: Finding) -> None:
    for number, (want, got) in enumerate(zip(wanted, served, strict=False)):
        if want != got:
            found.lies.append(f"event {number} of {name}: {len(want)} bytes, {len(got)} served")


async def _typed(question: Any, found: Finding) -> Any:
    try:
        return await question
    except SessionNotFound:
        return None
    except (JournalError, SessionDamaged) as error:
        found.reported.append(error.code)
        return None


async def _go_on(journal: SqliteJournal, found: Finding) -> None:
    """What is written afterwards is there, or refused."""
    new = NewSession(genesis=b"new", row=row("new"))
    try:
        await journal.claim("new", create=new)
        await journal.append("new", [b"1"], epoch=1, after=0, row=row("new"))
    except (JournalFailed, NotWritten) as error:
        found.reported.append(error.code)
        return
    page = await _typed(journal.read("new", after=0, limit=10), found)
    if page is not None and page.events != [b"1"]:
        found.lies.append("what was acknowledged afterwards")


class Copies:
    """Many torn copies of one journal."""

    def __init__(self, folder: Path, seed: int, commits: int = 120) -> None:
        self._rng = random.Random(seed)
        self._folder = folder
        self.written = asyncio.run(write(folder / "whole.db", commits, seed))
        self.told: Counter[str] = Counter()

    def tear(self, file: str, way: str, count: int) -> Iterator[tuple[str, Finding]]:
        """Tear `count` copies of the file (``) or the log (`-wal`); what each tells."""
        for _ in range(count):
            path = self._folder / "copy.db"
            for suffix in ("", "-wal", "-shm", ".lock"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            for suffix in ("", "-wal"):
                shutil.copy(self._folder / f"torn.db{suffix}", f"{path}{suffix}")
            what = tear(Path(f"{path}{file}"), way, self._rng)
            found = asyncio.run(inspect(path, self.written))
            told = "reported" if found.reported else "served"
            self.told["lies" if found.lies else told] += 1
            yield what, found
