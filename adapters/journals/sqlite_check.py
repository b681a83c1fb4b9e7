"""The check of a whole SQLite journal, without owning it, session by session."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from ...actors.errors import SessionNotFound
from ...actors.ports import IndexRow, SessionId
from .beside import Stopped
from .check import Piece, Stored, check_session
from .damage import Checked, Damage
from .sqlite_formats import BASE_SUM, SNAPSHOT_SUM, SUM
from .sqlite_schema import connect_read_only, require_journal

KEYS: Final = 1_000
"""Sessions looked up at once."""

PAGE: Final = 500
"""Events of one session read at once."""

MOST_OWN: Final = 100
"""Problems that SQLite tells of itself, at most."""

_FIELDS: Final = tuple(name for name in IndexRow.__struct_fields__ if name != "members")


def check_file(
    path: Path,
    stopped: Stopped,
    *,
    sessions: Sequence[SessionId],
    found: Callable[[Damage], None],
    progress: Callable[[Checked], None],
    busy_s: float,
) -> Checked:
    """Check all sessions, and the file itself; or only `sessions`. Blocks.

    What is wrong is handed to `found`, how far it is to `progress` after each session. Sessions
    that are deleted are passed over. Memory holds one session at a time, as it does on stage.

    Raises JournalUnavailable or JournalFormat, and SessionNotFound for one of `sessions`.
    """
    path = path.resolve()
    require_journal(path, busy_s=busy_s)
    with closing(connect_read_only(path, busy_s=busy_s)) as db:
        db.set_progress_handler(stopped, 10_000)
        return _FileCheck(db, stopped, found, progress).run(sessions)


class _FileCheck:
    def __init__(
        self,
        db: sqlite3.Connection,
        stopped: Stopped,
        found: Callable[[Damage], None],
        progress: Callable[[Checked], None],
    ) -> None:
        self._db, self._stopped = db, stopped
        self._found, self._progress = found, progress
        self._checked = Checked()

    def run(self, sessions: Sequence[SessionId]) -> Checked:
        if sessions:
            keys = iter([_key_of(self._db, session) for session in sessions])
            total = len(sessions)
        else:
            keys, total = self._all_keys(), self._count()
            self._check_file()
        self._count_on(total=total)
        for key, session in keys:
            if self._stopped():
                break
            self._check(key, session)
            self._count_on(sessions=1)
            self._progress(self._checked)
        return self._checked

    def _count_on(self, **more: int) -> None:
        counted = {name: getattr(self._checked, name) + n for name, n in more.items()}
        self._checked = msgspec.structs.replace(self._checked, **counted)

    def _tell(self, damage: Damage) -> None:
        self._count_on(damaged=1)
        self._found(damage)

    def _count(self) -> int:
        with self._sqlite():
            query = "SELECT count(*) FROM sessions WHERE deleted_ms IS NULL"
            (count,) = self._db.execute(query).fetchone()
            return int(count)
        return 0

    def _check_file(self) -> None:
        """What SQLite finds itself, and what belongs to no session, or to one that is erased."""
        with self._sqlite():
            for (what,) in self._db.execute(f"PRAGMA integrity_check({MOST_OWN})"):
                if what != "ok":
                    self._tell(Damage(what=f"SQLite: {what}"))
        for table in ("events", "snapshots", "bases", "members"):
            with self._sqlite():
                self._check_orphans(table)

    def _check_orphans(self, table: str) -> None:
        for what, source in (
            ("not there", f"{table} WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE key = session)"),
            (
                "erased",
                f"sessions JOIN {table} ON session = key WHERE deleted_ms IS NOT NULL AND erased",
            ),
        ):
            orphans = self._db.execute(
                f"SELECT session, count(*) FROM {source} GROUP BY session LIMIT ?", (MOST_OWN,)
            )
            for key, count in orphans:
                self._tell(Damage(what=f"{count} {table} of a session {key} that is {what}"))

    def _all_keys(self) -> Iterator[tuple[int, SessionId]]:
        last: int | None = 0
        while last is not None:
            rows: list[tuple[int, SessionId]] = []
            with self._sqlite():
                rows = self._db.execute(
                    "SELECT key, id FROM sessions WHERE key > ? AND deleted_ms IS NULL"
                    " ORDER BY key LIMIT ?",
                    (last, KEYS),
                ).fetchall()
            yield from rows
            last = rows[-1][0] if rows else None

    def _check(self, key: int, session: SessionId) -> None:
        """One session, as it is at one instant."""
        with self._sqlite(session):
            self._db.execute("BEGIN")
            try:
                stored = _read_stored(self._db, key)
                if stored is not None:
                    for damage in check_session(stored, self._events(key, stored.dropped)):
                        self._tell(damage)
            finally:
                self._db.execute("COMMIT")

    def _events(self, key: int, after: int) -> Iterator[Piece]:
        more = True
        while more:
            rows = self._db.execute(
                f"SELECT revision, body, {SUM} FROM events"
                " WHERE session = ? AND revision > ? ORDER BY revision LIMIT ?",
                (key, after, PAGE),
            ).fetchall()
            yield from rows
            self._count_on(
                events=len(rows),
                bytes=sum(len(body) for _, body, _ in rows if type(body) is bytes),
                unsummed=sum(written is None for *_, written in rows),
            )
            more = len(rows) == PAGE
            after = rows[-1][0] if rows else after

    @contextmanager
    def _sqlite(self, session: SessionId = "") -> Iterator[None]:
        """What SQLite cannot read is a damage: of this session, others may be whole."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            if not self._stopped():
                self._tell(Damage(session=session, what=f"SQLite: {error}"))


def _key_of(db: sqlite3.Connection, session: SessionId) -> tuple[int, SessionId]:
    found = db.execute(
        "SELECT key FROM sessions WHERE id = ? AND deleted_ms IS NULL", (session,)
    ).fetchone()
    if found is None:
        raise SessionNotFound(session)
    return found[0], session


def _read_stored(db: sqlite3.Connection, key: int) -> Stored | None:
    """None: it has been deleted meanwhile."""
    found = db.execute(
        f"SELECT {', '.join(_FIELDS)}, members, head, base FROM sessions"
        " WHERE key = ? AND deleted_ms IS NULL",
        (key,),
    ).fetchone()
    if found is None:
        return None
    *fields, members, head, dropped = found
    listed = db.execute("SELECT user FROM members WHERE session = ?", (key,)).fetchall()
    return Stored(
        row=_row(dict(zip(_FIELDS, fields, strict=True)), members),
        head=head,
        dropped=dropped,
        genesis=db.execute(
            f"SELECT revision, body, {SUM} FROM events WHERE session = ? AND revision = 0", (key,)
        ).fetchone(),
        base=db.execute(
            f"SELECT revision, body, {BASE_SUM} FROM bases WHERE session = ?", (key,)
        ).fetchone(),
        snapshot=db.execute(
            f"SELECT revision, body, {SNAPSHOT_SUM} FROM snapshots WHERE session = ?", (key,)
        ).fetchone(),
        listed=frozenset(user for (user,) in listed),
    )


def _row(fields: dict[str, Any], members: str | None) -> IndexRow:
    names = None if members is None else msgspec.json.decode(members, type=tuple[str, ...])
    return IndexRow(**fields, members=names)
