"""What a journal must hold of all that was said about it by processes that were killed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from crash.words import digest

from greenroom.actors.session.entry import Entry, decode_entry
from greenroom.actors.session.events import ActionTaken
from greenroom.actors.session.fold import fold, restore
from greenroom.actors.session.state import State, decode_genesis, encode_state
from greenroom.actors.session.view import is_input
from greenroom.adapters.journals.damage import Damage
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_jobs import Taken
from greenroom.adapters.journals.sqlite_queries import read_beginning, read_claim, read_page
from greenroom.adapters.journals.sqlite_schema import connect_read_only

if TYPE_CHECKING:
    from crash.told import Told


def look(path: Path, told: Told, names: set[str]) -> None:
    """Read sessions as their next owner will, and compare them with what was said."""
    if not path.exists():
        assert not names
        return
    with closing(connect_read_only(path.resolve(), busy_s=5.0)) as db:
        for name in names:
            _look_at(db, name, told)


def check_file(path: Path) -> None:
    """What the journal's own check says of the whole file."""
    damage: list[Damage] = []
    asyncio.run(SqliteJournal(path, read_only=True).check(found=damage.append))
    assert damage == []


def _look_at(db: sqlite3.Connection, name: str, told: Told) -> None:
    bodies = read_page(db, name, after=0, limit=1_000_000).events
    entries = [decode_entry(body) for body in bodies]
    state = State.at_creation(decode_genesis(read_beginning(db, name).genesis))
    fold(state, bodies)

    assert state.revision == len(bodies) >= told.newest[name], f"{name}: revisions are missing"
    for revision, wanted in told.heard[name].items():
        found = digest(entries[revision - 1].event)
        assert found == wanted, f"{name}: revision {revision} is not what was published"
    _check_messages(name, state, told)
    _check_taps(name, entries, told)
    _check_next_owner(db, name, state, told)


def _check_messages(name: str, state: State, told: Told) -> None:
    """None missing, none doubled, in the order in which they were taken."""
    said = [line for line in state.history if is_input(line)]
    turns = [line.turn for line in said]
    assert turns == sorted(set(turns)), f"{name}: messages are doubled or out of order: {turns}"
    found = {line.turn: digest(getattr(line, "text", "")) for line in said}
    for turn, wanted in told.sent[name].items():
        assert found.get(turn) == wanted, f"{name}: the message of turn {turn} is not there"


def _check_taps(name: str, entries: list[Entry], told: Told) -> None:
    """What was said again under its key is there once, if it was acknowledged; never twice."""
    events = [entry.event for entry in entries]
    taps = Counter(event.data["key"] for event in events if isinstance(event, ActionTaken))
    assert set(taps.values()) <= {1}, f"{name}: doubled: {taps}"
    wanted = {key for session, key in told.tapped if session == name}
    assert wanted <= taps.keys(), f"{name}: {wanted - taps.keys()} are not there"
    assert {(name, key) for key in taps} <= told.taps, f"{name}: nobody did {taps}"


def _check_next_owner(db: sqlite3.Connection, name: str, state: State, told: Told) -> None:
    """Snapshot and tail make the same state; a clean end is no earlier than what was heard."""
    key, epoch, end_epoch, end_position = db.execute(
        "SELECT key, epoch, end_epoch, end_position FROM sessions WHERE id = ?", (name,)
    ).fetchone()
    claim = read_claim(db, name, Taken(key=key, epoch=epoch, end=None))
    assert encode_state(restore(claim, name)) == encode_state(state), f"{name}: its snapshot lies"
    if end_epoch is not None:
        heard = told.positions[name, end_epoch]
        assert end_position >= heard, f"{name}: said to end at {end_position}, heard to {heard}"
