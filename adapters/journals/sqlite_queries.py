"""What may be read from a SQLite journal.

Rows are joined into one in SQL: `sqlite3` lets go of the GIL for every row it fetches, and a busy
loop thread takes milliseconds to give it back. Measured beside such a loop, 100 claims at once:
tails of 100 events took up to 112 ms row by row and 45 ms joined; of 1,000 events, 600 and 85 ms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from ...actors.errors import SessionDamaged, SessionNotFound
from ...actors.ports import (
    Beginning,
    Claim,
    IndexRow,
    Page,
    SessionId,
    SessionPage,
    SessionQuery,
    Totals,
    UserId,
)
from .checksums import first_damaged
from .sqlite_formats import BASE_SUM, SNAPSHOT_SUM, SUM
from .sqlite_group import is_corrupt
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
    """The snapshot and the events behind it, as they are at one instant after the claim.

    A snapshot that is damaged is passed over: the base and the events say the same.
    """
    with damage_of(session):
        ends = _ends(db, session, taken.key)
        try:
            return _claimed(db, session, taken, ends)
        except SessionDamaged:
            if not _changed(db, taken.key, ends.base):
                raise
            return read_claim(db, session, taken)


def read_ahead(db: sqlite3.Connection, session: SessionId) -> tuple[int, Claim]:
    """The key of a session that is being claimed, and what its claim will say if no write is
    before it: all but the epoch and the end."""
    with damage_of(session):
        key, head, _ = _find(db, session)
    return key, read_claim(db, session, Taken(key=key, epoch=0, end=None, head=head))


def _claimed(db: sqlite3.Connection, session: SessionId, taken: Taken, ends: _Ends) -> Claim:
    head, snapshot, base = ends.head, ends.snapshot, None
    if ends.last > head:
        why = f"the journal has events up to {ends.last}, but says that it ends there"
        raise SessionDamaged(session, revision=head, why=why)
    if snapshot is None and ends.base:
        base = _base(db, session, taken.key, ends.base)
    return Claim(
        epoch=taken.epoch,
        revision=head,
        genesis=_genesis(db, session, taken.key),
        snapshot=snapshot,
        events=_events(db, session, taken.key, snapshot[0] if snapshot else ends.base, head),
        end=taken.end,
        base=base,
    )


def read_page(db: sqlite3.Connection, session: SessionId, *, after: int, limit: int) -> Page:
    """Events after `after`, contiguous. What is committed meanwhile is left for the next page."""
    with damage_of(session):
        key, head, base = _find(db, session)
        start = max(after, base)
        last = max(min(start + limit, head), start)
        try:
            events = _events(db, session, key, start, last)
        except SessionDamaged:
            if not _changed(db, key, base):
                raise
            return read_page(db, session, after=after, limit=limit)
        return Page(first=start + 1, events=events, head=head)


def read_beginning(db: sqlite3.Connection, session: SessionId) -> Beginning:
    """The genesis, and the base if events are dropped."""
    with damage_of(session):
        key, _, revision = _find(db, session)
        genesis = _genesis(db, session, key)
        try:
            base = _base(db, session, key, revision) if revision else None
        except SessionDamaged:
            if not _changed(db, key, revision):
                raise
            return read_beginning(db, session)
        return Beginning(genesis=genesis, base=base)


@contextmanager
def damage_of(session: SessionId) -> Iterator[None]:
    """Turn what SQLite says of a file that is damaged into SessionDamaged: others may be whole."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
        raise SessionDamaged(session, revision=0, why=str(error)) from None


def list_sessions(db: sqlite3.Connection, query: SessionQuery) -> SessionPage:
    """One page of the index, through the index that fits: of one owner, or of all."""
    select = _in_order_of_id if query.order == "id" else _by_recency
    source, values = select(query)
    rows = rows_of(db, source, (*values, query.limit + 1))
    return SessionPage(rows=rows[: query.limit], more=len(rows) > query.limit)


