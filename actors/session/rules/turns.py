"""How messages become turns, and how a turn ends (architecture, section 6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

import msgspec

from ...errors import AnswerNotExpected, InvalidInput, NotAllowed, TurnBusy, TurnQueueFull
from ...ports import Policy, UserId
from ..approvals import is_decided
from ..commands import (
    FinishTurn,
    HandBack,
    Interrupt,
    LoseResources,
    PlaceAnswer,
    Post,
    Record,
    Recover,
    Send,
    Steer,
)
from ..events import (
    Cause,
    Durable,
    MessagePosted,
    SessionEnded,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnHandedBack,
    TurnQueued,
    TurnRolledBack,
    TurnStarted,
    TurnStatus,
    TurnSteered,
)
from ..settings import POLICIES
from ..state import State
from ..transcript import Message, ToolCall, ToolResult
from ..view import inputs_of, lines_of, outputs_of
from .checks import require, require_open
from .moment import Moment


def post(state: State, command: Post, moment: Moment) -> tuple[Durable, ...]:
    require_open(state, command.user)
    return (_posted(state, command, 0, moment),)


def send(state: State, command: Send, moment: Moment) -> tuple[Durable, ...]:
    """Post the message, and start its turn or queue it, as its policy says."""
    require_open(state, command.user)
    policy = _policy(state, command)
    turn, user, key = state.last_turn + 1, command.user, command.answer_key
    posted = _posted(state, command, turn, moment)
    queued = TurnQueued(turn=turn, user=user, answer_key=key)
    started = queued if moment.held else TurnStarted(turn=turn, user=user, answer_key=key)
    # While turns are held there may be some waiting and none running: they keep their place.
    first = state.running or next(iter(state.queued), None)
    if first is None:
        return (posted, started)
    match policy:
        case "reject":
            raise TurnBusy(state.id, str(first.turn))
        case "interrupt":
            return (*_superseded(state, command, turn, moment), posted, started)
        case "rollback":
            ended = _superseded(state, command, turn, moment)
            undone = (_rolled_back(state, user, ended),) if ended else ()
            return (*ended, *undone, posted, started)
        case "merge" if _joinable(state, user):
            return (_posted(state, command, state.queued[-1].turn, moment),)
        case "latest":
            replaced = _replaced(state, user, turn)
            if not replaced:
                require_place(state)
            return (*replaced, posted, queued)
        case "steer":
            require_place(state)
            return (posted, msgspec.structs.replace(queued, steer=state.running is not None))
        case "enqueue" | "merge":
            require_place(state)
            return (posted, queued)


def _policy(state: State, command: Send) -> Policy:
    """The policy of the message, if its author's role may choose it."""
    policy = command.policy or state.settings.policy
    role = state.participants[command.user].role
    if policy not in state.settings.policies.get(role, POLICIES):
        raise NotAllowed(state.id, command.user, role, f"policy {policy}")
    return policy


def require_place(state: State) -> None:
    """Refuse if as many turns wait as may."""
    limit = state.settings.max_queued_turns
    if len(state.queued) >= limit:
        raise TurnQueueFull(state.id, limit)


def _joinable(state: State, user: UserId) -> bool:
    """Whether the last turn that waits is one that the user's messages began."""
    last = state.queued[-1] if state.queued else None
    return last is not None and last.user == user and last.kind == "answer"


def _superseded(state: State, command: Send, by: int, moment: Moment) -> tuple[Durable, ...]:
    """The end of the running turn, which its author or who may interrupt may bring about."""
    running = state.running
    if running is None:
        return ()
    if running.user != command.user:
        require(state, command.user, "interrupt")
    return end_running(state, "superseded", moment, reason=f"by turn {by}", cause="superseded")


def _rolled_back(state: State, user: UserId, ended: Sequence[Durable]) -> TurnRolledBack:
    assert state.running is not None
    turn = state.running.turn
    removed = len(lines_of(state.history, turn)) + len(ended) - 1  # all of it but the end is lines
    return TurnRolledBack(turn=turn, by=user, removed=removed)


def _replaced(state: State, user: UserId, by: int) -> tuple[Durable, ...]:
    """The end of the user's own turns that wait for an answer."""
    return tuple(
        TurnEnded(
            turn=waiting.turn, status="superseded", reason=f"by turn {by}", cause="superseded"
        )
        for waiting in state.queued
        if waiting.user == user and waiting.kind == "answer"
    )


