"""What may be written to a SQLite journal, one job per call, each run inside a group's transaction.

`run` returns the value of the job's commit. It raises a GreenroomError only before it has changed
anything; every rule about epochs and revisions is part of the statement that writes.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Literal, Protocol

import msgspec

from ...actors.errors import Conflict, Fenced, SessionExists, SessionNotFound
from ...actors.kernel.reply import Reply
from ...actors.ports import Commit, End, IndexRow, NewSession, SessionId
from .bounds import check_row
from .checksums import checksum, seed_of


class Job(Protocol):
    """A write, with the commit that tells of it. `session` is empty if it is of no one session."""

    @property
    def session(self) -> SessionId: ...

    @property
    def size(self) -> int: ...

    @property
    def commit(self) -> Reply[Any]: ...

    def run(self, db: sqlite3.Connection) -> Any: ...


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim changed: the new `epoch`, and the `end` that was recorded until then.

    The session ends at revision `head`.
    """

    key: int
    epoch: int
    end: End | None
    head: int = 0


class Append(msgspec.Struct, frozen=True, gc=False):
    session: SessionId
    size: int
    commit: Commit
    events: tuple[bytes, ...]
    epoch: int
    after: int
    row: IndexRow

    @property
    def last(self) -> int:
        return self.after + len(self.events)

    def with_members_of(self, before: Append) -> Append:
        """This append, whose row also tells what `before` said of the members, if it does not."""
        if self.row.members is not None or before.row.members is None:
            return self
        row = msgspec.structs.replace(self.row, members=before.row.members)
        return msgspec.structs.replace(self, row=row)

    def run(self, db: sqlite3.Connection) -> int:
        """The append by itself; `sqlite_batch` writes many at once."""
        row = self.row
        check_row(row)
        changed = db.execute(
            "UPDATE sessions SET head = ?, end_epoch = NULL, end_position = NULL, owner = ?,"
            " name = ?, state = ?, created_ms = ?, updated_ms = ?, participants = ?,"
            " messages = ?, turns = ?, events = ?, members = coalesce(?, members),"
            " title = ?, language = ?, interactions = ?, feedback = ?, wake_ms = ?"
            " WHERE id = ? AND epoch = ? AND head = ?",
            (self.last, *columns(row), self.session, self.epoch, self.after),
        ).rowcount
        if not changed:
            raise self._refusal(db)
        seed = seed_of(self.session)
        db.executemany(
            "INSERT INTO events SELECT key, ?, ?, ? FROM sessions WHERE id = ?",
            [
                (n, body, checksum(seed, n, body), self.session)
                for n, body in enumerate(self.events, self.after + 1)
            ],
        )
        return self.last

    def _refusal(self, db: sqlite3.Connection) -> Fenced | Conflict:
        if _owns(db, self.session, self.epoch):
            return Conflict(self.session, after=self.after)
        return Fenced(self.session, epoch=self.epoch)


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    session: SessionId
    size: int
    commit: Commit
    state: bytes
    epoch: int
    revision: int

    def run(self, db: sqlite3.Connection) -> int:
        # `head`: the appends it folds may have failed, and it must not outlive them.
        changed = db.execute(
            "INSERT INTO snapshots SELECT key, ?, ?, ? FROM sessions"
            " WHERE id = ? AND epoch = ? AND head >= ? AND base <= ?"
            " ON CONFLICT(session) DO UPDATE SET revision = excluded.revision,"
            " body = excluded.body, sum = excluded.sum WHERE excluded.revision > revision",
            (
                self.revision,
                self.state,
                checksum(seed_of(self.session), self.revision, self.state),
                self.session,
                self.epoch,
                self.revision,
                self.revision,
            ),
        ).rowcount
        if not changed and (refusal := self._refusal(db)) is not None:
            raise refusal
        return self.revision

    def _refusal(self, db: sqlite3.Connection) -> Fenced | Conflict | None:
        found = db.execute(
            "SELECT head FROM sessions WHERE id = ? AND epoch = ?", (self.session, self.epoch)
        ).fetchone()
        if found is None:
            return Fenced(self.session, epoch=self.epoch)
        if found[0] < self.revision:
            return Conflict(self.session, after=self.revision)
        return None  # a newer one is there already, or what stands for events that are dropped


