"""Sessions in a test's hand: a state, the rules on it, and commands drawn by lot."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st

from greenroom.actors.errors import Refused
from greenroom.actors.session.commands import (
    Approve,
    CancelWake,
    Command,
    Compact,
    Decide,
    End,
    Expire,
    FinishTurn,
    Fire,
    Greet,
    Interrupt,
    Join,
    Leave,
    Pause,
    Post,
    Record,
    RecordInteraction,
    Recover,
    Resume,
    Send,
    SetDialog,
    SetExport,
    SetGraphState,
    SetLanguage,
    SetMetadata,
    SetTitle,
    SetWake,
    Start,
    Suspend,
    Truncate,
    Undo,
)
from greenroom.actors.session.events import Durable
from greenroom.actors.session.fold import apply, save
from greenroom.actors.session.rules import decide
from greenroom.actors.session.rules.moment import Moment
from greenroom.actors.session.settings import Settings
from greenroom.actors.session.state import Genesis, State, decode_state, encode_state
from greenroom.actors.session.transcript import Message, ToolCall, ToolResult
from greenroom.actors.session.wakes import Repeat, due_by

R = TypeVar("R", bound=Refused)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
"""Every free-form value that a session takes."""


def genesis(*, started: bool = True, **settings: Any) -> Genesis:
    """Ann makes a session."""
    return Genesis(
        id="s",
        incarnation="cafe",
        owner="ann",
        owner_name="Ann",
        name="a room",
        created_ms=1000,
        started=started,
        settings=Settings(**settings),
    )


def room(*guests: str, started: bool = True, **settings: Any) -> State:
    """Ann's session, and those who have joined it, in that order."""
    state = State.at_creation(genesis(started=started, **settings))
    for guest in guests:
        do(state, Join(user=guest, name=guest.title()))
    return state


def do(
    state: State,
    command: Command,
    *,
    said: Sequence[str] = (),
    at_ms: int = 2000,
    held: bool = False,
) -> tuple[Durable, ...]:
    """Decide, and fold what follows. `said` is what the running turn has streamed."""
    events = decide(state, command, Moment(at_ms, said, held))
    for event in events:
        apply(state, event, at_ms)
    if isinstance(command, Suspend) and command.saved is not None:
        save(state, command.saved)
    return events


def refuse(state: State, command: Command, why: type[R]) -> R:
    """The refusal of `command`: of exactly this kind, with nothing changed and no revision used."""
    before = copy.deepcopy(state)

    with pytest.raises(why) as refusal:
        decide(state, command, Moment(2000, ("half a sen",)))

    assert type(refusal.value) is why
    assert encode_state(state) == encode_state(before)
    return refusal.value


def call(tool: str = "look", id: str = "", **arguments: Any) -> ToolCall:  # noqa: A002
    return ToolCall(name=tool, id=id, arguments=arguments)


def record(turn: int, *outputs: str | ToolCall | ToolResult) -> list[Record]:
    """What the running turn tells its session for each output it has kept."""
    return [
        Record(turn=turn, output=Message(text=output) if isinstance(output, str) else output)
        for output in outputs
    ]


def lines(state: State) -> list[str]:
    """The transcript in short: `user:text`, `text`, `call id`, `result id` or `stub id`."""
    return [_short(line) for line in state.history]


def _short(line: Message | ToolCall | ToolResult) -> str:
    match line:
        case Message(text=text, role="assistant", interrupted=interrupted):
            return text + "-" * interrupted
        case Message(text=text, author=author):
            return f"{author}:{text}"
        case ToolCall(id=call):
            return f"call {call}"
        case ToolResult(id=call, stub=stub):
            return f"{'stub' if stub else 'result'} {call}"


USERS = st.sampled_from(["ann", "bob", "ann", "bob", "cem", "dee", "eve"])
_POLICY = st.sampled_from(["rollback", "merge", "latest"])
_SAID = st.lists(TEXT.filter(bool), max_size=2)
_ID = st.sampled_from(["", "", "a", "b", "1.1", "1.2", "2.1"])

Act = tuple[str, Any, list[str]]
"""Who acts (`people`, `turn`, `finish`, `ask`, `time`, `ring`, `restart`), with what, and what was
said."""

_CALLS = st.lists(
    st.builds(ToolCall, name=TEXT, id=_ID), min_size=1, max_size=3, unique_by=lambda call: call.id
)
_DECISIONS = st.dictionaries(_ID, st.booleans(), max_size=3)

