"""What may be written to a SQLite journal, one job per call, each run inside a group's transaction.

`run` returns the value of the job's commit. It raises a GreenroomError only before it has changed
anything; every rule about epochs and revisions is part of the statement that writes.
"""

from __future__ import annotations

import sqlite3
from typing import Any, TypeAlias

import msgspec

from ...actors.errors import Conflict, Fenced, SessionExists, SessionNotFound
from ...actors.kernel.reply import Reply
from ...actors.ports import Commit, End, IndexRow, NewSession, SessionId
from .bounds import check_row
from .checksums import checksum, seed_of


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim changed: the new `epoch`, and the `end` that was recorded until then."""

    key: int
    epoch: int
    end: End | None


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
            " title = ?, language = ?, interactions = ?, feedback = ?"
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
            " WHERE id = ? AND epoch = ? AND head >= ?"
            " ON CONFLICT(session) DO UPDATE SET revision = excluded.revision,"
            " body = excluded.body, sum = excluded.sum WHERE excluded.revision > revision",
            (
                self.revision,
                self.state,
                checksum(seed_of(self.session), self.revision, self.state),
                self.session,
                self.epoch,
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
        return None  # a newer one is there already


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
    session: SessionId
    size: int
    commit: Reply[None]
    new: NewSession

    def run(self, db: sqlite3.Connection) -> None:
        check_row(self.new.row)
        changed = db.execute(
            "INSERT INTO sessions(id, epoch, head, owner, name, state, created_ms, updated_ms,"
            " participants, messages, turns, events, members,"
            " title, language, interactions, feedback)"
            " VALUES (?, 1, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(id) DO NOTHING",
            (self.session, *columns(self.new.row)),
        ).rowcount
        if not changed:
            raise SessionExists(self.session)
        db.execute(
            "INSERT INTO events SELECT key, 0, ?, ? FROM sessions WHERE id = ?",
            (self.new.genesis, checksum(seed_of(self.session), 0, self.new.genesis), self.session),
        )


class Take(msgspec.Struct, frozen=True, gc=False):
    session: SessionId
    size: int
    commit: Reply[Taken]

    def run(self, db: sqlite3.Connection) -> Taken:
        found = db.execute(
            "SELECT key, epoch, end_epoch, end_position FROM sessions"
            " WHERE id = ? AND deleted_ms IS NULL",
            (self.session,),
        ).fetchone()
        if found is None:
            raise SessionNotFound(self.session)
        key, epoch, end_epoch, end_position = found
        db.execute(
            "UPDATE sessions SET epoch = epoch + 1, end_epoch = NULL, end_position = NULL"
            " WHERE key = ?",
            (key,),
        )
        end = None if end_epoch is None else End(end_epoch, end_position)
        return Taken(key=key, epoch=epoch + 1, end=end)


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


class Hide(msgspec.Struct, frozen=True, gc=False):
    """Of no one session: `session` is empty. `found` are ids, each with its head."""

    session: SessionId
    size: int
    commit: Reply[list[SessionId]]
    found: tuple[tuple[SessionId, int], ...]
    now_ms: int

    def run(self, db: sqlite3.Connection) -> list[SessionId]:
        hidden: list[SessionId] = []
        for session, head in self.found:
            changed = db.execute(
                "UPDATE sessions SET deleted_ms = ?, epoch = epoch + 1"
                " WHERE id = ? AND head = ? AND deleted_ms IS NULL",
                (self.now_ms, session, head),
            ).rowcount
            if changed:
                hidden.append(session)
        return hidden


Job: TypeAlias = Append | Snapshot | Release | Create | Take | Delete | Hide


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
    )


def _owns(db: sqlite3.Connection, session: SessionId, epoch: int) -> bool:
    found = db.execute(
        "SELECT 1 FROM sessions WHERE id = ? AND epoch = ?", (session, epoch)
    ).fetchone()
    return found is not None
