"""The file of a SQLite journal: its tables, its format, and how to connect to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias

from ...actors.errors import JournalFormat, JournalUnavailable
from .sqlite_formats import BASES, FORMAT, READABLE, adapt, format_of, migrate

APPLICATION_ID: Final = 0x6772_6E6D
"""Lets `file` and SQLite's own tools tell a journal from another database."""

OLDEST_SQLITE: Final = (3, 33, 0)
"""The first SQLite with UPDATE ... FROM."""

Durability: TypeAlias = Literal["full", "process"]

SYNCHRONOUS: Final[dict[Durability, str]] = {"full": "FULL", "process": "NORMAL"}

# Events are an append-only log with an index on it, not clustered by session: with many sessions
# writing at once that is up to 2.5 times faster. Revision 0 is the genesis. It is not a column of
# `sessions`, because every append rewrites that row.
_TABLES: Final = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions(
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL, head INTEGER NOT NULL,
    end_epoch INTEGER, end_position INTEGER, deleted_ms INTEGER,
    owner TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
    created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    participants INTEGER NOT NULL, messages INTEGER NOT NULL, turns INTEGER NOT NULL,
    events INTEGER NOT NULL, members TEXT,
    title TEXT NOT NULL, language TEXT NOT NULL,
    interactions INTEGER NOT NULL, feedback INTEGER NOT NULL,
    wake_ms INTEGER NOT NULL, base INTEGER NOT NULL DEFAULT 0, erased INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE members(
    joined INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, session INTEGER NOT NULL,
    UNIQUE(user, session)
);
CREATE INDEX members_session ON members(session);
CREATE INDEX sessions_recent ON sessions(updated_ms, key) WHERE deleted_ms IS NULL;
CREATE INDEX sessions_owned ON sessions(owner, updated_ms, key) WHERE deleted_ms IS NULL;
CREATE TABLE events(
    session INTEGER NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER
);
CREATE UNIQUE INDEX events_revision ON events(session, revision);
CREATE TABLE snapshots(
    session INTEGER PRIMARY KEY, revision INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER
);
{BASES};
"""

# Who takes part is written as a list with the row, and taken apart here, so that an append stays
# one statement; only a change of members costs anything.
_TRIGGERS: Final = tuple(
    f"""CREATE TRIGGER members_{name} {when} BEGIN
    DELETE FROM members WHERE session = NEW.key
        AND user NOT IN (SELECT value FROM json_each(NEW.members));
    INSERT OR IGNORE INTO members(user, session)
        SELECT value, NEW.key FROM json_each(NEW.members);
    END"""
    for name, when in (
        ("created", "AFTER INSERT ON sessions WHEN NEW.members IS NOT NULL"),
        ("changed", "AFTER UPDATE OF members ON sessions WHEN NEW.members <> OLD.members"),
    )
)

MANY: Final = 64
"""Events that may be dropped of a session, from which on an index tells of them."""

# Made when a file is next opened, if it is without them. Each leaves out the sessions that are at
# work, or nearly all of them, so that their appends pay for none. The first is what expiry looks
# through; the second has the few that do not go on, which a listing would look for among all: in
# a million, for 2.5 s.
_INDICES: Final = {
    "ended": "sessions(updated_ms, key) WHERE deleted_ms IS NULL AND state = 'ended'",
    "resting": """sessions(state, updated_ms, key)
        WHERE deleted_ms IS NULL AND state IN ('created', 'paused')""",
    "hidden": "sessions(erased, deleted_ms) WHERE deleted_ms IS NOT NULL",
    "due": "sessions(wake_ms, key) WHERE wake_ms <> 0 AND deleted_ms IS NULL",
    "long": f"sessions(id) WHERE head - events - base >= {MANY} AND deleted_ms IS NULL",
    "trimmed": "bases(session) WHERE dropping",
}

WAL_BYTES: Final = 4 << 20
"""The write-ahead log is copied into the file when it is this large, and then begins anew."""

FULL_WAL_BYTES: Final = 8 * WAL_BYTES
"""From here on the writer waits for a checkpoint, so that the log can begin anew.

Its file is cut to this, and no further: a commit over blocks that the file has already took 0.10
to 0.13 ms, one that lengthens it 0.2 to 3.5 ms, measured (24 KiB and fdatasync on ext4, medians of
three rounds; in the first, on a new file, both took 1.7).
"""
_CACHE_KIB: Final = 32 << 10


def connect(path: Path, *, durability: Durability, busy_s: float) -> sqlite3.Connection:
    """A connection that writes. It may be used on one thread at a time, whichever that is."""
    # psow: a torn write harms only the bytes being written. SQLite assumes so by default, and
    # then a commit refused for want of space has left no commit mark behind.
    db = _connect(f"{path.as_uri()}?mode=rwc&psow=1", busy_s)
    try:
        _configure(db, durability)
    except BaseException:
        db.close()
        raise
    return db


def _configure(db: sqlite3.Connection, durability: Durability) -> None:
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"its file system has no write-ahead log, only {mode!r}")
    for pragma in (
        f"synchronous = {SYNCHRONOUS[durability]}",
        f"fullfsync = {durability == 'full'}",
        f"checkpoint_fullfsync = {durability == 'full'}",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {FULL_WAL_BYTES}",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = MEMORY",
    ):
        db.execute(f"PRAGMA {pragma}")


def connect_read_only(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """A connection to a journal that cannot write, also while another process does."""
    db = _connect_read_only(path, busy_s)
    try:
        adapt(db)
        db.execute("PRAGMA query_only = ON")
    except BaseException:
        db.close()
        raise
    return db


def _connect_read_only(path: Path, busy_s: float) -> sqlite3.Connection:
    return _connect(f"{path.as_uri()}?mode=ro", busy_s)


def prepare(db: sqlite3.Connection, *, fresh: bool = True) -> None:
    """Make the tables, or bring older ones forward, in one transaction: all of it or nothing."""
    if not fresh:
        migrate(db)
        _make_indices(db)
        return
    db.execute("BEGIN IMMEDIATE")
    for statement in (*filter(str.strip, _TABLES.split(";")), *_TRIGGERS):
        db.execute(statement)
    _make_indices(db)
    db.execute("INSERT INTO meta VALUES ('format', ?), ('unsummed', '0')", (FORMAT,))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("COMMIT")


def _make_indices(db: sqlite3.Connection) -> None:
    for name, what in _INDICES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS sessions_{name} ON {what}")


def holds_journal(path: Path, *, busy_s: float) -> bool:
    """Whether `path` is a journal this version reads; False if it is empty or not there.

    Looks without writing.

    Raises:
        JournalFormat: it is a journal of a newer version.
        JournalUnavailable: it is something else, or cannot be read.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise JournalUnavailable(str(path), why=f"SQLite {sqlite3.sqlite_version} is too old")
    if not path.exists():
        return False
    with unavailable(path), closing(_connect_read_only(path, busy_s)) as db:
        return _is_journal(path, db)


def require_journal(path: Path, *, busy_s: float) -> None:
    """Raise what `holds_journal` does, and JournalUnavailable if there is nothing."""
    if not holds_journal(path, busy_s=busy_s):
        why = "it is empty" if path.exists() else "there is no such file"
        raise JournalUnavailable(str(path), why=why)


@contextmanager
def unavailable(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say about `path` into JournalUnavailable."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalUnavailable(str(path), why=str(error)) from None


def _connect(uri: str, busy_s: float) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False
    )


def _is_journal(path: Path, db: sqlite3.Connection) -> bool:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master").fetchall()}
    if not tables:
        return False
    if (application := db.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION_ID:
        why = f"it is a database of another application ({application:#x})"
        raise JournalUnavailable(str(path), why=why)
    if (found := format_of(db)) not in READABLE:
        raise JournalFormat(str(path), found=found, readable=FORMAT)
    return True
