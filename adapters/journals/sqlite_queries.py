"""What may be read from a SQLite journal.

Rows are joined into one in SQL: `sqlite3` lets go of the GIL for every row it fetches, and a busy
loop thread takes milliseconds to give it back. Measured beside such a loop, 100 claims at once:
tails of 100 events took up to 112 ms row by row and 45 ms joined; of 1,000 events, 600 and 85 ms.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from ...actors.errors import SessionDamaged, SessionNotFound
from ...actors.ports import (
    Claim,
    IndexRow,
    Page,
    SessionId,
    SessionPage,
    SessionQuery,
    Totals,
    UserId,
)
from .sqlite_jobs import Taken

_CHUNK: Final = 1000
"""Events joined into one row at most."""

_PARTIAL: Final = {
    "ended": "state = 'ended'",
    "created": "state IN ('created', 'paused')",
    "paused": "state IN ('created', 'paused')",
}
"""What tells SQLite, in the words of the index, that an index of sessions in some state will do."""

_ROWS: Final = msgspec.json.Decoder(list[IndexRow])


def read_claim(db: sqlite3.Connection, session: SessionId, taken: Taken) -> Claim:
    """The snapshot and the events behind it, as they are at one instant after the claim."""
    head, revision, state = db.execute(
        "SELECT head, revision, body FROM sessions LEFT JOIN snapshots ON session = key"
        " WHERE key = ?",
        (taken.key,),
    ).fetchone()
    after = revision or 0
    events = _events(db, taken.key, after, head)
    if len(events) != head - after:
        raise SessionDamaged(session, revision=head, why="events are missing in the journal")
    return Claim(
        epoch=taken.epoch,
        revision=head,
        genesis=_genesis(db, session, taken.key),
        snapshot=None if revision is None else (revision, state),
        events=events,
        end=taken.end,
    )


def read_page(db: sqlite3.Connection, session: SessionId, *, after: int, limit: int) -> Page:
    """Events after `after`, contiguous. What is committed meanwhile is left for the next page."""
    key, head = _find(db, session)
    oldest = db.execute(
        "SELECT min(revision) FROM events WHERE session = ? AND revision > ?", (key, after)
    ).fetchone()[0]
    first = after + 1 if oldest is None else oldest
    last = min(first - 1 + limit, head)
    events = _events(db, key, first - 1, last)
    if len(events) != max(0, last - first + 1):
        raise SessionDamaged(session, revision=first, why="events are missing in the journal")
    return Page(first=first, events=events, head=head)


def read_genesis(db: sqlite3.Connection, session: SessionId) -> bytes:
    key, _ = _find(db, session)
    return _genesis(db, session, key)


def list_sessions(db: sqlite3.Connection, query: SessionQuery) -> SessionPage:
    """One page of the index, through the index that fits: of one owner, or of all."""
    where, values = ["deleted_ms IS NULL"], list[Any]()
    for column, wanted in (("owner", query.owner), ("state", query.state)):
        if wanted is not None:
            where.append(f"{column} = ?")
            values.append(wanted)
    if query.owner is None and query.state in _PARTIAL:
        where.append(_PARTIAL[query.state])
    if query.after is not None:
        where.append("(updated_ms, key) < (?, (SELECT key FROM sessions WHERE id = ?))")
        values += (query.after.updated_ms, query.after.id)
    source = f"sessions WHERE {' AND '.join(where)} ORDER BY updated_ms DESC, key DESC LIMIT ?"
    rows = _rows(db, source, (*values, query.limit + 1))
    return SessionPage(rows=rows[: query.limit], more=len(rows) > query.limit)


def find_session(db: sqlite3.Connection, session: SessionId) -> IndexRow | None:
    """One row of the index."""
    rows = _rows(db, "sessions WHERE id = ? AND deleted_ms IS NULL", (session,))
    return rows[0] if rows else None


def sessions_joined_by(db: sqlite3.Connection, user: UserId) -> list[IndexRow]:
    """In the order of joining; ended and deleted sessions are left out."""
    rows = (
        "members JOIN sessions ON session = key WHERE user = ? AND deleted_ms IS NULL"
        " AND state IN ('active', 'paused') ORDER BY joined"
    )
    return _rows(db, rows, (user,))


def count_all(db: sqlite3.Connection) -> Totals:
    counted = db.execute(
        "SELECT count(*), coalesce(sum(state = 'active'), 0), coalesce(sum(events), 0),"
        " (SELECT count(DISTINCT user) FROM members JOIN sessions ON session = key"
        "  WHERE deleted_ms IS NULL), coalesce(sum(interactions), 0), coalesce(sum(feedback), 0)"
        " FROM sessions WHERE deleted_ms IS NULL"
    ).fetchone()
    return Totals(**dict(zip(Totals.__struct_fields__, counted, strict=True)))


def _rows(db: sqlite3.Connection, source: str, values: tuple[Any, ...]) -> list[IndexRow]:
    fields = [name for name in IndexRow.__struct_fields__ if name != "members"]
    pairs = ", ".join(f"'{name}', {name}" for name in fields)
    (text,) = db.execute(
        f"SELECT json_group_array(json_object({pairs})) FROM ("
        f" SELECT {', '.join(f'sessions.{name}' for name in fields)} FROM {source})",
        values,
    ).fetchone()
    return _ROWS.decode(text)


def _find(db: sqlite3.Connection, session: SessionId) -> tuple[int, int]:
    found: tuple[int, int] | None = db.execute(
        "SELECT key, head FROM sessions WHERE id = ? AND deleted_ms IS NULL", (session,)
    ).fetchone()
    if found is None:
        raise SessionNotFound(session)
    return found


def _genesis(db: sqlite3.Connection, session: SessionId, key: int) -> bytes:
    found = db.execute(
        "SELECT body FROM events WHERE session = ? AND revision = 0", (key,)
    ).fetchone()
    if found is None:
        raise SessionDamaged(session, revision=0, why="its genesis is missing in the journal")
    body: bytes = found[0]
    return body


def _events(db: sqlite3.Connection, key: int, after: int, last: int) -> list[bytes]:
    """The bodies of the revisions `after + 1 ... last` that are there, in order."""
    bodies: list[bytes] = []
    for low in range(after, last, _CHUNK):
        bodies += _joined(db, (key, low, min(low + _CHUNK, last)))
    return bodies


_BODIES: Final = (
    "SELECT body FROM events WHERE session = ? AND revision > ? AND revision <= ? ORDER BY revision"
)


def _joined(db: sqlite3.Connection, bounds: tuple[int, int, int]) -> list[bytes]:
    """The bodies within `bounds`, fetched as one blob and their lengths.

    group_concat takes blobs as they are. Where it does not keep a NUL (before SQLite 3.39), or the
    blob would be too large, the lengths do not fit and the rows are fetched one by one.
    """
    try:
        joined, lengths = db.execute(
            "SELECT CAST(group_concat(body, '') AS BLOB), json_group_array(length(body))"
            f" FROM ({_BODIES})",
            bounds,
        ).fetchone()
    except sqlite3.DataError:
        joined, lengths = b"", "[-1]"
    sizes = msgspec.json.decode(lengths, type=list[int])
    if sum(sizes) != len(joined or b""):
        return [body for (body,) in db.execute(_BODIES, bounds).fetchall()]
    return _cut(joined or b"", sizes)


def _cut(joined: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    start = 0
    for size in sizes:
        pieces.append(joined[start : start + size])
        start += size
    return pieces