def _by_recency(query: SessionQuery) -> tuple[str, list[Any]]:
    where, values = ["deleted_ms IS NULL"], list[Any]()
    for column, wanted in (("owner", query.owner), ("state", query.state)):
        if wanted is not None:
            where.append(f"{column} = ?")
            values.append(wanted)
    if query.owner is None and query.state in _PARTIAL:
        where.append(_PARTIAL[query.state])
    if query.since_ms is not None:
        where.append("updated_ms >= ?")
        values.append(query.since_ms)
    if query.after is not None:
        where.append("(updated_ms, key) < (?, (SELECT key FROM sessions WHERE id = ?))")
        values += (query.after.updated_ms, query.after.id)
    order = "updated_ms DESC, key DESC"
    return f"sessions WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?", values


def _in_order_of_id(query: SessionQuery) -> tuple[str, list[Any]]:
    """Through the index of ids, whatever else is asked for: all pages together read it once.

    The plus signs keep SQLite from the others, whose rows it would sort anew for each page.
    """
    where, values = ["deleted_ms IS NULL", "id > ?"], list[Any]()
    values.append(query.after.id if query.after else "")
    conditions = (
        ("+owner =", query.owner),
        ("+state =", query.state),
        ("+updated_ms >=", query.since_ms),
    )
    for condition, wanted in conditions:
        if wanted is not None:
            where.append(f"{condition} ?")
            values.append(wanted)
    return f"sessions WHERE {' AND '.join(where)} ORDER BY id LIMIT ?", values


def find_session(db: sqlite3.Connection, session: SessionId) -> IndexRow | None:
    """One row of the index."""
    rows = rows_of(db, "sessions WHERE id = ? AND deleted_ms IS NULL", (session,))
    return rows[0] if rows else None


def sessions_joined_by(db: sqlite3.Connection, user: UserId) -> list[IndexRow]:
    """In the order of joining; ended and deleted sessions are left out."""
    rows = (
        "members JOIN sessions ON session = key WHERE user = ? AND deleted_ms IS NULL"
        " AND state IN ('active', 'paused') ORDER BY joined"
    )
    return rows_of(db, rows, (user,))


def count_all(db: sqlite3.Connection) -> Totals:
    counted = db.execute(
        "SELECT count(*), coalesce(sum(state = 'active'), 0), coalesce(sum(events), 0),"
        " (SELECT count(DISTINCT user) FROM members JOIN sessions ON session = key"
        "  WHERE deleted_ms IS NULL), coalesce(sum(interactions), 0), coalesce(sum(feedback), 0)"
        " FROM sessions WHERE deleted_ms IS NULL"
    ).fetchone()
    return Totals(**dict(zip(Totals.__struct_fields__, counted, strict=True)))


def rows_of(db: sqlite3.Connection, source: str, values: tuple[Any, ...]) -> list[IndexRow]:
    """The rows of the index that come from `source`, without the members."""
    fields = [name for name in IndexRow.__struct_fields__ if name != "members"]
    pairs = ", ".join(f"'{name}', {name}" for name in fields)
    (text,) = db.execute(
        f"SELECT json_group_array(json_object({pairs})) FROM ("
        f" SELECT {', '.join(f'sessions.{name}' for name in fields)} FROM {source})",
        values,
    ).fetchone()
    return _ROWS.decode(text)


def _find(db: sqlite3.Connection, session: SessionId) -> tuple[int, int, int]:
    """The key, the head and the revision of the base."""
    found: tuple[int, int, int] | None = db.execute(
        "SELECT key, head, base FROM sessions WHERE id = ? AND deleted_ms IS NULL", (session,)
    ).fetchone()
    if found is None:
        raise SessionNotFound(session)
    return found


class _Ends(msgspec.Struct, frozen=True):
    """`last` is the last revision there is an event of; `snapshot` is there if it is whole."""

    head: int
    base: int
    last: int
    snapshot: tuple[int, bytes] | None


def _ends(db: sqlite3.Connection, session: SessionId, key: int) -> _Ends:
    found = db.execute(
        "SELECT head, base, deleted_ms,"
        " (SELECT coalesce(max(events.revision), 0) FROM events WHERE session = key),"
        f" snapshots.revision, body, {SNAPSHOT_SUM}"
        " FROM sessions LEFT JOIN snapshots ON session = key AND snapshots.revision >= base"
        " WHERE key = ?",
        (key,),
    ).fetchone()
    if found is None:
        raise SessionDamaged(session, revision=0, why="its row in the journal cannot be found")
    head, base, hidden, last, revision, state, written = found
    if hidden is not None:  # since it was claimed
        raise SessionNotFound(session)
    if revision is None or first_damaged(session, revision, [state], [written]) is not None:
        return _Ends(head, base, last, None)
    return _Ends(head, base, last, (revision, state))


