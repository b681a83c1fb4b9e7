"""What makes a transcript one that a model takes (promise P19)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from session.cast import Act, acts, call, do, lines, perform, record, room, written_out

from greenroom.actors.session.audit import audit, report
from greenroom.actors.session.commands import (
    Decide,
    FinishTurn,
    Interrupt,
    Recover,
    Send,
    Suspend,
)
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Line, Message, ToolCall, ToolResult


def called(id: str = "a", turn: int = 1) -> ToolCall:  # noqa: A002
    return ToolCall(name="look", id=id, turn=turn)


def returned(id: str = "a", turn: int = 1, *, stub: bool = False) -> ToolResult:  # noqa: A002
    return ToolResult(id=id, turn=turn, failed=stub, stub=stub)


def said(text: str = "so", turn: int = 1, role: Any = "assistant") -> Message:
    return Message(text=text, turn=turn, role=role)


ASKED = said("?", role="user")

VALID: list[list[Line]] = [
    [],
    [ASKED, said()],
    [ASKED, called(), returned(), said()],
    [ASKED, called(), returned(stub=True)],
    [ASKED, called("a"), called("b"), returned("b"), returned("a"), said()],
    [ASKED, called("a"), returned("a"), called("b"), returned("b")],
    [called(turn=1), returned(turn=1), said("?", 2, "user"), called(turn=2), returned(turn=2)],
]  # fmt: skip


@pytest.mark.parametrize("history", VALID)
def test_p19_a_valid_transcript_has_no_problem(history: list[Line]) -> None:
    assert audit(history) == ()


INVALID: list[tuple[list[Line], list[tuple[int, str]]]] = [
    ([ASKED, called()], [(1, "call a of turn 1 has no result")]),
    (
        [ASKED, called(), said(), ASKED],
        [(1, "call a of turn 1 has no result")],
    ),
    (
        [ASKED, called(), said("hm"), returned()],
        [(3, "call a of turn 1 has a result only after line 2 was said")],
    ),
    (
        [ASKED, called(), said("?", 2, "user"), returned()],
        [(3, "call a of turn 1 has a result only after line 2 was said")],
    ),
    (
        [ASKED, called(), said("in short", 0, "system"), returned()],
        [(3, "call a of turn 1 has a result only after line 2 was said")],
    ),
    ([ASKED, returned()], [(1, "call a of turn 1 has a result, but was not made before")]),
    (
        [ASKED, returned(), called()],
        [
            (1, "call a of turn 1 has a result, but was not made before"),
            (2, "call a of turn 1 has no result"),
        ],
    ),
    (
        [ASKED, called(), returned(), returned(stub=True)],
        [(3, "call a of turn 1 has a result already")],
    ),
    (
        [ASKED, called(), returned(), called(), returned()],
        [
            (3, "call a of turn 1 was made before, at line 1"),
            (4, "call a of turn 1 has a result already"),
        ],
    ),
    (
        [ASKED, called(turn=1), returned(turn=2)],
        [
            (1, "call a of turn 1 has no result"),
            (2, "call a of turn 2 has a result, but was not made before"),
        ],
    ),
]


@pytest.mark.parametrize(("history", "problems"), INVALID)
def test_p19_an_invalid_transcript_names_the_lines(
    history: list[Line], problems: list[tuple[int, str]]
) -> None:
    assert [(problem.line, problem.what) for problem in audit(history)] == problems


def test_p19_calls_of_the_turn_that_runs_may_be_open_and_no_others() -> None:
    history: list[Line] = [ASKED, called(turn=1), said("?", 2, "user"), called(turn=2)]

    assert [problem.line for problem in audit(history, live=1)] == [3]
    assert [problem.line for problem in audit(history, live=2)] == [1]


def test_p19_the_turn_that_runs_may_not_have_a_result_out_of_place() -> None:
    history: list[Line] = [ASKED, called(), said("hm"), returned()]

    assert [problem.line for problem in audit(history, live=1)] == [3]


def test_p19_the_report_tells_which_turn_runs_and_how_much_was_looked_at() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))
    do(state, record(1, call(id="a"))[0])

    told = report(state)

    assert (told.valid, told.lines, told.problems) == (True, 2, ())
    state.running = None
    broken = report(state)
    assert not broken.valid
    assert [problem.line for problem in broken.problems] == [1]


def test_p19_a_result_stands_behind_its_call_though_the_pipeline_has_gone_on_talking() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))

    for command in record(1, call(id="a"), call(id="b"), "one moment", ToolResult(id="b")):
        do(state, command)
    do(state, Interrupt(user="ann"))

    kinds = [type(line).__name__ for line in state.history]
    assert kinds == ["Message", "ToolCall", "ToolCall", "ToolResult", "ToolResult", "Message"]
    assert report(state).valid


def test_p19_a_further_attempt_begins_with_the_lines_of_then_wherever_results_stand() -> None:
    """A result that came after the approval stands before text from before it."""
    state = room()
    do(state, Send(user="ann", text="?"))
    for command in record(1, call(id="a"), "one moment"):
        do(state, command)
    do(state, Suspend(turn=1, calls=[call(id="b")], expires_s=60.0, saved=None))
    before = lines(state)
    do(state, Decide(user="ann", decisions={"b": True}))
    for command in record(1, ToolResult(id="b"), ToolResult(id="a"), "so"):
        do(state, command)
    assert lines(state) == [
        "ann:?", "call a", "result a", "one moment", "call b", "result b", "so",
    ]  # fmt: skip

    do(state, Recover(attempts=2))

    assert lines(state) == before
    assert list(state.open_calls) == ["a", "b"]


def valid(state: State) -> bool:
    return report(state).valid and report(written_out(state)).valid


@settings(max_examples=300, deadline=None)
@given(script=acts())
def test_p19_no_script_leaves_an_invalid_transcript_at_any_moment(script: list[Act]) -> None:
    state = room("bob")

    for act in script:
        perform(state, act)
        assert valid(state), [problem.what for problem in report(state).problems]

    if state.running is not None:
        do(state, FinishTurn(turn=state.running.turn, status="completed"))
        assert report(state).valid
