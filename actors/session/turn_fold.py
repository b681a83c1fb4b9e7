"""The fold of the turn lane: what waits, what runs, and what it leaves when it ends."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from .empty import NO_ENTRIES, own_dict
from .events import TurnEnded, TurnQueued, TurnStarted
from .state import REMEMBERED_KEYS, REMEMBERED_TURNS, Outcome, PendingTurn, State
from .transcript import Message, ToolResult
from .view import open_calls, outputs_of, prefix_of, start_of
from .wakes import without


def queue(state: State, event: TurnQueued) -> None:
    """It waits: one that steers before those that do not."""
    state.last_turn = max(state.last_turn, event.turn)
    state.greeted = state.greeted or event.kind == "greeting"
    waiting = _pending(event)
    first_other = sum(turn.steer for turn in state.queued) if event.steer else len(state.queued)
    state.queued = (*state.queued[:first_other], waiting, *state.queued[first_other:])


def start_turn(state: State, event: TurnStarted) -> None:
    """It runs, for the first time or again."""
    turn, running = event.turn, state.running
    if running is not None and running.turn == turn:
        _start_again(state, running, event)
        return
    known = next((waiting for waiting in state.queued if waiting.turn == turn), None)
    if known is not None:
        _take_out(state, turn)
    begun = replace(known or _pending(event), attempt=event.attempt)
    state.running = _measured(state, begun)
    state.greeted = state.greeted or event.kind == "greeting"
    state.last_turn = max(state.last_turn, turn)


def end_turn(state: State, event: TurnEnded) -> None:
    """It neither runs nor waits any more; its outcome is remembered."""
    running, turn = state.running, event.turn
    if running is not None and running.turn == turn:
        if running.answer_key and event.status in ("cancelled", "superseded"):
            state.aborted = own_dict(state.aborted)
            state.aborted[running.answer_key] = turn
            _forget_oldest(state.aborted, REMEMBERED_KEYS)
        state.running = state.approval = None
        state.open_calls = NO_ENTRIES
    else:
        _take_out(state, turn)
    if state.wakes is not None:
        state.wakes = without(state.wakes, turn)
    outcome = Outcome(status=event.status, reason=event.reason, cause=event.cause)
    _remember_outcome(state, turn, outcome)


def steer(state: State, turn: int, into: int) -> None:
    """The message goes behind what the running turn has said so far, and is part of that turn."""
    _take_out(state, turn)
    steered = [line for line in state.history if line.turn == turn]
    state.history = [line for line in state.history if line.turn != turn]
    ends = (i for i, line in enumerate(state.history, 1) if line.turn == into)
    at = max(ends, default=start_of(state.history, into))  # a greeting may have said nothing yet
    state.history[at:at] = [replace(line, turn=into) for line in steered]
    _remember_outcome(state, turn, Outcome(status="completed", into=into))


def _take_out(state: State, turn: int) -> None:
    state.queued = tuple(waiting for waiting in state.queued if waiting.turn != turn)


def _pending(event: TurnQueued | TurnStarted) -> PendingTurn:
    return PendingTurn(
        turn=event.turn,
        user=event.user,
        kind=event.kind,
        prompt=event.prompt,
        answer_key=event.answer_key,
        keep=event.keep,
        steer=isinstance(event, TurnQueued) and event.steer,
    )


def _start_again(state: State, running: PendingTurn, event: TurnStarted) -> None:
    """Go on after a decision, or anew from where that was, or from the beginning."""
    if event.resumed:
        resume, state.approval = state.approval, None
        kept = len(outputs_of(state.history, event.turn))
        state.running = replace(
            running, attempt=event.attempt, resume=resume, kept=kept, open=list(state.open_calls)
        )
    else:
        _forget_outputs(state, running)
        state.running = _measured(state, replace(running, attempt=event.attempt, cause=None))


def _measured(state: State, running: PendingTurn) -> PendingTurn:
    """What a compaction summarises is what stands there as it begins, whatever comes later."""
    if running.kind != "compaction":
        return running
    waiting = [turn.turn for turn in state.queued]
    return replace(running, kept=prefix_of(state.history, running.keep, waiting))


def _remember_outcome(state: State, turn: int, outcome: Outcome) -> None:
    state.outcomes = own_dict(state.outcomes)
    state.outcomes[turn] = outcome
    _forget_oldest(state.outcomes, REMEMBERED_TURNS)


def _forget_outputs(state: State, running: PendingTurn) -> None:
    """Take the turn's outputs, but those it had when it went on after an approval, out of the
    transcript. The results of calls that were open then came later, wherever they stand.

    A new list: a pipeline that still reads the old one sees it as it was.
    """
    turn, was_open = running.turn, running.open
    outputs = outputs_of(state.history, turn)
    late = [line for line in outputs if isinstance(line, ToolResult) and line.id in was_open]
    dropped = [*late, *[line for line in outputs if line not in late][running.kept :]]
    gone = set(map(id, dropped))
    state.history = [line for line in state.history if id(line) not in gone]
    state.messages -= sum(isinstance(line, Message) for line in dropped)
    state.open_calls = open_calls(state.history, turn) or NO_ENTRIES


def _forget_oldest(remembered: dict[Any, Any], most: int) -> None:
    while len(remembered) > most:
        del remembered[next(iter(remembered))]
