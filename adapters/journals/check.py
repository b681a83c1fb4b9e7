"""Whether what a journal has of one session is whole: base, events, snapshot, index row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from ...actors.errors import text_of
from ...actors.ports import IndexRow
from ...actors.session.audit import audit
from ...actors.session.base import decode_base
from ...actors.session.entry import decode_entry
from ...actors.session.fold import fold
from ...actors.session.state import State, decode_genesis, decode_state, encode_state
from .checksums import first_damaged
from .damage import Damage

Piece: TypeAlias = tuple[int, Any, int | None]
"""A revision, the bytes that are kept of it, and their checksum if they have one."""

CHANGED: Final = "its bytes are not those written"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal keeps of a session besides its events. `head` is its last revision.

    Events up to `dropped` are no longer kept, and `base` stands for them. `row` is what listings
    show, with the members; `listed` are those under whom it is found.
    """

    row: IndexRow
    head: int
    dropped: int
    genesis: Piece | None
    base: Piece | None
    snapshot: Piece | None
    listed: frozenset[str]


def check_session(stored: Stored, events: Iterable[Piece]) -> Iterator[Damage]:
    """What is wrong with a session, whose `events` after the base come in order of revision.

    The base is as it was written. Revisions follow each other from there, or else from 1, up to the
    head; every event is as it was written, decodes and folds; the snapshot is the fold at its
    revision, and no older than the base; the index row and the members say what the state says;
    and the transcript is valid. After a damage the check goes on from the snapshot, if that is
    newer.
    """
    return _Check(stored).run(events)


