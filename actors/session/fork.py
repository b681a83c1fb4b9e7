"""A fork: what a new session has from another one, as of some revision."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ..ports import SessionId, UserId
from .records import NOTHING, Records, may_export
from .state import Genesis, Origin, Outcome, State
from .transcript import Line, ToolResult
from .view import place_result


class ForkPoint(msgspec.Struct, frozen=True):
    """The `revision` to fork from, durable by now, and the name that the forker has there.

    `export`: whether the session may be exported now, whatever was said at that revision.
    """

    revision: int
    name: str
    export: bool = True


def forked(
    source: State,
    *,
    id: SessionId,  # noqa: A002
    incarnation: str,
    owner: UserId,
    owner_name: str,
    name: str | None,
    created_ms: int,
    export: bool | None = None,
) -> Genesis:
    """The beginning of a session that goes on from `source`, which is not changed.

    It has the transcript, the shared context, the memories and the settings, and the records but
    for the interactions; of the people only its owner, and no turn is open in it. They are
    cancelled: the calls of a running one are closed by stubs (promise P19), and messages that
    waited stand there without an answer. It may be exported if `export` says so, or, if that is
    None, if its source might.
    """
    return Genesis(
        id=id,
        incarnation=incarnation,
        owner=owner,
        owner_name=owner_name,
        name=source.name if name is None else name,
        created_ms=created_ms,
        started=True,
        settings=source.settings,
        context=source.context,
        memories=list(source.memories),
        history=closed_history(source),
        last_turn=source.last_turn,
        outcomes=_outcomes(source, f"forked by {owner}"),
        greeted=source.greeted,
        dialog=source.dialog,
        origin=Origin(session=source.id, revision=source.revision),
        records=_records(source, export),
    )


def _records(source: State, export: bool | None) -> Records | None:
    """What was recorded of it, but for the interactions, and whether it may be exported."""
    allowed = may_export(source) if export is None else export
    if source.records is None and allowed:
        return None
    return replace((source.records or NOTHING).inherited(), export=allowed)


def _outcomes(source: State, reason: str) -> dict[int, Outcome]:
    """How the turns have ended, those that were open as cancelled."""
    cut_off = Outcome(status="cancelled", reason=reason, cause="user")
    running = () if source.running is None else (source.running,)
    return {**source.outcomes, **{turn.turn: cut_off for turn in (*running, *source.queued)}}


def closed_history(source: State) -> list[Line]:
    """The transcript, with a stub for each call that is open."""
    history, running = list(source.history), source.running
    if running is not None:
        for call in source.open_calls:
            stub = ToolResult(id=call, failed=True, stub=True, turn=running.turn)
            place_result(history, stub)
    return history
