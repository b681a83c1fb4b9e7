"""A session as its journal holds it, read without owning it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from ..actors.errors import NotKept, SessionDamaged
from ..actors.ports import Beginning, Journal, SessionId
from ..actors.session.base import decode_base
from ..actors.session.entry import Entry, decode_entry
from ..actors.session.fold import fold_entry
from ..actors.session.record_wire import StoredSession, stored_interaction, stored_session
from ..actors.session.records import InteractionRecorded
from ..actors.session.state import State, decode_genesis

PAGE: Final = 1000


class Recording(msgspec.Struct):
    """The state that a session's events fold to, and the events that are kept.

    `entries[0]` is revision `first`. Of what was before it the `interactions` are kept, and
    `beginning` is what the entries go on from.
    """

    state: State
    first: int
    entries: list[Entry]
    interactions: list[Entry]
    beginning: Beginning

    def at_first(self) -> State:
        """The state before `entries[0]`, made anew: fold them into it to see each of its states."""
        return _begin(self.beginning, self.state.id).state


def stored(recording: Recording) -> StoredSession:
    """The session as it is stored and exported, with all its interactions, the oldest first."""
    entries = (*recording.interactions, *recording.entries)
    acts = ((entry.event, entry.at_ms) for entry in entries)
    done = [stored_interaction(e, at) for e, at in acts if isinstance(e, InteractionRecorded)]
    return stored_session(recording.state, done)


async def read_recording(
    journal: Journal, session: SessionId, *, upto: int | None = None
) -> Recording:
    """Fold the events of a session, page by page: all, or those up to revision `upto`.

    Nothing is claimed or written.

    Raises SessionNotFound and JournalUnavailable; SessionDamaged if events cannot be folded, and
    NotKept if those up to `upto` have been dropped.
    """
    recording = _begin(await journal.beginning(session), session)
    if upto is not None and recording.state.revision > upto:
        raise NotKept(session, revision=upto, oldest=recording.state.revision)
    state, more = recording.state, True
    while more and (limit := PAGE if upto is None else min(PAGE, upto - state.revision)):
        page = await journal.read(session, after=state.revision, limit=limit)
        if page.events and page.first != state.revision + 1:
            await _require_dropped(journal, session, page.first)
            return await read_recording(journal, session, upto=upto)
        _fold(recording, page.events)
        more = bool(page.events) and state.revision < page.head
        await asyncio.sleep(0)  # a page takes milliseconds to fold: let others in between
    return recording


async def _require_dropped(journal: Journal, session: SessionId, first: int) -> None:
    """Events may be dropped between two pages; then what stands for them is there by now."""
    base = (await journal.beginning(session)).base
    if base is None or base[0] < first - 1:
        why = f"events before {first} are missing"
        raise SessionDamaged(session, revision=first - 1, why=why)


def _begin(beginning: Beginning, session: SessionId) -> Recording:
    revision = 0
    try:
        if beginning.base is None:
            state = State.at_creation(decode_genesis(beginning.genesis))
            return Recording(state, 1, [], [], beginning)
        revision = beginning.base[0]
        base = decode_base(beginning.base[1])
    except msgspec.MsgspecError as error:
        raise SessionDamaged(session, revision=revision, why=str(error)) from error
    return Recording(base.state, revision + 1, [], base.interactions, beginning)


def _fold(recording: Recording, bodies: Sequence[bytes]) -> None:
    state = recording.state
    for body in bodies:
        try:
            entry = decode_entry(body)
            fold_entry(state, entry)
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
            raise SessionDamaged(state.id, revision=state.revision, why=str(error)) from error
        recording.entries.append(entry)