class _Check:
    """`_state` is the fold of all before `_next`; None from a damage on, until the snapshot."""

    def __init__(self, stored: Stored) -> None:
        self._stored, self._id = stored, stored.row.id
        self._state: State | None = None
        self._snapshot: State | None = None
        self._next = stored.dropped + 1

    def run(self, events: Iterable[Piece]) -> Iterator[Damage]:
        yield from self._begin()
        if self._stored.dropped or self._stored.base is not None:
            yield from self._go_on_from_base()
        yield from self._begin_snapshot()
        for revision, body, written in events:
            if revision > self._stored.head:
                end = f"the journal says that it ends at {self._stored.head}"
                yield self._damage(revision, f"there is an event, but {end}")
                return
            if revision != self._next:
                yield from self._gap(revision)
            self._next = revision + 1
            yield from self._fold(revision, body, written)
            yield from self._meet_snapshot(revision)
        if self._next <= self._stored.head:
            yield from self._gap(self._stored.head + 1)
            yield from self._meet_snapshot(self._stored.head)
        if self._state is not None:
            yield from self._compare_row(self._state)
            yield from self._audit(self._state)

    def _damage(self, revision: int | None, what: str) -> Damage:
        return Damage(session=self._id, revision=revision, what=what)

    def _begin(self) -> Iterator[Damage]:
        genesis = self._stored.genesis
        if genesis is None:
            yield self._damage(0, "its genesis is missing")
        elif why := self._changed(genesis):
            yield self._damage(0, why)
        else:
            try:
                self._state = State.at_creation(decode_genesis(genesis[1]))
            except Exception as error:
                yield self._damage(0, f"its genesis cannot be read: {text_of(error)}")
            else:
                yield from self._is_named(self._state, 0, "genesis")

    def _go_on_from_base(self) -> Iterator[Damage]:
        dropped, base = self._stored.dropped, self._stored.base
        self._state = None
        if dropped > self._stored.head:
            yield self._damage(dropped, "more events are dropped than there were")
        elif base is None:
            yield self._damage(dropped, "what stands for the events that are dropped is missing")
        elif base[0] != dropped:
            what = f"there is a base, but the journal says that events up to {dropped} are dropped"
            yield self._damage(base[0], what)
        elif why := self._changed(base):
            yield self._damage(dropped, f"base: {why}")
        else:
            try:
                state = decode_base(base[1]).state
            except Exception as error:
                yield self._damage(dropped, f"its base cannot be read: {text_of(error)}")
                return
            yield from self._is_named(state, dropped, "base")
            if state.revision != dropped:
                yield self._damage(dropped, f"its base is of revision {state.revision}")
                return
            self._state = state

    def _begin_snapshot(self) -> Iterator[Damage]:
        snapshot, dropped = self._stored.snapshot, self._stored.dropped
        if snapshot is None:
            return
        if snapshot[0] > self._stored.head:
            yield self._damage(snapshot[0], "there is a snapshot of more than there is")
        elif snapshot[0] < dropped:
            yield self._damage(snapshot[0], "there is a snapshot from before the base")
        elif why := self._changed(snapshot):
            yield self._damage(snapshot[0], f"snapshot: {why}")
        else:
            try:
                self._snapshot = decode_state(snapshot[1])
            except Exception as error:
                yield self._damage(snapshot[0], f"its snapshot cannot be read: {text_of(error)}")
            else:
                yield from self._is_named(self._snapshot, snapshot[0], "snapshot")
        yield from self._meet_snapshot(dropped)

    def _is_named(self, state: State, revision: int, what: str) -> Iterator[Damage]:
        if state.id != self._id:
            yield self._damage(revision, f"its {what} is that of session {state.id}")

    def _changed(self, piece: Piece) -> str:
        revision, body, written = piece
        return "" if first_damaged(self._id, revision, [body], [written]) is None else CHANGED

    def _gap(self, revision: int) -> Iterator[Damage]:
        """What is before `revision` is not there."""
        self._state = None
        last = "" if revision - 1 == self._next else f" up to {revision - 1}"
        yield self._damage(self._next, f"events are missing{last}")
        snapshot = self._snapshot
        if snapshot is not None and snapshot.revision == revision - 1:
            self._state, self._snapshot = snapshot, None

    def _fold(self, revision: int, body: Any, written: int | None) -> Iterator[Damage]:
        if why := self._changed((revision, body, written)):
            self._state = None
            yield self._damage(revision, why)
            return
        try:
            if self._state is None:
                decode_entry(body)
            else:
                fold(self._state, (body,))
        except Exception as error:
            self._state = None
            yield self._damage(revision, f"the event cannot be read: {text_of(error)}")

    def _meet_snapshot(self, revision: int) -> Iterator[Damage]:
        """Compare the snapshot with the fold, or go on from it."""
        snapshot = self._snapshot
        if snapshot is None or self._stored.snapshot is None:
            return
        if self._stored.snapshot[0] != revision:
            return
        self._snapshot = None
        if self._state is None:
            self._state = snapshot
        elif encode_state(snapshot) != encode_state(self._state) and snapshot != self._state:
            fields = ", ".join(_differences(snapshot, self._state))
            yield self._damage(revision, f"the snapshot is not what the events say: {fields}")

    def _compare_row(self, state: State) -> Iterator[Damage]:
        row, wanted = self._stored.row, state.index_row(members=True)
        if not row.title:  # of a file from before there were titles: nothing has come since
            wanted = replace(wanted, title="")
        if not row.wake_ms and state.wakes is None:  # ... or timers: only an approval was due
            wanted = replace(wanted, wake_ms=0)
        for field in _differences(row, wanted):
            found, right = getattr(row, field), getattr(wanted, field)
            what = f"the index says that {field} is {found!r}, the events say {right!r}"
            yield self._damage(self._stored.head, what)
        if self._stored.listed != frozenset(state.participants):
            listed, there = sorted(self._stored.listed), sorted(state.participants)
            what = f"it is listed for {listed}, but its participants are {there}"
            yield self._damage(self._stored.head, what)

    def _audit(self, state: State) -> Iterator[Damage]:
        problems = audit(state.history, state.running.turn if state.running else None)
        if problems:
            first, more = problems[0], len(problems) - 1
            others = f", and {more} more" if more else ""
            what = f"line {first.line + 1} of the transcript: {first.what}{others}"
            yield self._damage(self._stored.head, what)


def _differences(one: msgspec.Struct, other: msgspec.Struct) -> list[str]:
    fields = one.__struct_fields__
    return [field for field in fields if getattr(one, field) != getattr(other, field)]