def _changed(db: sqlite3.Connection, key: int, base: int) -> bool:
    """Whether a session has been trimmed or hidden since it had that `base`."""
    found = db.execute("SELECT base, deleted_ms FROM sessions WHERE key = ?", (key,)).fetchone()
    return bool(found != (base, None))


def _base(db: sqlite3.Connection, session: SessionId, key: int, revision: int) -> tuple[int, bytes]:
    found = db.execute(
        f"SELECT body, {BASE_SUM} FROM bases WHERE session = ? AND revision = ?", (key, revision)
    ).fetchone()
    if found is None:
        why = "what stands for its oldest events is missing in the journal"
        raise SessionDamaged(session, revision=revision, why=why)
    body: bytes = found[0]
    _require_whole(session, revision, [body], found[1:])
    return revision, body


def _genesis(db: sqlite3.Connection, session: SessionId, key: int) -> bytes:
    found = db.execute(
        f"SELECT body, {SUM} FROM events WHERE session = ? AND revision = 0", (key,)
    ).fetchone()
    if found is None:
        raise SessionDamaged(session, revision=0, why="its genesis is missing in the journal")
    body: bytes = found[0]
    _require_whole(session, 0, [body], found[1:])
    return body


def _events(
    db: sqlite3.Connection, session: SessionId, key: int, after: int, last: int
) -> list[bytes]:
    """The bodies of the revisions `after + 1 ... last`, in order and as they were written."""
    bodies: list[bytes] = []
    for low in range(after, last, _CHUNK):
        high = min(low + _CHUNK, last)
        some, sums = _joined(db, (key, low, high))
        if len(some) != high - low:
            missing = _first_missing(db, key, low, high)
            why = "events are missing in the journal"
            raise SessionDamaged(session, revision=missing, why=why)
        _require_whole(session, low + 1, some, sums)
        bodies += some
    return bodies


def _require_whole(
    session: SessionId, first: int, bodies: Sequence[bytes], sums: Sequence[int | None]
) -> None:
    damaged = first_damaged(session, first, bodies, sums)
    if damaged is not None:
        raise SessionDamaged(session, revision=damaged, why="its bytes are not those written")


def _first_missing(db: sqlite3.Connection, key: int, low: int, high: int) -> int:
    rows = db.execute(
        "SELECT revision FROM events WHERE session = ? AND revision > ? AND revision <= ?",
        (key, low, high),
    )
    there = {revision for (revision,) in rows.fetchall()}
    return next((n for n in range(low + 1, high + 1) if n not in there), low + 1)


_BODIES: Final = (
    f"SELECT body, {SUM} AS sum FROM events WHERE session = ? AND revision > ? AND revision <= ?"
    " ORDER BY revision"
)


def _joined(
    db: sqlite3.Connection, bounds: tuple[int, int, int]
) -> tuple[list[bytes], list[int | None]]:
    """The bodies within `bounds` and their checksums, fetched as one blob and two lists.

    group_concat takes blobs as they are. Where it does not keep a NUL (before SQLite 3.39), or the
    blob would be too large, the lengths do not fit and the rows are fetched one by one.
    """
    try:
        joined, lengths, sums = db.execute(
            "SELECT CAST(group_concat(body, '') AS BLOB), json_group_array(length(body)),"
            f" json_group_array(sum) FROM ({_BODIES})",
            bounds,
        ).fetchone()
    except sqlite3.DataError:
        joined, lengths, sums = b"", "[-1]", "[]"
    sizes = msgspec.json.decode(lengths, type=list[int])
    if sum(sizes) != len(joined or b""):
        rows = db.execute(_BODIES, bounds).fetchall()
        return [body for body, _ in rows], [written for _, written in rows]
    return _cut(joined or b"", sizes), msgspec.json.decode(sums, type=list[int | None])


def _cut(joined: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    start = 0
    for size in sizes:
        pieces.append(joined[start : start + size])
        start += size
    return pieces
