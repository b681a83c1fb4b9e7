"""How a message meets a running turn: every policy, and who may choose it."""

from __future__ import annotations

from typing import Any

import pytest
from session.cast import call, do, lines, record, refuse, room

from greenroom.actors.errors import AnswerNotExpected, ConfigError, NotAllowed, TurnQueueFull
from greenroom.actors.session import events as happened
from greenroom.actors.session.answers import answer
from greenroom.actors.session.commands import (
    FinishTurn,
    HandBack,
    Interrupt,
    Join,
    PlaceAnswer,
    Record,
    Recover,
    Send,
    Steer,
)
from greenroom.actors.session.rules import decide
from greenroom.actors.session.rules.moment import Moment
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Message


def send(state: State, text: str, user: str = "ann", **how: Any) -> tuple[happened.Durable, ...]:
    return do(state, Send(user=user, text=text, **how))


def ended(events: tuple[happened.Durable, ...]) -> list[tuple[int, str, str | None]]:
    return [(e.turn, e.status, e.cause) for e in events if isinstance(e, happened.TurnEnded)]


def waiting(state: State) -> list[int]:
    return [turn.turn for turn in state.queued]


# --- rollback ------------------------------------------------------------------------------------


def test_rollback_takes_the_running_turn_out_of_the_transcript() -> None:
    state = room()
    send(state, "first")
    do(state, FinishTurn(turn=1, status="completed"), said=("one",))
    send(state, "second")
    for output in record(2, call(id="a"), "so far"):
        do(state, output)

    events = do(state, Send(user="ann", text="third", policy="rollback"), said=("and",))

    assert ended(events) == [(2, "superseded", "superseded")]
    assert lines(state) == ["ann:first", "one", "ann:third"]
    assert state.messages == 3
    assert state.running is not None
    assert state.running.turn == 3
    rolled = next(e for e in events if isinstance(e, happened.TurnRolledBack))
    assert rolled.removed == 5  # what was asked, a call, its stub, a message, and half a message


def test_rollback_leaves_what_waits_in_its_place() -> None:
    state = room()
    send(state, "first")
    send(state, "second")

    send(state, "third", policy="rollback")

    assert lines(state) == ["ann:second", "ann:third"]
    assert (state.running.turn if state.running else 0, waiting(state)) == (3, [2])


def test_rollback_of_nothing_is_a_plain_message() -> None:
    state = room()

    events = send(state, "first", policy="rollback")

    assert [type(event) for event in events] == [happened.MessagePosted, happened.TurnStarted]


# --- merge and latest ----------------------------------------------------------------------------


def test_merge_joins_the_last_turn_of_the_same_user_that_waits() -> None:
    state = room("bob")
    send(state, "first")
    send(state, "second", policy="merge")
    third = Send(user="ann", text="third", policy="merge")
    events = do(state, third)

    assert waiting(state) == [2]
    assert [type(event) for event in events] == [happened.MessagePosted]
    ticket: Any = answer(state, third, events)
    assert (ticket.turn, ticket.ahead, ticket.waits_for) == (2, 1, "turn")
    send(state, "of bob", user="bob", policy="merge")
    assert waiting(state) == [2, 3]
    send(state, "fourth", policy="merge")
    assert waiting(state) == [2, 3, 4]


def test_latest_replaces_the_turns_of_the_same_user_that_wait() -> None:
    state = room("bob")
    send(state, "first")
    for user, text in (("ann", "second"), ("bob", "third"), ("ann", "fourth")):
        send(state, text, user=user)

    events = send(state, "fifth", policy="latest")

    assert ended(events) == [(2, "superseded", "superseded"), (4, "superseded", "superseded")]
    assert waiting(state) == [3, 5]
    assert state.running is not None
    assert state.running.turn == 1


# --- steer ---------------------------------------------------------------------------------------


def test_a_steering_message_waits_before_the_others_and_behind_those_before_it() -> None:
    state = room()
    for text in ("first", "second", "third"):
        send(state, text)

    send(state, "left", policy="steer")
    send(state, "right", policy="steer")

    assert waiting(state) == [4, 5, 2, 3]


def test_steering_is_handed_over_behind_what_the_turn_has_said() -> None:
    state = room()
    send(state, "first")
    send(state, "second")
    send(state, "left", policy="steer")
    send(state, "right", policy="steer")

    command = Steer(turn=1)
    events = do(state, command, said=("so ", "far"))

    handed: Any = answer(state, command, events)
    assert [message.text for message in handed] == ["left", "right"]
    assert lines(state) == ["ann:first", "so far", "ann:left", "ann:right", "ann:second"]
    assert waiting(state) == [2]
    for output in record(1, "and on"):
        do(state, output)
    assert lines(state)[2:5] == ["ann:left", "ann:right", "and on"]


def test_steering_is_not_handed_over_between_a_call_and_its_result() -> None:
    state = room()
    send(state, "first")
    for output in record(1, call(id="a")):
        do(state, output)
    send(state, "left", policy="steer")

    assert do(state, Steer(turn=1)) == ()

    assert waiting(state) == [2]


def test_steering_that_nobody_took_is_the_next_turn_once() -> None:
    state = room()
    for text, policy in (("first", "enqueue"), ("second", "enqueue"), ("left", "steer")):
        send(state, text, policy=policy)

    do(state, FinishTurn(turn=1, status="completed"))

    assert state.running is not None
    assert (state.running.turn, waiting(state)) == (3, [2])
    assert do(state, Steer(turn=3)) == ()


def test_a_steering_message_without_a_running_turn_is_a_turn() -> None:
    state = room()

    send(state, "first", policy="steer")

    assert state.running is not None
    assert state.running.turn == 1


