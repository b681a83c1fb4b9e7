"""One stored session, written into a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from ...actors.errors import (
    Conflict,
    InvalidInput,
    SessionDamaged,
    SessionExists,
    SessionNotFound,
)
from ...actors.ports import Claim, Clock, Journal, NewSession, SessionId, UserId
from ...actors.session.entry import encode_entry
from ...actors.session.fold import fold, restore
from ...actors.session.importing import Plan, plan_of, same
from ...actors.session.record_wire import StoredSession
from ...actors.session.state import Genesis, State, decode_genesis, encode_genesis
from ...actors.session.values import name
from ...supervisor.recording import read_recording
from ..journals.bounds import MAX_BYTES
from ..system import SystemClock, new_id

GROUP_BYTES: Final = 1 << 20
"""Of the events of one append, unless a single one is larger: others write in between."""

GROUP_EVENTS: Final = 1_000

Outcome: TypeAlias = Literal["imported", "completed", "already"]


class Imported(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What has become of a stored session.

    imported: it was new. completed: an earlier import of it was interrupted, and is whole now.
    already: it was imported before, whatever has happened in it since; nothing was written.
    """

    session: SessionId
    outcome: Outcome
    messages: int
    interactions: int


async def import_session(
    journal: Journal,
    stored: StoredSession,
    *,
    owner: UserId,
    owner_name: str | None = None,
    dry_run: bool = False,
    clock: Clock | None = None,
    new_id: Callable[[int], str] = new_id,
) -> Imported:
    """Have `stored` in the journal as a session of `owner`, durably: see `plan_of`.

    The journal is open on the running loop; a runtime may host sessions in it meanwhile. Nothing
    is ever replaced. An import that is interrupted leaves a session that takes no messages yet;
    the same import completes it. With `dry_run` nothing is written, and the outcome is what it
    would be, unless a session of that id was deleted: only the writing tells.

    Raises:
        InvalidInput: the session cannot be one of greenroom's; it names the field.
        SessionExists: there is, or was, a session of that id that is not this import.
        SessionDamaged: the session that is there cannot be read.
        Fenced, Conflict: somebody else has used the session meanwhile. The same may work later.
        NotWritten, JournalFailed, JournalUnavailable: the journal failed, at some point.
    """
    owner = name(owner, "owner")
    owner_name = owner if owner_name is None else name(owner_name, "owner_name")

    def planned(incarnation: str, now_ms: int) -> Plan:
        return plan_of(
            stored, incarnation=incarnation, owner=owner, owner_name=owner_name, now_ms=now_ms
        )

    plan, written = planned(new_id(4), (clock or SystemClock()).now_ms()), None
    there = await _genesis(journal, plan.genesis.id)
    if there is not None:  # planned as it was then, for only so can they be compared
        plan = planned(there.incarnation, there.created_ms)
        written = await _written(journal, plan, there)
    bodies = _encoded(plan)
    outcome: Outcome = "imported" if written is None else "completed"
    if written == len(bodies):
        outcome = "already"
    elif not dry_run:
        await _write(journal, plan.genesis, bodies, written)
    return Imported(
        session=plan.genesis.id,
        outcome=outcome,
        messages=len(plan.genesis.history),
        interactions=len(bodies) - 1,
    )


async def _genesis(journal: Journal, session: SessionId) -> Genesis | None:
    """How the session begins that is there; None if there is none."""
    try:
        genesis = (await journal.beginning(session)).genesis
    except SessionNotFound:
        return None
    try:
        return decode_genesis(genesis)
    except msgspec.MsgspecError as error:
        raise SessionDamaged(session, revision=0, why=str(error)) from error


async def _written(journal: Journal, plan: Plan, there: Genesis) -> int:
    """How many of the planned entries the session has that is there.

    Raises SessionExists if it is another one, or has gone on before all of them were written.
    """
    session, planned = plan.genesis.id, plan.entries
    if not same(there, plan.genesis):
        raise SessionExists(session)
    recording = await read_recording(journal, session)
    kept = [*recording.interactions, *recording.entries]
    # That it was started is no interaction, and so is not kept for ever.
    lasting = len(planned) if recording.first <= len(planned) else len(planned) - 1
    count = min(recording.state.revision, lasting)
    if not same(kept[:count], [*planned[:count]]):
        raise SessionExists(session)
    return min(recording.state.revision, len(planned))


def _encoded(plan: Plan) -> list[bytes]:
    """The entries as they are written. Raises InvalidInput for what no journal takes."""
    bodies = [encode_entry(entry) for entry in plan.entries]
    _check_size("session", len(encode_genesis(plan.genesis)))
    for index, body in enumerate(bodies):
        _check_size(f"session.interactions[{index}]", len(body))
    return bodies


def _check_size(field: str, size: int) -> None:
    if size > MAX_BYTES:
        raise InvalidInput(field, f"{size} bytes, encoded", f"at most {MAX_BYTES} bytes")


async def _write(
    journal: Journal, genesis: Genesis, bodies: Sequence[bytes], written: int | None
) -> None:
    """Write the session, or what is missing of it after the first `written` entries."""
    session = genesis.id
    if written is None:
        claim, state = await _create(journal, genesis)
    else:
        claim = await journal.claim(session)
        state = restore(claim, session)
        if state.revision != written:
            raise Conflict(session, after=written)
    for group in _groups(bodies[state.revision :]):
        after = state.revision
        fold(state, group)
        row = state.index_row()
        await journal.append(session, group, epoch=claim.epoch, after=after, row=row)
    # Without an end: whoever has read it while it was incomplete must look at the journal again.
    await journal.release(session, epoch=claim.epoch, end=None)


async def _create(journal: Journal, genesis: Genesis) -> tuple[Claim, State]:
    state = State.at_creation(genesis)
    new = NewSession(genesis=encode_genesis(genesis), row=state.index_row(members=True))
    return await journal.claim(genesis.id, create=new), state


def _groups(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    group, size = list[bytes](), 0
    for body in bodies:
        if group and (size + len(body) > GROUP_BYTES or len(group) == GROUP_EVENTS):
            yield group
            group, size = [], 0
        group.append(body)
        size += len(body)
    if group:
        yield group