def interrupt(state: State, command: Interrupt, moment: Moment) -> tuple[Durable, ...]:
    """End a running or queued turn as cancelled; nothing, if there is no such turn any more."""
    require(state, command.user, "interrupt")
    reason = f"by {command.user}"
    running = state.running
    if running is not None and command.turn in (None, running.turn):
        ended = end_running(state, "cancelled", moment, reason=reason, cause="user")
        return (*ended, *next_turn(state, moment))
    if any(waiting.turn == command.turn for waiting in state.queued):
        assert command.turn is not None
        turn = command.turn
        return (TurnEnded(turn=turn, status="cancelled", reason=reason, cause="user"),)
    return ()


def record(state: State, command: Record, moment: Moment) -> tuple[Durable, ...]:
    """Keep what the running turn's pipeline yielded, after the text that came before it."""
    said = said_so_far(state, command.turn, moment)
    match command.output:
        case Message() as message:
            return (*said, *_placed(state, message, command.turn, moment))
        case ToolCall() as call if _is_repeated(state, call):
            return ()
        case ToolCall() as call:
            own = identified(calls_of(state, command.turn), call, command.turn)
            return (*said, ToolCalled(call=own))
        case ToolResult() as result:
            return (*said, ToolReturned(result=_matched(state, result, command.turn)))


def steer(state: State, command: Steer, moment: Moment) -> tuple[Durable, ...]:
    """Hand the waiting messages to the running turn, at a safe point: while no call is open.

    Not to a compaction, which answers nobody.
    """
    running, waiting = state.running, [turn for turn in state.queued if turn.steer]
    if not waiting or state.open_calls or running is None or running.kind == "compaction":
        return ()
    handed = (_handed(state, each.turn, command.turn) for each in waiting)
    return (*said_so_far(state, command.turn, moment), *handed)


def _handed(state: State, turn: int, into: int) -> TurnSteered:
    return TurnSteered(turn=turn, into=into, messages=len(inputs_of(state.history, turn)))


def place_answer(state: State, command: PlaceAnswer, moment: Moment) -> tuple[Durable, ...]:
    """Only the answer of a turn that was interrupted before it came, and only once."""
    key = command.answer.key
    if key not in state.aborted:
        raise AnswerNotExpected(state.id, key)
    return _placed(state, command.answer, 0, moment)


def hand_back(state: State, command: HandBack, moment: Moment) -> tuple[Durable, ...]:
    """Keep what the running turn has said, and why it is left."""
    running = state.running
    if running is None or state.approval is not None:
        return ()
    said = said_so_far(state, running.turn, moment, interrupted=True)
    return (*said, TurnHandedBack(turn=running.turn, cause=command.cause))


def finish(state: State, command: FinishTurn, moment: Moment) -> tuple[Durable, ...]:
    """End the running turn as its pipeline ended, and start the next one."""
    ended = end_running(state, command.status, moment, reason=command.reason, cause=command.cause)
    return (*ended, *next_turn(state, moment))


def recover(state: State, command: Recover, moment: Moment) -> tuple[Durable, ...]:
    """Settle the turn that an older activation left running: run it again, or call it lost."""
    running = state.running
    if running is None:
        return start_next(state, moment)
    if state.approval is not None:
        return resume_decided(state, moment)
    if running.attempt < command.attempts and not moment.held:
        again = running.attempt + 1
        started = TurnStarted(
            turn=running.turn, user=running.user, attempt=again, kind=running.kind
        )
        return (started,)
    reason = f"found running after a crash, attempt {running.attempt}"
    cause = running.cause or "crash"
    ended = end_running(state, "lost", moment, reason=reason, cause=cause)
    return (*ended, *next_turn(state, moment))


def lose_resources(state: State, command: LoseResources, moment: Moment) -> tuple[Durable, ...]:
    """What cannot run now fails: the turns that wait, for the lane or with a decision to go on.

    A session that has never worked ends (spec AX8).
    """
    reason = command.reason
    if state.lifecycle == "ended":
        return ()
    if command.for_good:
        return (*cancel_all(state, moment, reason=reason), SessionEnded(by="", reason=reason))
    resumed = end_running(state, "failed", moment, reason=reason) if is_decided(state) else ()
    failed = (TurnEnded(turn=turn.turn, status="failed", reason=reason) for turn in state.queued)
    return (*resumed, *failed)


def next_turn(state: State, moment: Moment, gone: Collection[int] = ()) -> tuple[Durable, ...]:
    """What follows the end of a turn: the start of the next one, or the end of the session.

    Queued turns that are `gone`, as they end with it, are passed over.
    """
    if state.closing is not None:
        left = cancel_waiting(state, "ended", "ended", gone)
        return (*left, SessionEnded(by=state.closing))
    return start_next(state, moment, gone)


def start_next(state: State, moment: Moment, gone: Collection[int] = ()) -> tuple[Durable, ...]:
    """The start of the first queued turn, unless the session is paused."""
    return start_queued(state, moment, gone) if state.lifecycle == "active" else ()


