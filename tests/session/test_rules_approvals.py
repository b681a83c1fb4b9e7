from __future__ import annotations

from typing import Any

import pytest
from session.cast import call, do, lines, record, refuse, room, written_out

from greenroom.actors.errors import InvalidInput, NoApproval, NotAllowed, NotMember, TurnBusy
from greenroom.actors.session import events as happened
from greenroom.actors.session.answers import DecideReceipt, answer, waits_for
from greenroom.actors.session.approvals import pending
from greenroom.actors.session.commands import (
    Decide,
    End,
    Expire,
    FinishTurn,
    Interrupt,
    Join,
    Leave,
    Pause,
    Recover,
    Send,
    Suspend,
)
from greenroom.actors.session.info import info, snapshot
from greenroom.actors.session.pipeline import Turn
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import ToolCall, ToolResult


def suspended(*guests: str, calls: Any = ("a", "b"), said: Any = (), **settings: Any) -> State:
    """Ann has asked something, and her turn waits for the approval of `calls`."""
    state = room(*guests, **settings)
    do(state, Send(user="ann", text="?"))
    suspend(state, *(call(id=name) for name in calls), said=said)
    return state


def suspend(
    state: State, *calls: ToolCall, saved: Any = None, said: Any = (), expires_s: float = 60.0
) -> str:
    """The running turn asks for the approval of `calls`; the id of it."""
    assert state.running is not None
    ask = Suspend(turn=state.running.turn, calls=list(calls), expires_s=expires_s, saved=saved)
    do(state, ask, said=said)
    assert state.approval is not None
    return state.approval.id


def decide(user: str = "ann", approval: str | None = None, **decisions: bool) -> Decide:
    return Decide(user=user, decisions=decisions, approval=approval)


def statuses(state: State) -> dict[int, str]:
    return {turn: outcome.status for turn, outcome in state.outcomes.items()}


# --- asking --------------------------------------------------------------------------------------


def test_a_turn_that_asks_says_what_it_has_said_and_opens_its_calls() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))
    ask = Suspend(turn=1, calls=[call(id="a", at=1), call("leap")], expires_s=1.5)

    said, first, second, requested = do(state, ask, said=("let me ", "see"), at_ms=2000)

    assert isinstance(said, happened.MessagePosted)
    assert said.message.text == "let me see"
    assert not said.message.interrupted
    assert isinstance(first, happened.ToolCalled)
    assert first.call == ToolCall(name="look", id="a", arguments={"at": 1}, turn=1)
    assert second == happened.ToolCalled(call=ToolCall(name="leap", id="1.2", turn=1))
    assert requested == happened.ApprovalRequested(
        turn=1, approval="1-2", calls=["a", "1.2"], expires_ms=3500
    )
    assert state.open_calls == {"a": "look", "1.2": "leap"}
    assert state.running is not None


def test_a_call_that_is_open_already_is_not_made_again() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))
    do(state, record(1, call(id="a"))[0])

    suspend(state, call(id="a"), call(id="b"))

    assert lines(state)[1:] == ["call a", "call b"]
    assert state.approval is not None
    assert state.approval.calls == ["a", "b"]


def test_ids_that_are_made_up_are_never_those_given() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))
    do(state, record(1, call(id="1.2"))[0])

    suspend(state, call(), call(id="1.3"), call())

    assert state.approval is not None
    assert len(set(state.approval.calls) | {"1.2"}) == 4
    assert state.open_calls.keys() == set(state.approval.calls) | {"1.2"}


def test_a_call_that_has_its_result_cannot_be_asked_about() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))
    for output in record(1, call(id="a"), ToolResult(id="a")):
        do(state, output)

    refuse(state, Suspend(turn=1, calls=[call(id="a")], expires_s=1.0), InvalidInput)


def test_every_approval_of_a_session_has_an_id_of_its_own() -> None:
    state = suspended(calls=["a"])
    first = state.approval

    do(state, decide(a=True))
    second = suspend(state, call(id="b"))

    assert first is not None
    assert first.id != second


# --- deciding ------------------------------------------------------------------------------------


def test_a23_each_call_is_approved_or_rejected_and_a_missing_one_is_rejected() -> None:
    state = suspended(calls=["a", "b", "c"])
    approval = state.approval
    assert approval is not None

    decided, resumed = do(state, decide("ann", approval.id, a=True, b=False, stranger=True))

    assert decided == happened.ApprovalDecided(
        turn=1, approval=approval.id, by="ann", decisions={"a": True, "b": False, "c": False}
    )
    assert resumed == happened.TurnStarted(turn=1, user="ann", resumed=approval.id)
    assert state.approval is None
    assert state.running is not None
    assert state.running.resume is not None
    assert state.running.resume.decisions == {"a": True, "b": False, "c": False}