# --- limits and permissions ----------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["enqueue", "merge", "steer"])
def test_a_full_queue_refuses_what_would_wait(policy: str) -> None:
    state = room("bob", max_queued_turns=1)
    send(state, "first")
    send(state, "second", user="bob")

    refused = refuse(state, Send(user="ann", text="x", policy=policy), TurnQueueFull)  # type: ignore[arg-type]

    assert refused.limit == 1


def test_latest_is_bounded_by_what_it_replaces() -> None:
    state = room("bob", max_queued_turns=1)
    send(state, "first")
    send(state, "second")

    send(state, "third", policy="latest")
    assert waiting(state) == [3]
    refuse(state, Send(user="bob", text="x", policy="latest"), TurnQueueFull)


def test_the_policy_of_the_session_is_that_of_a_message_without_one() -> None:
    state = room(policy="interrupt")
    send(state, "first")

    assert ended(send(state, "second")) == [(1, "superseded", "superseded")]
    assert waiting(state) == []


def test_a_role_is_limited_to_its_policies() -> None:
    state = room("bob", policies={"participant": ["enqueue", "reject"]})
    send(state, "first")

    refused = refuse(state, Send(user="bob", text="x", policy="interrupt"), NotAllowed)

    assert (refused.user, refused.permission) == ("bob", "policy interrupt")
    send(state, "second", user="bob", policy="enqueue")
    send(state, "third", policy="interrupt")


@pytest.mark.parametrize("policy", ["interrupt", "rollback"])
def test_ending_the_turn_of_somebody_else_takes_the_permission_to(policy: Any) -> None:
    state = room(roles={"asker": ["speak"]})
    do(state, Join(user="bob", name="Bob", role="asker"))
    send(state, "first")

    refuse(state, Send(user="bob", text="x", policy=policy), NotAllowed)

    do(state, Interrupt(user="ann"))
    send(state, "second", user="bob")
    assert ended(send(state, "third", user="bob", policy=policy)) != []


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"policy": "shout"}, "policy"), ({"policies": {"host": ["shout"]}}, "policies of role host")],
)
def test_policies_that_are_none_are_refused_by_name(settings: Any, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        room(**settings)

    assert refused.value.field == field


# --- late answers and what readers have seen -----------------------------------------------------


def test_v16_a_keyed_answer_that_comes_late_is_placed_in_its_own_turn_once() -> None:
    state = room()
    send(state, "first", answer_key="q1")
    do(state, Send(user="ann", text="second", policy="interrupt"), said=("so f",))
    do(state, FinishTurn(turn=2, status="completed"), said=("two",))
    late = PlaceAnswer(answer=Message(text="so far so good", key="q1"))

    do(state, late)

    assert lines(state) == ["ann:first", "so f-", "so far so good", "ann:second", "two"]
    refused = refuse(state, late, AnswerNotExpected)
    assert refused.key == "q1"


def test_a_late_answer_of_a_turn_that_completed_was_rolled_back_or_never_was_is_refused() -> None:
    state = room()
    for key in ("q1", "q2"):
        send(state, "x", answer_key=key)
        do(state, FinishTurn(turn=state.last_turn, status="completed"))
    send(state, "y", answer_key="q3")
    send(state, "z", policy="rollback")

    for key in ("q1", "q3", "q9", ""):
        refuse(state, PlaceAnswer(answer=Message(text="late", key=key)), AnswerNotExpected)


def test_an_answer_with_the_key_of_an_older_turn_goes_there_from_a_running_one() -> None:
    state = room()
    send(state, "first", answer_key="q1")
    send(state, "second", answer_key="q2", policy="interrupt")
    outputs = [Message(text=f"of {key}", key=key) for key in ("q2", "q1", "q9")]

    for output in outputs:
        do(state, Record(turn=2, output=output))

    assert lines(state) == ["ann:first", "of q1", "ann:second", "of q2"]


def test_an_interrupted_answer_tells_how_much_of_it_was_seen() -> None:
    state = room()
    send(state, "first")

    events = decide(state, Interrupt(user="ann"), Moment(2000, ("hello ", "world"), False, 8))

    posted = next(event for event in events if isinstance(event, happened.MessagePosted))
    assert (posted.message.text, posted.message.delivered) == ("hello world", 8)
    more = decide(state, Interrupt(user="ann"), Moment(2000, ("hello",), False, 80))
    assert isinstance(more[0], happened.MessagePosted)
    assert more[0].message.delivered == 5
    done = FinishTurn(turn=1, status="completed")
    whole = decide(state, done, Moment(2000, ("hello",), False, 3))
    assert isinstance(whole[0], happened.MessagePosted)
    assert whole[0].message.delivered is None


# --- handed back ---------------------------------------------------------------------------------


def test_a_turn_that_was_handed_back_is_lost_with_the_cause() -> None:
    state = room()
    send(state, "first")

    do(state, HandBack(cause="drain"), said=("so far",))
    events = do(state, Recover(attempts=1))

    assert ended(events) == [(1, "lost", "drain")]
    assert lines(state) == ["ann:first", "so far-"]


def test_a_turn_that_was_handed_back_is_run_again_from_the_beginning() -> None:
    state = room()
    send(state, "first")

    do(state, HandBack(cause="evicted"), said=("so far",))
    do(state, Recover(attempts=2))

    assert state.running is not None
    assert (state.running.attempt, state.running.cause) == (2, None)
    assert lines(state) == ["ann:first"]


def test_a_turn_found_running_after_a_crash_says_so() -> None:
    state = room()
    send(state, "first")

    assert ended(do(state, Recover(attempts=1))) == [(1, "lost", "crash")]


def test_handing_back_no_turn_is_nothing() -> None:
    assert do(room(), HandBack(cause="drain")) == ()