class Release(msgspec.Struct, frozen=True, gc=False):
    session: SessionId
    size: int
    commit: Commit
    epoch: int
    end: End | None

    def run(self, db: sqlite3.Connection) -> int:
        end = (None, None) if self.end is None else (self.end.epoch, self.end.position)
        changed = db.execute(
            "UPDATE sessions SET end_epoch = ?, end_position = ? WHERE id = ? AND epoch = ?",
            (*end, self.session, self.epoch),
        ).rowcount
        if not changed:
            raise Fenced(self.session, epoch=self.epoch)
        return self.epoch


class Create(msgspec.Struct, frozen=True, gc=False):
    """The new session's epoch is beyond all those of sessions that are forgotten.

    So whoever has owned another session of this id stays fenced. Keys are not used again either:
    they say whose rows are whose.
    """

    session: SessionId
    size: int
    commit: Reply[int]
    new: NewSession

    def run(self, db: sqlite3.Connection) -> int:
        check_row(self.new.row)
        (epoch,) = db.execute(f"SELECT {used('epoch')} + 1").fetchone()
        changed = db.execute(
            "INSERT INTO sessions(key, id, epoch, head, owner, name, state, created_ms,"
            " updated_ms, participants, messages, turns, events, members,"
            " title, language, interactions, feedback, wake_ms)"
            f" SELECT 1 + max(coalesce(max(key), 0), {used('key')}),"
            " ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM sessions WHERE true"
            " ON CONFLICT(id) DO NOTHING",
            (self.session, epoch, *columns(self.new.row)),
        ).rowcount
        if not changed:
            raise SessionExists(self.session)
        db.execute(
            "INSERT INTO events SELECT key, 0, ?, ? FROM sessions WHERE id = ?",
            (self.new.genesis, checksum(seed_of(self.session), 0, self.new.genesis), self.session),
        )
        return int(epoch)


class Take(msgspec.Struct, frozen=True, gc=False):
    """A claim. `commit` is set when it is written, `durable` when it is on the disk as well."""

    session: SessionId
    size: int
    commit: Reply[Taken]
    durable: Reply[None]

    def run(self, db: sqlite3.Connection) -> Taken:
        found = db.execute(
            "SELECT key, epoch, end_epoch, end_position, head FROM sessions"
            " WHERE id = ? AND deleted_ms IS NULL",
            (self.session,),
        ).fetchone()
        if found is None:
            raise SessionNotFound(self.session)
        key, epoch, end_epoch, end_position, head = found
        db.execute(
            "UPDATE sessions SET epoch = epoch + 1, end_epoch = NULL, end_position = NULL"
            " WHERE key = ?",
            (key,),
        )
        end = None if end_epoch is None else End(end_epoch, end_position)
        return Taken(key=key, epoch=epoch + 1, end=end, head=head)


class Delete(msgspec.Struct, frozen=True, gc=False):
    session: SessionId
    size: int
    commit: Reply[None]
    epoch: int
    now_ms: int

    def run(self, db: sqlite3.Connection) -> None:
        changed = db.execute(
            "UPDATE sessions SET deleted_ms = ?, epoch = epoch + 1"
            " WHERE id = ? AND epoch = ? AND deleted_ms IS NULL",
            (self.now_ms, self.session, self.epoch),
        ).rowcount
        if not changed:
            raise self._refusal(db)

    def _refusal(self, db: sqlite3.Connection) -> Fenced | SessionNotFound:
        found = db.execute(
            "SELECT 1 FROM sessions WHERE id = ? AND deleted_ms IS NULL", (self.session,)
        ).fetchone()
        if found is None:
            return SessionNotFound(self.session)
        return Fenced(self.session, epoch=self.epoch)


def columns(row: IndexRow) -> tuple[Any, ...]:
    """`row` without its id, in the order of the table."""
    return (
        row.owner,
        row.name,
        row.state,
        row.created_ms,
        row.updated_ms,
        row.participants,
        row.messages,
        row.turns,
        row.events,
        None if row.members is None else msgspec.json.encode(row.members).decode(),
        row.title,
        row.language,
        row.interactions,
        row.feedback,
        row.wake_ms,
    )


def used(what: Literal["epoch", "key"]) -> str:
    """The highest one that a forgotten session has had; 0 if none is forgotten."""
    return f"coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'used {what}'), 0)"


def _owns(db: sqlite3.Connection, session: SessionId, epoch: int) -> bool:
    found = db.execute(
        "SELECT 1 FROM sessions WHERE id = ? AND epoch = ?", (session, epoch)
    ).fetchone()
    return found is not None