def test_a23_nothing_pending_is_a_refusal() -> None:
    for state in (room(), room(started=False)):
        refuse(state, decide(a=True), NoApproval)
    running = room()
    do(running, Send(user="ann", text="?"))

    assert refuse(running, decide("ann", "1-2", a=True), NoApproval).approval == "1-2"


def test_c22_an_approval_is_decided_once() -> None:
    state = suspended("bob")
    approval = state.approval
    assert approval is not None
    refuse(state, decide("bob", "1-99", a=True), NoApproval)

    do(state, decide("bob", approval.id, a=True))

    for late in (decide(a=False), decide("ann", approval.id), decide("bob", approval.id, a=True)):
        refuse(state, late, NoApproval)
    assert do(state, Expire(approval=approval.id)) == ()


def test_only_who_may_decides() -> None:
    state = suspended("bob", roles={"judge": ["decide"], "talker": ["speak", "interrupt"]})
    for role in ("observer", "judge", "talker"):
        do(state, Join(user=role, name=role, role=role))

    refuse(state, decide("nobody", a=True), NotMember)
    assert refuse(state, decide("observer", a=True), NotAllowed).permission == "decide"
    refuse(state, decide("talker", a=True), NotAllowed)

    assert do(state, decide("judge", a=True))


def test_the_receipt_tells_what_was_decided() -> None:
    state = suspended()
    command = decide(a=True)
    approval = state.approval

    told = answer(state, command, do(state, command))

    assert approval is not None
    assert told == DecideReceipt(
        turn=1, approval=approval.id, decisions={"a": True, "b": False}, revision=state.revision
    )


def test_nobody_decides_in_time_and_all_is_rejected() -> None:
    state = suspended()
    approval = state.approval
    assert approval is not None
    assert do(state, Expire(approval="another")) == ()

    decided, resumed = do(state, Expire(approval=approval.id))

    assert decided == happened.ApprovalDecided(
        turn=1, approval=approval.id, by=None, decisions={"a": False, "b": False}
    )
    assert isinstance(resumed, happened.TurnStarted)
    refuse(state, decide("ann", approval.id, a=True), NoApproval)


def test_while_turns_are_held_a_decision_waits_for_the_next_activation() -> None:
    state = suspended()
    approval = state.approval
    assert approval is not None

    (decided,) = do(state, decide(a=True), held=True)

    assert isinstance(decided, happened.ApprovalDecided)
    refuse(state, decide(a=True), NoApproval)
    assert pending(state) is None
    assert info(state).approval is None
    assert do(state, Recover(attempts=1), held=True) == ()
    (resumed,) = do(written_out(state), Recover(attempts=1))
    assert resumed == happened.TurnStarted(turn=1, user="ann", resumed=approval.id)


def test_a_decision_resumes_the_turn_of_a_paused_session() -> None:
    """It is a turn that runs, and pausing lets that go on."""
    state = suspended()
    do(state, Pause(by="ann"))

    assert len(do(state, decide(a=True))) == 2


# --- what the pipeline is told, and tells --------------------------------------------------------


def resumed_turn(state: State) -> Turn:
    assert state.running is not None
    return Turn(state, state.running)


def test_the_pipeline_is_told_decisions_what_it_saved_and_what_its_turn_has() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))
    saved = {"step": [1, b"x".hex()]}
    suspend(state, call(id="a"), saved=saved, said=["wait"])
    do(state, decide(a=True))

    turn = resumed_turn(state)

    assert (turn.id, turn.attempt) == (1, 1)
    assert turn.decisions == {"a": True}
    assert turn.saved == saved
    assert [type(line).__name__ for line in turn.progress] == ["Message", "ToolCall"]
    turn.saved["step"].append(2)
    assert resumed_turn(state).saved == saved


def test_a_call_that_is_repeated_on_resume_is_not_recorded_twice() -> None:
    state = suspended()
    do(state, decide(a=True))

    assert do(state, record(1, call(id="a"))[0]) == ()
    do(state, record(1, ToolResult(id="a", value=1))[0])
    assert do(state, record(1, call(id="a"))[0], said=["so"]) == ()

    do(state, record(1, call(id="c"))[0])
    assert lines(state)[1:] == ["call a", "call b", "result a", "call c"]
    refuse(state, record(1, call(id="c"))[0], InvalidInput)
    refuse(state, record(1, call("another", id="b"))[0], InvalidInput)


def test_results_of_approved_and_rejected_calls_close_them_and_the_rest_get_stubs() -> None:
    state = suspended(calls=["a", "b", "c"])
    do(state, decide(a=True))

    for output in record(1, ToolResult(id="a", value=1), ToolResult(id="b", failed=True)):
        do(state, output)
    do(state, FinishTurn(turn=1, status="completed"))

    assert lines(state)[1:] == ["call a", "call b", "call c", "result a", "result b", "stub c"]
    assert statuses(state) == {1: "completed"}