_WHAT: dict[str, tuple[int, str, st.SearchStrategy[Any]]] = {
    "send": (8, "people", st.builds(Send, user=USERS, text=TEXT)),
    "output": (8, "turn", st.builds(Message, text=TEXT)),
    "call": (10, "turn", st.builds(ToolCall, name=TEXT, id=_ID)),
    "result": (8, "turn", st.builds(ToolResult, value=PLAIN, id=_ID)),
    "ask": (5, "ask", st.tuples(_CALLS, PLAIN)),
    "decide": (5, "people", st.builds(Decide, user=USERS, decisions=_DECISIONS)),
    "expire": (1, "time", st.just(None)),
    "finish": (4, "finish", st.sampled_from(["completed", "failed"])),
    "supersede": (2, "people", st.builds(Send, user=USERS, text=TEXT, policy=st.just("interrupt"))),
    "reject": (1, "people", st.builds(Send, user=USERS, text=TEXT, policy=st.just("reject"))),
    "shuffle": (3, "people", st.builds(Send, user=USERS, text=TEXT, policy=_POLICY)),
    "undo": (2, "people", st.builds(Undo, user=USERS)),
    "truncate": (1, "people", st.builds(Truncate, user=USERS, message=st.integers(0, 4))),
    "compact": (
        *(3, "people"),
        st.builds(Compact, user=USERS, keep=st.integers(0, 2), prompt=st.just("in short")),
    ),
    "post": (2, "people", st.builds(Post, user=USERS, text=TEXT)),
    "cancel": (3, "people", st.builds(Interrupt, user=USERS, turn=st.none() | st.integers(1, 6))),
    "greet": (1, "people", st.builds(Greet, user=USERS, prompt=TEXT)),
    "dialog": (1, "people", st.builds(SetDialog, user=USERS, dialog=st.just([]))),
    "interact": (
        *(1, "people"),
        st.builds(
            RecordInteraction,
            user=USERS,
            action=TEXT,
            feedback=st.sampled_from(["correct", "partial", "so-so", "", None]),
            metadata=st.dictionaries(TEXT, PLAIN, max_size=2),
        ),
    ),
    "record": (
        *(1, "people"),
        st.builds(SetGraphState, user=USERS, value=PLAIN)
        | st.builds(SetLanguage, user=USERS, language=st.sampled_from(["en", "tr"]))
        | st.builds(SetMetadata, user=USERS, patch=st.dictionaries(TEXT, PLAIN, max_size=2))
        | st.builds(SetTitle, user=USERS, title=st.none() | TEXT)
        | st.builds(SetExport, user=USERS, allowed=st.booleans()),
    ),
    "join": (4, "people", st.builds(Join, user=USERS, name=TEXT)),
    "watch": (2, "people", st.builds(Join, user=USERS, name=TEXT, role=st.just("observer"))),
    "approve": (3, "people", st.builds(Approve, by=USERS, user=USERS)),
    "leave": (3, "people", st.builds(Leave, user=USERS)),
    "start": (3, "people", st.builds(Start, by=USERS)),
    "pause": (2, "people", st.builds(Pause, by=USERS)),
    "resume": (4, "people", st.builds(Resume, by=USERS)),
    "wake": (
        *(2, "people"),
        st.builds(
            SetWake,
            user=USERS,
            name=st.sampled_from("ab"),
            after_ms=st.integers(0, 9),
            repeat=st.sampled_from([None, Repeat(every_ms=1000)]),
            payload=PLAIN,
            turn=st.booleans(),
        ),
    ),
    "unwake": (
        *(1, "people"),
        st.builds(CancelWake, user=USERS, name=st.sampled_from("ab")),
    ),
    "ring": (3, "ring", st.booleans()),
    "restart": (2, "restart", st.integers(1, 3)),
    "end": (1, "people", st.builds(End, by=USERS)),
}
_LOTS = st.sampled_from([what for what, (weight, _, _) in _WHAT.items() for _ in range(weight)])


def acts() -> st.SearchStrategy[list[Act]]:
    """A script for `perform`: what people, a pipeline and crashes do."""
    return st.lists(_LOTS.flatmap(_act), min_size=15, max_size=60)


def _act(what: str) -> st.SearchStrategy[Act]:
    _, who, command = _WHAT[what]
    return st.tuples(st.just(who), command, _SAID)


def perform(state: State, act: Act) -> tuple[Durable, ...]:
    """What the act causes, folded; nothing if it is refused or makes no sense now."""
    who, what, said = act
    running = state.running
    command: Command
    match who:
        case "people":
            command = what
        case "restart":
            command, said = Recover(attempts=what), []  # what was said is lost
        case "time":
            command = Expire(approval=state.approval.id if state.approval else "none")
        case "ring":
            due = due_by(state, state.updated_ms + 1)
            if not due:
                return ()
            command = Fire(name=due[0].name, due_ms=due[0].due_ms, turns=what)
        case _ if running is None or state.approval is not None:
            return ()
        case "turn" | "ask" if running.kind == "compaction":
            return ()  # its compactor says nothing but text, which is kept until it ends
        case "ask":
            calls, saved = what
            command = Suspend(turn=running.turn, calls=calls, expires_s=60.0, saved=saved)
        case "turn":
            command = Record(turn=running.turn, output=what)
        case _:
            command = FinishTurn(turn=running.turn, status=what)
    speaks = running is not None and state.approval is None
    try:
        return do(state, command, said=said if speaks else (), at_ms=state.updated_ms + 1)
    except Refused:
        return ()


def written_out(state: State) -> State:
    """The state after a passivation and a wake."""
    return decode_state(encode_state(state))
