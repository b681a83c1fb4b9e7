"""How a session ends in order, decided without a loop (spec A16, A17)."""

from __future__ import annotations

import pytest
from session.cast import do, lines, refuse, room

from greenroom.actors.errors import NotHost, SessionEnded
from greenroom.actors.session.commands import (
    Close,
    Conclude,
    Delete,
    End,
    FinishTurn,
    HandBack,
    Interrupt,
    Pause,
    Post,
    Recover,
    Send,
    TransferHost,
)
from greenroom.actors.session.events import (
    ApprovalRequested,
    SessionClosing,
    TurnEnded,
)
from greenroom.actors.session.events import (
    SessionEnded as Ended,
)
from greenroom.actors.session.fold import apply
from greenroom.actors.session.state import State

CLOSE = Close(by="ann", grace_s=5.0)
CLOSING, ENDED = SessionClosing(by="ann", grace_s=5.0), Ended(by="ann")


def busy(*more: str) -> State:
    """Ann's session with Bob in it, a running turn, and one that waits for each text of `more`."""
    state = room("bob")
    for text in ("think", *more):
        do(state, Send(user="ann", text=text))
    return state


def cancelled(turn: int, cause: str = "ended", status: str = "cancelled") -> TurnEnded:
    return TurnEnded(turn=turn, status=status, reason=cause, cause=cause)  # type: ignore[arg-type]


def test_a16_closing_cancels_what_waits_and_lets_the_running_turn_finish() -> None:
    state = busy("and", "then")

    assert do(state, CLOSE) == (CLOSING, cancelled(2), cancelled(3))

    assert (state.lifecycle, state.closing) == ("active", "ann")
    refuse(state, Post(user="bob", text="late"), SessionEnded)
    refuse(state, Send(user="ann", text="late"), SessionEnded)
    assert do(state, FinishTurn(turn=1, status="completed"))[-1] == ENDED
    assert (state.lifecycle, state.closing) == ("ended", None)


def test_a16_without_a_running_turn_there_is_nothing_to_wait_for() -> None:
    for state in (room(), room(started=False), busy()):
        if state.running is not None:
            do(state, FinishTurn(turn=1, status="completed"))
        assert do(state, CLOSE) == (ENDED,)

    paused = busy("wait")
    do(paused, Pause(by="ann"))
    do(paused, FinishTurn(turn=1, status="completed"))
    assert do(paused, CLOSE) == (cancelled(2), ENDED)


def test_a16_a_turn_that_is_suspended_is_cancelled_like_one_that_waits() -> None:
    state = busy("wait")
    asked = ApprovalRequested(turn=1, approval="a", calls=[], expires_ms=9_000)
    apply(state, asked, 2000)

    assert do(state, CLOSE) == (cancelled(1), cancelled(2), ENDED)


def test_a16_closing_twice_or_what_has_ended_changes_nothing() -> None:
    state = busy()
    do(state, CLOSE)

    assert do(state, Close(by="ann", grace_s=0.0)) == ()
    do(state, End(by="ann"))
    assert do(state, CLOSE) == ()


def test_a16_when_the_grace_is_over_the_running_turn_is_cancelled() -> None:
    state = busy()
    do(state, CLOSE)

    assert do(state, Conclude(), said=("half",))[1:] == (cancelled(1), ENDED)

    assert lines(state) == ["ann:think", "half-"]
    assert do(state, Conclude()) == ()
    assert do(busy(), Conclude()) == ()


def test_a16_an_interrupt_of_the_last_turn_ends_a_closing_session() -> None:
    state = busy()
    do(state, CLOSE)

    assert do(state, Interrupt(user="ann"))[-1] == ENDED


@pytest.mark.parametrize("attempts", [1, 3])
def test_a16_a_closing_session_that_is_found_again_ends(attempts: int) -> None:
    state = busy()
    do(state, CLOSE)
    do(state, HandBack(cause="drain"))

    lost, ended = do(state, Recover(attempts=attempts))

    assert (lost.status, lost.cause) == ("lost", "drain")  # type: ignore[union-attr]
    assert ended == ENDED


def test_a16_only_the_host_closes() -> None:
    state = busy()

    for user in ("bob", "eve"):
        refuse(state, Close(by=user, grace_s=1.0), NotHost)


def test_a17_the_host_and_the_owner_delete_and_nobody_else() -> None:
    for user in ("ann", "bob"):
        state = busy("wait")
        do(state, TransferHost(by="ann", to="bob"))

        refuse(state, Delete(by="eve"), NotHost)
        deleted = do(state, Delete(by=user))

        assert deleted == (cancelled(1, "deleted"), cancelled(2, "deleted"), Ended(by=user))
        assert do(state, Delete(by=user)) == ()


def test_an_operator_ends_a_session_without_taking_part_in_it() -> None:
    state = busy("and")

    *turns, ended = do(state, End(by="", reason="operator"))

    assert [(turn.turn, turn.status) for turn in turns] == [(1, "cancelled"), (2, "cancelled")]  # type: ignore[union-attr]
    assert ended == Ended(by="", reason="operator")
    assert state.lifecycle == "ended"
    assert do(state, End(by="", reason="operator")) == ()
