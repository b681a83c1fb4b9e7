"""How messages become turns, and how a turn ends (architecture, section 6)."""

from __future__ import annotations

from itertools import count

import msgspec

from ...errors import InvalidInput, TurnBusy, TurnQueueFull
from ..commands import FinishTurn, Interrupt, Post, Record, Recover, Send
from ..events import (
    Durable,
    MessagePosted,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnQueued,
    TurnStarted,
    TurnStatus,
)
from ..state import State
from ..transcript import Message, ToolCall, ToolResult
from ..view import outputs_of
from .checks import require, require_state
from .moment import Moment


def post(state: State, command: Post, moment: Moment) -> tuple[Durable, ...]:
    require(state, command.user, "speak")
    require_state(state, "active")
    return (_posted(command, 0, moment),)


def send(state: State, command: Send, moment: Moment) -> tuple[Durable, ...]:
    """Post the message, and start its turn or queue it, as its policy says."""
    require(state, command.user, "speak")
    require_state(state, "active")
    turn = state.last_turn + 1
    posted = _posted(command, turn, moment)
    queued = TurnQueued(turn=turn, user=command.user)
    started = queued if moment.held else TurnStarted(turn=turn, user=command.user)
    # While turns are held there may be some waiting and none running: they keep their place.
    first = state.running or next(iter(state.queued), None)
    if first is None:
        return (posted, started)
    match command.policy:
        case "reject":
            raise TurnBusy(state.id, str(first.turn))
        case "interrupt":
            reason = f"by turn {turn}"
            running = state.running is not None
            ended = _end_running(state, "superseded", moment, reason=reason) if running else ()
            return (*ended, posted, started)
        case "enqueue":
            limit = state.settings.max_queued_turns
            if len(state.queued) >= limit:
                raise TurnQueueFull(state.id, limit)
            return (posted, queued)


def interrupt(state: State, command: Interrupt, moment: Moment) -> tuple[Durable, ...]:
    """End a running or queued turn as cancelled; nothing, if there is no such turn any more."""
    require(state, command.user, "interrupt")
    reason = f"by {command.user}"
    running = state.running
    if running is not None and command.turn in (None, running.turn):
        return (*_end_running(state, "cancelled", moment, reason=reason), *next_turn(state, moment))
    if any(waiting.turn == command.turn for waiting in state.queued):
        assert command.turn is not None
        return (TurnEnded(turn=command.turn, status="cancelled", reason=reason),)
    return ()


def record(state: State, command: Record, moment: Moment) -> tuple[Durable, ...]:
    """Keep what the running turn's pipeline yielded, after the text that came before it."""
    said = _said(command.turn, moment)
    match command.output:
        case Message(text=text):
            return (*said, MessagePosted(message=_answer(text, command.turn, moment)))
        case ToolCall() as call:
            return (*said, ToolCalled(call=_identified(state, call, command.turn)))
        case ToolResult() as result:
            return (*said, ToolReturned(result=_matched(state, result, command.turn)))


def finish(state: State, command: FinishTurn, moment: Moment) -> tuple[Durable, ...]:
    """End the running turn as its pipeline ended, and start the next one."""
    ended = _end_running(state, command.status, moment, reason=command.reason)
    return (*ended, *next_turn(state, moment))


def recover(state: State, command: Recover, moment: Moment) -> tuple[Durable, ...]:
    """Settle the turn that an older activation left running: run it again, or call it lost."""
    running = state.running
    if running is None:
        return next_turn(state, moment)
    if running.attempt < command.attempts and not moment.held:
        again = running.attempt + 1
        return (TurnStarted(turn=running.turn, user=running.user, attempt=again),)
    reason = f"found running after a crash, attempt {running.attempt}"
    return (*_end_running(state, "lost", moment, reason=reason), *next_turn(state, moment))


def next_turn(state: State, moment: Moment) -> tuple[Durable, ...]:
    """The start of the first queued turn, unless the session is paused."""
    return start_queued(state, moment) if state.lifecycle == "active" else ()


def start_queued(state: State, moment: Moment) -> tuple[Durable, ...]:
    """The start of the first queued turn, unless turns are held."""
    if not state.queued or moment.held:
        return ()
    waiting = state.queued[0]
    return (TurnStarted(turn=waiting.turn, user=waiting.user),)


def cancel_all(state: State, moment: Moment, *, reason: str) -> tuple[Durable, ...]:
    """The end of the running turn and of every queued one."""
    ended = _end_running(state, "cancelled", moment, reason=reason) if state.running else ()
    waiting = tuple(
        TurnEnded(turn=turn.turn, status="cancelled", reason=reason) for turn in state.queued
    )
    return (*ended, *waiting)


def _end_running(
    state: State, status: TurnStatus, moment: Moment, *, reason: str
) -> tuple[Durable, ...]:
    """What the turn had said, a stub for each open tool call (promise P19), and its end."""
    assert state.running is not None
    turn = state.running.turn
    stubs = tuple(
        ToolReturned(result=ToolResult(id=call, failed=True, stub=True, turn=turn))
        for call in state.open_calls
    )
    said = _said(turn, moment, interrupted=status != "completed")
    return (*said, *stubs, TurnEnded(turn=turn, status=status, reason=reason))


def _posted(command: Post | Send, turn: int, moment: Moment) -> MessagePosted:
    return MessagePosted(
        message=Message(
            role="user", author=command.user, text=command.text, turn=turn, at_ms=moment.at_ms
        )
    )


def _said(turn: int, moment: Moment, *, interrupted: bool = False) -> tuple[MessagePosted, ...]:
    if not moment.said:
        return ()
    message = _answer("".join(moment.said), turn, moment, interrupted=interrupted)
    return (MessagePosted(message=message),)


def _answer(text: str, turn: int, moment: Moment, *, interrupted: bool = False) -> Message:
    return Message(
        role="assistant", text=text, turn=turn, at_ms=moment.at_ms, interrupted=interrupted
    )


def _identified(state: State, call: ToolCall, turn: int) -> ToolCall:
    """The call with its turn, and an id of its own: `turn.n`, if the pipeline gave none."""
    earlier = {line.id for line in outputs_of(state.history, turn) if isinstance(line, ToolCall)}
    if call.id in earlier:
        raise InvalidInput("tool call id", call.id, "used once in a turn")
    numbered = (f"{turn}.{n}" for n in count(len(earlier) + 1))
    own = call.id or next(name for name in numbered if name not in earlier)
    return msgspec.structs.replace(call, turn=turn, id=own)


def _matched(state: State, result: ToolResult, turn: int) -> ToolResult:
    """The result with its turn, and the id of the open call it answers."""
    if result.id in state.open_calls:
        return msgspec.structs.replace(result, turn=turn)
    if not result.id and len(state.open_calls) == 1:
        return msgspec.structs.replace(result, turn=turn, id=next(iter(state.open_calls)))
    limit = f"the id of an open tool call, one of {sorted(state.open_calls)}"
    raise InvalidInput("tool result id", result.id, limit)
