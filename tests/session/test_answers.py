from __future__ import annotations

from typing import Any

import pytest
from session.cast import call, do, record, room

from greenroom.actors.session.answers import CancelReceipt, JoinReceipt, Receipt, TurnTicket, answer
from greenroom.actors.session.commands import (
    Approve,
    Command,
    End,
    FinishTurn,
    Interrupt,
    Join,
    Pause,
    Post,
    Recover,
    Send,
)
from greenroom.actors.session.info import TurnResult, info, result_of
from greenroom.actors.session.state import REMEMBERED_TURNS, State
from greenroom.actors.session.transcript import ToolResult


def told(state: State, command: Command) -> Any:
    """What whoever sent the command hears."""
    return answer(state, command, do(state, command))


def send(**more: Any) -> Send:
    return Send(user="ann", text="?", **more)


# --- receipts ------------------------------------------------------------------------------------


def test_a_receipt_names_the_last_revision_of_its_command() -> None:
    state = room("bob")

    assert told(state, Post(user="bob", text="hi")) == Receipt(revision=2)
    assert told(state, End(by="ann")) == Receipt(revision=3)
    assert told(state, End(by="ann")) == Receipt(revision=3)


def test_r13_a_join_is_joined_or_pending() -> None:
    state = room(require_approval=True)
    bob = Join(user="bob", name="Bob", role="observer")

    assert told(state, bob) == JoinReceipt(status="pending", role="observer", revision=1)
    assert told(state, bob) == JoinReceipt(status="pending", role="observer", revision=1)
    do(state, Approve(by="ann", user="bob"))

    assert told(state, bob) == JoinReceipt(status="joined", role="observer", revision=2)


def test_rx11_the_host_joining_again_hears_that_it_is_the_host() -> None:
    assert told(room(), Join(user="ann", name="Ann")) == JoinReceipt(
        status="joined", role="host", revision=0
    )


# --- tickets -------------------------------------------------------------------------------------


def test_a_ticket_counts_the_turns_that_must_end_first() -> None:
    state = room()

    tickets = [told(state, send()) for _ in range(3)]

    assert tickets == [
        TurnTicket(turn=1, ahead=0, revision=2),
        TurnTicket(turn=2, ahead=1, revision=4, waits_for="turn"),
        TurnTicket(turn=3, ahead=2, revision=6, waits_for="turn"),
    ]


def test_a_turn_that_interrupts_has_none_ahead() -> None:
    state = room()
    do(state, send())
    do(state, send())

    ticket = told(state, send(policy="interrupt"))

    assert (ticket.turn, ticket.ahead) == (3, 0)


@pytest.mark.parametrize("policy", ["interrupt", "rollback"])
def test_the_ticket_is_of_the_message_not_of_what_it_cuts_short(policy: str) -> None:
    state = room()
    do(state, send())
    command = send(policy=policy)

    events = do(state, command, said=("half an",))

    ticket = answer(state, command, events)
    assert isinstance(ticket, TurnTicket)
    assert (ticket.turn, ticket.ahead) == (2, 0)


def test_a_turn_behind_one_that_waits_while_none_runs_has_one_ahead() -> None:
    state = room()
    do(state, send())
    do(state, send())
    do(state, FinishTurn(turn=1, status="completed"), held=True)

    ticket = told(state, send())

    assert (ticket.turn, ticket.ahead) == (3, 1)


# --- cancelling: who was first -------------------------------------------------------------------


@pytest.mark.parametrize("turn", [None, 1])
def test_cancelling_a_running_turn_is_won(turn: int | None) -> None:
    state = room()
    do(state, send())
    do(state, send())

    assert told(state, Interrupt(user="ann", turn=turn)) == CancelReceipt(verdict="won", turn=1)


def test_cancelling_a_queued_turn_is_won() -> None:
    state = room()
    do(state, send())
    do(state, send())

    assert told(state, Interrupt(user="ann", turn=2)) == CancelReceipt(verdict="won", turn=2)


def test_cancelling_a_completed_turn_says_that_completion_won() -> None:
    state = room()
    do(state, send())
    do(state, FinishTurn(turn=1, status="completed"))

    receipt = told(state, Interrupt(user="ann", turn=1))

    assert receipt == CancelReceipt(verdict="completion_won", turn=1)


@pytest.mark.parametrize(
    "ending",
    [
        Interrupt(user="ann"),
        FinishTurn(turn=1, status="failed"),
        send(policy="interrupt"),
        Recover(attempts=1),
    ],
    ids=["cancelled", "failed", "superseded", "lost"],
)
def test_cancelling_a_turn_that_ended_otherwise_says_so(ending: Command) -> None:
    state = room()
    do(state, send())
    do(state, ending)

    receipt = told(state, Interrupt(user="ann", turn=1))

    assert receipt == CancelReceipt(verdict="already_ended", turn=1)


@pytest.mark.parametrize("turn", [None, 1, 99])
def test_cancelling_what_never_was_is_unknown(turn: int | None) -> None:
    receipt = told(room(), Interrupt(user="ann", turn=turn))

    assert receipt == CancelReceipt(verdict="unknown", turn=turn)


def test_cancelling_a_turn_that_ended_too_long_ago_is_unknown() -> None:
    state = room()
    for turn in range(1, REMEMBERED_TURNS + 2):
        do(state, send())
        do(state, FinishTurn(turn=turn, status="completed"))

    assert told(state, Interrupt(user="ann", turn=1)).verdict == "unknown"
    assert told(state, Interrupt(user="ann", turn=2)).verdict == "completion_won"


def test_a_second_cancel_hears_that_the_first_one_won() -> None:
    state = room()
    do(state, send())

    verdicts = [told(state, Interrupt(user="ann", turn=1)).verdict for _ in range(3)]

    assert verdicts == ["won", "already_ended", "already_ended"]


# --- results and the session at a glance ---------------------------------------------------------


def test_a_result_is_all_text_that_the_turn_said() -> None:
    state = room()
    do(state, send())
    do(state, send())
    for command in record(1, "one ", call(id="a"), ToolResult(value="not text"), "two "):
        do(state, command)
    do(state, FinishTurn(turn=1, status="failed", reason="Boom"), said=("thr",))
    do(state, Post(user="ann", text="mine"))

    result = result_of(state, 1, state.outcomes[1])

    assert result == TurnResult(turn=1, status="failed", text="one two thr", reason="Boom")


def test_r07_a_session_at_a_glance() -> None:
    state = room("bob", require_approval=False)
    for _ in range(3):
        do(state, send())
    do(state, Pause(by="ann"), at_ms=7000)

    seen = info(state)

    assert (seen.id, seen.name, seen.state, seen.host) == ("s", "a room", "paused", "ann")
    assert {user: member.role for user, member in seen.participants.items()} == {
        "ann": "host",
        "bob": "participant",
    }
    assert (seen.running_turn, seen.queued_turns, seen.messages) == (1, [2, 3], 3)
    assert (seen.created_ms, seen.updated_ms, seen.revision) == (1000, 7000, 8)


def test_a_session_at_a_glance_is_a_copy() -> None:
    state = room(require_approval=True)
    do(state, Join(user="bob", name="Bob"))
    seen = info(state)

    do(state, Approve(by="ann", user="bob"))

    assert seen.pending == ["bob"]
    assert list(seen.participants) == ["ann"]
