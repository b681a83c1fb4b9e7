"""What is taken out of the transcript: by undo and truncate, and by compaction (spec A22, AX17).

The journal keeps every event. What was done beside the transcript is not undone: shared context
and memories stay, and so does whatever the tools have done.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from ...errors import InvalidInput, NothingToCompact, SessionEnded
from ...ports import UserId
from ..commands import Compact, FinishTurn, Truncate, Undo
from ..events import (
    Compacted,
    Durable,
    MessagePosted,
    ToolReturned,
    TranscriptCut,
    TurnEnded,
    TurnQueued,
    TurnStarted,
)
from ..state import State
from ..transcript import Line
from ..view import is_input, is_standing, place, place_result, prefix_of
from .checks import require, require_state
from .moment import Moment
from .turns import end_running, finish, next_turn, require_place

_REASONS = {"undo": "undone", "truncate": "truncated"}


def undo(state: State, command: Undo, moment: Moment) -> tuple[Durable, ...]:
    """Back to and including the last message of a person; without one, nothing is removed.

    That, too, is an event: clients wait for it (spec A22).
    """
    _require_editor(state, command.user)
    inputs = _inputs(state.history)
    if not inputs:
        keep = len(state.history)
        return (TranscriptCut(by=command.user, why="undo", keep=keep, removed=0),)
    return _cut(state, command.user, "undo", inputs[-1], moment)


def truncate(state: State, command: Truncate, moment: Moment) -> tuple[Durable, ...]:
    _require_editor(state, command.user)
    inputs = _inputs(state.history)
    if command.message >= len(inputs):
        limit = f"the number of a message, from 0, of {len(inputs)}"
        raise InvalidInput("message", command.message, limit)
    return _cut(state, command.user, "truncate", inputs[command.message], moment)


def compact(state: State, command: Compact, moment: Moment) -> tuple[Durable, ...]:
    """A turn like any other: it waits for those before it, and those after wait for it."""
    _require_editor(state, command.user)
    require_state(state, "active", "paused")
    if state.closing is not None:
        raise SessionEnded(state.id, ("active", "paused"))
    if not prefix_of(state.history, command.keep):
        raise NothingToCompact(state.id)
    turn, user, prompt, keep = state.last_turn + 1, command.user, command.prompt, command.keep
    if moment.held or state.running or state.queued or state.lifecycle != "active":
        require_place(state)
        queued = TurnQueued(turn=turn, user=user, kind="compaction", prompt=prompt, keep=keep)
        return (queued,)
    return (TurnStarted(turn=turn, user=user, kind="compaction", prompt=prompt, keep=keep),)


def finish_compaction(state: State, command: FinishTurn, moment: Moment) -> tuple[Durable, ...]:
    """The summary, if there is one and what it stands for is there still, and the turn's end."""
    running = state.running
    assert running is not None
    summary = "".join(moment.said)
    if command.status != "completed":
        return finish(state, command, moment)
    if summary.strip() and running.kept:
        compacted = Compacted(turn=running.turn, lines=running.kept, summary=summary)
        return (compacted, *finish(state, command, moment))
    why = "there is no summary" if running.kept else "what it summarised is no longer the same"
    ended = end_running(state, "failed", moment, reason=why)
    return (*ended, *next_turn(state, moment))


def _require_editor(state: State, user: UserId) -> None:
    require(state, user, "edit")
    require_state(state, "created", "active", "paused")


def _inputs(history: Sequence[Line]) -> list[int]:
    """Where the messages of people stand."""
    return [index for index, line in enumerate(history) if is_input(line)]


def _cut(
    state: State, user: UserId, why: Literal["undo", "truncate"], index: int, moment: Moment
) -> tuple[Durable, ...]:
    """End the turns that lose a line, remove what stands from `index` on, and go on."""
    first = state.history[index]
    losers = {line.turn for line in state.history[index:]}
    ended = _ends(state, losers, f"{_REASONS[why]} by {user}", moment)
    lines = _with_last_lines(state.history, ended)
    keep = next(at for at, line in enumerate(lines) if line is first)
    removed = sum(not is_standing(line) for line in lines[keep:])
    cut = TranscriptCut(by=user, why=why, keep=keep, removed=removed)
    over = {event.turn for event in ended if isinstance(event, TurnEnded)}
    is_free = state.running is not None and state.running.turn in over
    return (*ended, cut, *(next_turn(state, moment, over) if is_free else ()))


def _ends(
    state: State, losers: Collection[int], reason: str, moment: Moment
) -> tuple[Durable, ...]:
    """The end of each turn among `losers`, and of a compaction: its lines would be others."""
    running, ended = state.running, tuple[Durable, ...]()
    if running is not None and (running.turn in losers or running.kind == "compaction"):
        ended = end_running(state, "cancelled", moment, reason=reason, cause="user")
    waiting = tuple(
        TurnEnded(turn=turn.turn, status="cancelled", reason=reason, cause="user")
        for turn in state.queued
        if turn.turn in losers
    )
    return (*ended, *waiting)


def _with_last_lines(history: list[Line], ended: Sequence[Durable]) -> list[Line]:
    """The transcript with what the ends of turns add to it."""
    lines = list(history)
    for event in ended:
        if isinstance(event, MessagePosted):
            place(lines, event.message)
        elif isinstance(event, ToolReturned):
            place_result(lines, event.result)
    return lines
