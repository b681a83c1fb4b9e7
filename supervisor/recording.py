"""A session as its journal holds it, read without owning it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from ..actors.errors import SessionDamaged
from ..actors.ports import Journal, SessionId
from ..actors.session.entry import Entry, decode_entry
from ..actors.session.fold import apply
from ..actors.session.state import State, decode_genesis

PAGE: Final = 1000


class Recording(msgspec.Struct):
    """The state that a session's events fold to, and the events: `entries[0]` is revision 1."""

    state: State
    entries: list[Entry]


async def read_recording(
    journal: Journal, session: SessionId, *, upto: int | None = None
) -> Recording:
    """Fold the events of a session, page by page: all, or those up to revision `upto`.

    Nothing is claimed or written.

    Raises SessionNotFound and JournalUnavailable; SessionDamaged if events cannot be folded, or
    if the oldest ones are no longer retained.
    """
    genesis = await journal.genesis(session)
    recording = Recording(_at_creation(genesis, session), [])
    state, more = recording.state, True
    while more and (limit := PAGE if upto is None else min(PAGE, upto - state.revision)):
        page = await journal.read(session, after=state.revision, limit=limit)
        if page.events and page.first != state.revision + 1:
            why = f"the oldest event retained is {page.first}"
            raise SessionDamaged(session, revision=state.revision, why=why)
        _fold(recording, page.events)
        more = bool(page.events) and state.revision < page.head
        await asyncio.sleep(0)  # a page takes milliseconds to fold: let others in between
    return recording


def _at_creation(genesis: bytes, session: SessionId) -> State:
    try:
        return State.at_creation(decode_genesis(genesis))
    except msgspec.MsgspecError as error:
        raise SessionDamaged(session, revision=0, why=str(error)) from error


def _fold(recording: Recording, bodies: Sequence[bytes]) -> None:
    state = recording.state
    for body in bodies:
        try:
            entry = decode_entry(body)
            apply(state, entry.event, entry.at_ms)
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
            raise SessionDamaged(state.id, revision=state.revision, why=str(error)) from error
        recording.entries.append(entry)