def test_a_resumed_turn_may_ask_again() -> None:
    state = suspended(calls=["a"])
    do(state, decide(a=True))
    do(state, record(1, ToolResult(id="a"))[0])

    approval = suspend(state, call(id="b"), saved=2)
    do(state, decide("ann", approval))

    turn = resumed_turn(state)
    assert (turn.decisions, turn.saved) == ({"b": False}, 2)
    assert lines(state)[1:] == ["call a", "result a", "call b"]
    assert do(state, record(1, call(id="a"))[0]) == ()


def test_a_crash_of_a_resumed_run_is_retried_from_where_it_was_resumed() -> None:
    state = suspended(said=["first"])
    do(state, decide(a=True))
    for output in record(1, "then", call(id="c"), ToolResult(id="a", value=1)):
        do(state, output)

    (again,) = do(state, Recover(attempts=2))

    assert again == happened.TurnStarted(turn=1, user="ann", attempt=2)
    assert lines(state)[1:] == ["first", "call a", "call b"]
    assert state.open_calls == {"a": "look", "b": "look"}
    turn = resumed_turn(state)
    assert (turn.attempt, turn.decisions) == (2, {"a": True, "b": False})
    assert do(state, record(1, call(id="a"))[0]) == ()


def test_a_resumed_run_that_crashed_too_often_is_lost() -> None:
    state = suspended()
    do(state, decide(a=True))

    do(state, Recover(attempts=1))

    assert statuses(state) == {1: "lost"}
    assert lines(state)[1:] == ["call a", "call b", "stub a", "stub b"]


# --- what happens meanwhile ----------------------------------------------------------------------


def test_a_suspended_turn_is_not_lost() -> None:
    state = suspended()

    for held in (False, True):
        assert do(state, Recover(attempts=1), held=held) == ()


ENDINGS: dict[str, tuple[Any, str]] = {
    "cancelled": (Interrupt(user="ann"), "cancelled"),
    "superseded": (Send(user="ann", text="no", policy="interrupt"), "superseded"),
    "rolled back": (Send(user="ann", text="no", policy="rollback"), "superseded"),
    "ended by the host": (End(by="ann"), "cancelled"),
    "left by everyone": (Leave(user="ann"), "cancelled"),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_ax17_however_a_suspended_turn_ends_its_approval_goes_with_it(way: str) -> None:
    """The old approval pointed at calls that had been removed."""
    ending, status = ENDINGS[way]
    state = suspended()
    approval = state.approval
    assert approval is not None

    do(state, ending)

    assert state.approval is None
    assert state.open_calls == {}
    assert statuses(state) == {1: status}
    assert pending(state) is None
    assert do(state, Expire(approval=approval.id)) == ()
    if way != "left by everyone":
        refuse(state, decide("ann", approval.id, a=True), NoApproval)
    if way != "rolled back":
        assert {"stub a", "stub b"} < set(lines(state))


def test_c22_a_message_meanwhile_has_the_effect_of_its_policy() -> None:
    state = suspended("bob")

    refuse(state, Send(user="bob", text="now", policy="reject"), TurnBusy)
    send = Send(user="bob", text="then", policy="enqueue")
    ticket: Any = answer(state, send, do(state, send))
    assert (ticket.turn, ticket.ahead, ticket.waits_for) == (2, 1, "approval")
    do(state, Send(user="bob", text="rather", policy="steer"))

    assert [waiting.turn for waiting in state.queued] == [3, 2]
    do(state, decide(a=True))
    assert waits_for(state) == "turn"
    do(state, FinishTurn(turn=1, status="completed"))
    assert state.running is not None
    assert state.running.turn == 3


def test_cancelling_a_turn_behind_it_leaves_the_approval_alone() -> None:
    state = suspended()
    do(state, Send(user="ann", text="and"))

    do(state, Interrupt(user="ann", turn=2))

    assert state.approval is not None


# --- what clients see ----------------------------------------------------------------------------


def test_whoever_comes_later_sees_what_waits() -> None:
    state = suspended(calls=["a"])
    approval = state.approval
    assert approval is not None

    shown = snapshot(state, ()).approval

    assert shown is not None
    assert (shown.id, shown.turn, shown.expires_ms) == (approval.id, 1, approval.expires_ms)
    assert shown.calls == (ToolCall(name="look", id="a", turn=1),)
    assert info(state).approval == approval.id
    shown.calls[0].arguments["x"] = 1
    again = pending(state)
    assert again is not None
    assert again.calls[0].arguments == {}


def test_what_a_pipeline_saves_is_for_nobody_else() -> None:
    state = room()
    do(state, Send(user="ann", text="?"))

    events = do(state, Suspend(turn=1, calls=[call()], expires_s=1.0, saved="secret"))

    assert "secret" not in repr(events)
    assert "secret" not in repr((snapshot(state, ()), info(state)))
    assert written_out(state) == state
    assert state.approval is not None
    assert state.approval.saved == "secret"
