"""How `format-N.db.gz` was made, by the version of greenroom that wrote format N:

    PYTHONPATH=.dev:tests python tests/data/journals/make.py

A file that is there already is not made again: it is what that version has published. Time stands
still and ids are counted, so that the same version makes the same sessions.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

from theatre import ManualClock, play

import greenroom
from greenroom.actors.ports import Journal
from greenroom.actors.session.base import Base, encode_base
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_schema import FORMAT
from greenroom.supervisor.recording import read_recording

HERE = Path(__file__).parent


async def agent(turn: greenroom.Turn) -> AsyncIterator[Any]:
    """Looks something up and says what it was told; asks before it leaps."""
    text = turn.input.text
    if "leap" in text and turn.decisions is None:
        yield "let me ask "
        call = greenroom.ToolCall(name="leap", arguments={"far": True}, id="leap")
        yield greenroom.RequestApproval(calls=[call], saved={"height_m": 2})
        return
    yield greenroom.ToolCall(name="look", arguments={"for": text, "at": [1, None, 2.5]}, id="c")
    yield greenroom.ToolResult(id="c", value={"found": text, "at": {"deep": [True]}})
    yield f"you said: {text}"


async def retain(journal: Journal) -> None:
    """One session has a base in the place of its first events, the deleted one is erased."""
    (talk,) = await journal.trimmable(least=1, limit=10)
    trimmed = await read_recording(journal, talk.id, upto=talk.oldest - 1)
    base = encode_base(Base(trimmed.state, trimmed.interactions))
    await journal.trim(talk.id, base, revision=trimmed.state.revision)
    assert await journal.erase(2**62, limit=100) > 0
    await journal.note("retention", "as in this test")


async def scene(path: Path, target: Path) -> None:
    """A session in each state, and a copy of the journal as a crash would leave it: some have left
    the stage, one has a snapshot and a tail behind it.
    """
    clock, ids = ManualClock(), itertools.count(1)
    async with greenroom.Runtime(
        agent,
        journal=SqliteJournal(path),
        clock=clock,
        new_id=lambda size: f"{next(ids):0{2 * size}x}",
        snapshot_bytes=800,
    ) as runtime:
        settings = greenroom.Settings(max_participants=5, max_events=20)
        talk = await runtime.create(
            user="ann",
            id="talk",
            name="naïve 日本 \N{PERFORMING ARTS}",
            settings=settings,
            context={"deep": {"list": [1, 2.5, None, True]}},
            memories=["m-1"],
        )
        await talk.join("bob", name="Bob")
        for number in range(4):
            turn = await talk.send("ann", f"question {number}", key=f"key-{number}")
            await turn.result()
            await talk.update_context("bob", {"count": number})
            await clock.advance(1.0)
        asks = await runtime.create(user="ann", id="asks")
        await asks.send("ann", "may I leap?")
        while await asks.approval("ann") is None:
            await asyncio.sleep(0)
        ended = await runtime.create(user="bob", id="ended")
        await ended.post("bob", "bye")
        await ended.end("bob")
        gone = await runtime.create(user="bob", id="gone")
        await gone.post("bob", "nobody reads this")
        await gone.delete("bob")
        await runtime.create(user="eve", id="new", start=False)
        for name in ("asks", "new"):
            await runtime.passivate(name)
        await retain(runtime.journal)
        with closing(sqlite3.connect(path)) as journal, closing(sqlite3.connect(target)) as copy:
            journal.backup(copy)


def make(target: Path) -> None:
    """Write the file of the present format to `target`, compressed with no name and time 0."""
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder, "journal.db"), Path(folder, "copy.db")
        play(lambda: scene(path, copy))
        target.write_bytes(gzip.compress(copy.read_bytes(), 9, mtime=0))


if __name__ == "__main__":
    present = HERE / f"format-{FORMAT}.db.gz"
    if not present.exists():
        make(present)