def start_queued(state: State, moment: Moment, gone: Collection[int] = ()) -> tuple[Durable, ...]:
    """The start of the first queued turn, unless turns are held."""
    waiting = next((turn for turn in state.queued if turn.turn not in gone), None)
    if waiting is None or moment.held:
        return ()
    return (TurnStarted(turn=waiting.turn, user=waiting.user, kind=waiting.kind),)


def resume_decided(state: State, moment: Moment) -> tuple[Durable, ...]:
    """The suspended turn goes on, if its approval is decided and turns are not held."""
    assert state.approval is not None
    if state.approval.decisions is None or moment.held:
        return ()
    return (resumption(state),)


def resumption(state: State) -> TurnStarted:
    """The suspended turn goes on."""
    running, approval = state.running, state.approval
    assert running is not None
    assert approval is not None
    return TurnStarted(
        turn=running.turn, user=running.user, attempt=running.attempt, resumed=approval.id
    )


def cancel_all(
    state: State, moment: Moment, *, reason: str, cause: Cause = "ended"
) -> tuple[Durable, ...]:
    """The end of the running turn and of every queued one."""
    running = state.running is not None
    ended = end_running(state, "cancelled", moment, reason=reason, cause=cause) if running else ()
    return (*ended, *cancel_waiting(state, reason, cause))


def cancel_waiting(
    state: State, reason: str, cause: Cause, gone: Collection[int] = ()
) -> tuple[Durable, ...]:
    """The end of every queued turn but those that are `gone` already."""
    return tuple(
        TurnEnded(turn=turn.turn, status="cancelled", reason=reason, cause=cause)
        for turn in state.queued
        if turn.turn not in gone
    )


def end_running(
    state: State,
    status: TurnStatus,
    moment: Moment,
    *,
    reason: str,
    cause: Cause | None = None,
) -> tuple[Durable, ...]:
    """What the turn had said, a stub for each open tool call (promise P19), and its end."""
    assert state.running is not None
    turn = state.running.turn
    stubs = tuple(
        ToolReturned(result=ToolResult(id=call, failed=True, stub=True, turn=turn))
        for call in state.open_calls
    )
    said = said_so_far(state, turn, moment, interrupted=status != "completed")
    return (*said, *stubs, TurnEnded(turn=turn, status=status, reason=reason, cause=cause))


def _posted(state: State, command: Post | Send, turn: int, moment: Moment) -> MessagePosted:
    # Every command brings its own copy of the user's id: 64 B of each message of the owner.
    author = state.owner if command.user == state.owner else command.user
    return MessagePosted(
        message=Message(
            role="user", author=author, text=command.text, turn=turn, at_ms=moment.at_ms
        )
    )


def said_so_far(
    state: State, turn: int, moment: Moment, *, interrupted: bool = False
) -> tuple[MessagePosted, ...]:
    """What the running turn has said and is in no event yet, as a message.

    A compaction gives no answer, whatever it says.
    """
    running = state.running
    if not moment.said or (running is not None and running.kind == "compaction"):
        return ()
    text, delivered = "".join(moment.said), None
    if interrupted and moment.delivered is not None:
        delivered = min(moment.delivered, len(text))
    message = Message(
        text=text, turn=turn, at_ms=moment.at_ms, interrupted=interrupted, delivered=delivered
    )
    return (MessagePosted(message=message),)


def _placed(state: State, message: Message, turn: int, moment: Moment) -> tuple[Durable, ...]:
    """An answer in its own turn: the running one, or by its key an interrupted one. An answer with
    a key that nobody waits for is dropped."""
    running = state.running
    if message.key and (running is None or message.key != running.answer_key):
        if message.key not in state.aborted:
            return ()
        turn = state.aborted[message.key]
    at_ms = message.at_ms or moment.at_ms
    placed = Message(text=message.text, turn=turn, at_ms=at_ms, key=message.key)
    return (MessagePosted(message=placed),)


def _is_repeated(state: State, call: ToolCall) -> bool:
    """Whether the turn had made the call before it was suspended: libraries repeat it on resume."""
    running = state.running
    if not call.id or running is None or running.resume is None:
        return False
    kept = outputs_of(state.history, running.turn)[: running.kept]
    known = (line for line in kept if isinstance(line, ToolCall))
    return any((line.id, line.name) == (call.id, call.name) for line in known)


def calls_of(state: State, turn: int) -> set[str]:
    """The ids of all calls that the turn has made."""
    return {line.id for line in outputs_of(state.history, turn) if isinstance(line, ToolCall)}


def identified(earlier: set[str], call: ToolCall, turn: int) -> ToolCall:
    """The call with its turn, and an id of its own: `turn.n`, if the pipeline gave none."""
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
