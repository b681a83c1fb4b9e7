from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from session.cast import Act, acts, call, do, lines, perform, record, refuse, room, written_out

from greenroom.actors.errors import (
    InvalidInput,
    NotMember,
    SessionEnded,
    TurnBusy,
    TurnQueueFull,
    WrongState,
)
from greenroom.actors.session import events as happened
from greenroom.actors.session.commands import (
    End,
    FinishTurn,
    Interrupt,
    Leave,
    Pause,
    Post,
    Recover,
    Resume,
    Send,
)
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Message, ToolCall, ToolResult


def ask(state: State, text: str = "?", user: str = "ann", policy: Any = "enqueue") -> int:
    """Send, and the number of the turn that follows."""
    do(state, Send(user=user, text=text, policy=policy))
    return state.last_turn


def tell(state: State, *outputs: str | ToolCall | ToolResult) -> None:
    """The running turn's pipeline yields what is kept."""
    assert state.running is not None
    for command in record(state.running.turn, *outputs):
        do(state, command)


def done(status: Any = "completed", turn: int = 1, **more: Any) -> FinishTurn:
    return FinishTurn(turn=turn, status=status, **more)


def waiting(state: State) -> tuple[int | None, list[int]]:
    """The running turn, and the queued ones."""
    running = state.running.turn if state.running else None
    return running, [pending.turn for pending in state.queued]


def statuses(state: State) -> dict[int, str]:
    return {turn: outcome.status for turn, outcome in state.outcomes.items()}


# --- speaking ------------------------------------------------------------------------------------


def test_r21_a_participant_speaks_while_the_session_is_active() -> None:
    state = room("bob")

    (event,) = do(state, Post(user="bob", text="hello"), at_ms=5000)

    said = Message(role="user", author="bob", text="hello", at_ms=5000)
    assert event == happened.MessagePosted(message=said)
    assert state.history == [said]
    assert (state.messages, state.last_turn) == (1, 0)


def test_r21_only_participants_speak_and_only_while_active() -> None:
    created, paused, ended = room(started=False), room(), room()
    do(paused, Pause(by="ann"))
    do(ended, End(by="ann"))

    for make in (Post, Send):
        refuse(room(), make(user="nobody", text="hi"), NotMember)
        assert refuse(created, make(user="ann", text="hi"), WrongState).state == "created"
        assert refuse(paused, make(user="ann", text="hi"), WrongState).state == "paused"
        refuse(ended, make(user="ann", text="hi"), SessionEnded)


def test_a_message_starts_its_turn_at_once() -> None:
    state = room()

    events = do(state, Send(user="ann", text="hello"))

    assert [type(event) for event in events] == [happened.MessagePosted, happened.TurnStarted]
    assert waiting(state) == (1, [])
    assert state.running is not None
    assert (state.running.user, state.running.attempt) == ("ann", 1)


# --- policies ------------------------------------------------------------------------------------


def test_enqueue_waits_for_the_running_turn_and_is_served_in_order() -> None:
    state = room("bob")

    ask(state)
    events = do(state, Send(user="bob", text="and?", policy="enqueue"))
    ask(state)

    assert events[1] == happened.TurnQueued(turn=2, user="bob")
    assert waiting(state) == (1, [2, 3])
    do(state, done(turn=1))
    assert waiting(state) == (2, [3])
    assert state.running is not None
    assert state.running.user == "bob"


def test_enqueue_is_refused_when_the_queue_is_full() -> None:
    state = room(max_queued_turns=2)
    for _ in range(3):
        ask(state)

    assert refuse(state, Send(user="ann", text="one too many"), TurnQueueFull).limit == 2

    do(state, done(turn=1))
    assert ask(state) == 4


def test_enqueue_with_no_queue_is_refused_while_a_turn_runs() -> None:
    state = room(max_queued_turns=0)
    assert ask(state) == 1

    refuse(state, Send(user="ann", text="?"), TurnQueueFull)


def test_enqueue_never_overtakes_a_turn_that_waits() -> None:
    """A draining session ends its running turn and starts no other."""
    state = room()
    ask(state, "one")
    ask(state, "two")
    do(state, done(turn=1), held=True)
    assert waiting(state) == (None, [2])

    ask(state, "three")

    assert waiting(state) == (None, [2, 3])
    refuse(state, Send(user="ann", text="now or never", policy="reject"), TurnBusy)
    do(state, Recover(attempts=1))
    assert waiting(state) == (2, [3])


def test_reject_is_refused_while_a_turn_runs() -> None:
    state = room()
    ask(state)

    refusal = refuse(state, Send(user="ann", text="?", policy="reject"), TurnBusy)

    assert refusal.turn == "1"
    do(state, done())
    assert ask(state, policy="reject") == 2


def test_interrupt_ends_the_running_turn_as_superseded_and_goes_first() -> None:
    state = room()
    ask(state, "one")
    ask(state, "two")

    events = do(state, Send(user="ann", text="three", policy="interrupt"), said=("well", ", "))

    assert [type(event).__struct_config__.tag for event in events] == [
        "message.posted", "turn.ended", "message.posted", "turn.started",
    ]  # fmt: skip
    assert waiting(state) == (3, [2])
    assert statuses(state) == {1: "superseded"}
    assert state.outcomes[1].reason == "by turn 3"
    assert lines(state) == ["ann:one", "well, -", "ann:two", "ann:three"]


def test_interrupt_starts_at_once_when_nothing_runs() -> None:
    state = room()

    assert ask(state, policy="interrupt") == 1
    assert waiting(state) == (1, [])


# --- what a turn says and calls ------------------------------------------------------------------


def test_text_streamed_before_a_kept_output_becomes_a_message_before_it() -> None:
    state = room()
    ask(state)

    for output in record(1, call(id="a"), ToolResult(value=1), "so"):
        do(state, output, said=("let me ", "look"))

    assert lines(state) == [
        "ann:?", "let me look", "call a", "result a", "let me look", "let me look", "so",
    ]  # fmt: skip
    assert all(line.turn == 1 for line in state.history)


def test_a_completed_turn_keeps_what_it_streamed_as_a_whole_message() -> None:
    state = room()
    ask(state)

    events = do(state, done(), said=("he", "llo"))

    assert lines(state) == ["ann:?", "hello"]
    assert events[-1] == happened.TurnEnded(turn=1, status="completed")
    assert waiting(state) == (None, [])


def test_a_tool_call_without_an_id_gets_one_of_its_own() -> None:
    state = room()
    ask(state)

    tell(state, call(), ToolResult(value=1), call(), ToolResult(value=2))

    assert lines(state)[1:] == ["call 1.1", "result 1.1", "call 1.2", "result 1.2"]


def test_a_made_up_tool_call_id_is_never_one_that_the_pipeline_gave() -> None:
    state = room()
    ask(state)

    tell(state, call(id="1.2"), call(), call())

    ids = [line.id for line in state.history if isinstance(line, ToolCall)]
    assert len(set(ids)) == 3
    assert state.open_calls.keys() == set(ids)


def test_a_tool_call_id_is_used_once_in_a_turn() -> None:
    state = room()
    ask(state)
    tell(state, call(id="a"), ToolResult(value=1))

    refuse(state, record(1, call(id="a"))[0], InvalidInput)

    do(state, done())
    ask(state)
    tell(state, call(id="a"))
    assert state.open_calls == {"a": "look"}


def test_a_result_without_an_id_answers_the_one_open_call() -> None:
    state = room()
    ask(state)
    tell(state, call(id="a"))

    tell(state, ToolResult(value=[1]))

    assert state.history[-1] == ToolResult(value=[1], id="a", turn=1)
    assert state.open_calls == {}


@pytest.mark.parametrize("opened", [[], ["a", "b"]])
def test_a_result_without_an_id_is_refused_unless_one_call_is_open(opened: list[str]) -> None:
    state = room()
    ask(state)
    tell(state, *(call(id=name) for name in opened))

    refuse(state, record(1, ToolResult(value=1))[0], InvalidInput)


def test_a_result_of_a_call_that_is_not_open_is_refused() -> None:
    state = room()
    ask(state)
    tell(state, call(id="a"), call(id="b"), ToolResult(id="a"))

    refusal = refuse(state, record(1, ToolResult(id="a"))[0], InvalidInput)

    assert refusal.field == "tool result id"
    assert "['b']" in refusal.limit
    refuse(state, record(1, ToolResult(id="c"))[0], InvalidInput)


def test_several_calls_are_answered_in_any_order() -> None:
    state = room()
    ask(state)

    tell(state, call(id="a"), call(id="b"), ToolResult(id="b"), ToolResult(id="a", failed=True))

    assert lines(state)[1:] == ["call a", "call b", "result b", "result a"]


# --- every way a turn ends -----------------------------------------------------------------------

ENDINGS: dict[str, tuple[Any, str]] = {
    "completed": (done(), "completed"),
    "failed": (done("failed", reason="Boom"), "failed"),
    "cancelled": (Interrupt(user="ann"), "cancelled"),
    "cancelled by number": (Interrupt(user="ann", turn=1), "cancelled"),
    "superseded": (Send(user="ann", text="no", policy="interrupt"), "superseded"),
    "lost": (Recover(attempts=1), "lost"),
    "ended by the host": (End(by="ann"), "cancelled"),
    "left by everyone": (Leave(user="ann"), "cancelled"),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_p19_however_a_turn_ends_its_open_tool_calls_get_stubs(way: str) -> None:
    ending, status = ENDINGS[way]
    state = room()
    ask(state)
    tell(state, call(id="a"), call(id="b"), call(id="c"), ToolResult(id="b", value=1))

    do(state, ending)

    assert lines(state)[:7] == [
        "ann:?", "call a", "call b", "call c", "result b", "stub a", "stub c",
    ]  # fmt: skip
    stub = state.history[5]
    assert stub == ToolResult(id="a", failed=True, stub=True, turn=1)
    assert state.open_calls == {}
    assert statuses(state) == {1: status}


@pytest.mark.parametrize("way", sorted(ENDINGS.keys() - {"lost"}))
def test_p19_however_a_turn_ends_what_it_has_said_is_kept(way: str) -> None:
    ending, status = ENDINGS[way]
    state = room()
    ask(state)
    tell(state, "first")

    do(state, ending, said=("and ", "then"))

    answer = state.history[2]
    assert isinstance(answer, Message)
    assert (answer.text, answer.role, answer.turn) == ("and then", "assistant", 1)
    assert answer.interrupted == (status != "completed")


def test_a_lost_turn_says_at_which_attempt() -> None:
    state = room()
    ask(state)

    do(state, Recover(attempts=1))

    assert state.outcomes[1].reason == "found running after a crash, attempt 1"


@settings(max_examples=100, deadline=None)
@given(script=acts())
def test_p19_no_script_leaves_a_call_without_its_result(script: list[Act]) -> None:
    state = room("bob", "cem", max_queued_turns=3)

    for act in script:
        perform(state, act)

        results = [line for line in state.history if isinstance(line, ToolResult)]
        calls = [line for line in state.history if isinstance(line, ToolCall)]
        running = state.running.turn if state.running else None
        assert len(results) + len(state.open_calls) == len(calls)
        for opened in calls:
            at = state.history.index(opened)
            answers = [
                index
                for index, line in enumerate(state.history)
                if isinstance(line, ToolResult) and (line.turn, line.id) == (opened.turn, opened.id)
            ]
            is_open = opened.turn == running and opened.id in state.open_calls
            assert len(answers) == (not is_open)
            assert all(index > at for index in answers)


@settings(max_examples=100, deadline=None)
@given(script=acts())
def test_a_turn_ends_exactly_once_and_never_runs_again(script: list[Act]) -> None:
    state = room("bob", "cem", max_queued_turns=3)
    ended: list[int] = []
    started: list[int] = []

    for act in script:
        for event in perform(state, act):
            if isinstance(event, happened.TurnEnded):
                ended.append(event.turn)
            elif isinstance(event, happened.TurnStarted):
                assert event.turn not in ended
                if event.attempt == 1 and not event.resumed:
                    started.append(event.turn)
        running, queued = waiting(state)
        alive = [turn for turn in (running, *queued) if turn is not None]
        assert sorted([*ended, *alive]) == list(range(1, state.last_turn + 1))
        assert queued == sorted(queued)
        assert len(queued) <= 3

    assert len(set(started)) == len(started)


# --- cancelling ----------------------------------------------------------------------------------


def test_cancelling_the_running_turn_starts_the_next() -> None:
    state = room("bob")
    ask(state)
    ask(state)

    events = do(state, Interrupt(user="bob"))

    assert events == (
        happened.TurnEnded(turn=1, status="cancelled", reason="by bob", cause="user"),
        happened.TurnStarted(turn=2, user="ann"),
    )


def test_cancelling_a_queued_turn_leaves_the_running_one_alone() -> None:
    state = room()
    for _ in range(4):
        ask(state)

    events = do(state, Interrupt(user="ann", turn=3), said=("not of turn 3",))

    assert events == (
        happened.TurnEnded(turn=3, status="cancelled", reason="by ann", cause="user"),
    )
    assert waiting(state) == (1, [2, 4])


@pytest.mark.parametrize("turn", [None, 1, 2, 99])
def test_cancelling_a_turn_that_is_not_there_changes_nothing(turn: int | None) -> None:
    state = room()
    ask(state)
    do(state, done())
    before = written_out(state)

    assert do(state, Interrupt(user="ann", turn=turn), said=()) == ()

    assert state == before


def test_only_a_participant_cancels() -> None:
    state = room()
    ask(state)

    refuse(state, Interrupt(user="nobody"), NotMember)


# --- pausing and ending --------------------------------------------------------------------------


def test_pausing_holds_queued_turns_and_lets_the_running_one_go_on() -> None:
    state = room()
    ask(state)
    ask(state)

    do(state, Pause(by="ann"))
    assert waiting(state) == (1, [2])
    tell(state, "still speaking")
    do(state, done(turn=1))
    assert waiting(state) == (None, [2])

    events = do(state, Resume(by="ann"))

    assert events[1] == happened.TurnStarted(turn=2, user="ann")
    assert waiting(state) == (2, [])


def test_resuming_while_the_old_turn_still_runs_starts_no_second_one() -> None:
    state = room()
    ask(state)
    ask(state)
    do(state, Pause(by="ann"))

    assert len(do(state, Resume(by="ann"))) == 1

    assert waiting(state) == (1, [2])


def test_a_paused_session_lets_turns_be_cancelled_and_starts_none() -> None:
    state = room()
    ask(state)
    ask(state)
    do(state, Pause(by="ann"))

    do(state, Interrupt(user="ann"))

    assert waiting(state) == (None, [2])


def test_ending_cancels_the_running_turn_and_all_queued_ones() -> None:
    state = room()
    for _ in range(3):
        ask(state)
    tell(state, call(id="a"))

    events = do(state, End(by="ann"), said=("I was",))

    assert waiting(state) == (None, [])
    assert statuses(state) == {1: "cancelled", 2: "cancelled", 3: "cancelled"}
    assert {outcome.reason for outcome in state.outcomes.values()} == {"ended"}
    assert events[-1] == happened.SessionEnded(by="ann")
    assert {"I was-", "stub a"} < set(lines(state))


def test_a_turn_goes_on_when_whoever_asked_has_left() -> None:
    state = room("bob")
    ask(state, user="bob")
    ask(state, user="bob")

    do(state, Leave(user="bob"))
    do(state, done())

    assert waiting(state) == (2, [])


def test_draining_starts_no_further_turn() -> None:
    state = room()
    ask(state)
    ask(state)

    events = do(state, done(), held=True)

    assert events == (happened.TurnEnded(turn=1, status="completed"),)
    assert waiting(state) == (None, [2])


# --- after a crash -------------------------------------------------------------------------------


def test_a_turn_found_running_is_run_again_without_what_it_had_put_out() -> None:
    state = room()
    ask(state, "one")
    ask(state, "two")
    tell(state, "half", call(id="a"), ToolResult(), call(id="b"))
    do(state, Post(user="ann", text="and by the way"))

    events = do(state, Recover(attempts=2))

    assert events == (happened.TurnStarted(turn=1, user="ann", attempt=2),)
    assert lines(state) == ["ann:one", "ann:two", "ann:and by the way"]
    assert (state.messages, state.open_calls) == (3, {})
    assert waiting(state) == (1, [2])
    tell(state, call(id="a"), ToolResult(value=1))
    do(state, done())
    assert statuses(state) == {1: "completed"}


def test_a_turn_is_lost_after_its_last_attempt_and_the_next_one_starts() -> None:
    state = room()
    ask(state)
    ask(state)
    do(state, Recover(attempts=3))
    do(state, Recover(attempts=3))
    assert state.running is not None
    assert state.running.attempt == 3

    do(state, Recover(attempts=3))

    assert statuses(state) == {1: "lost"}
    assert waiting(state) == (2, [])


def test_recovery_starts_a_queued_turn_when_none_was_running() -> None:
    state = room()
    ask(state)
    ask(state)
    do(state, done(), held=True)

    assert do(state, Recover(attempts=1)) == (happened.TurnStarted(turn=2, user="ann"),)
    assert do(room(), Recover(attempts=1)) == ()


def test_recovery_starts_no_queued_turn_of_a_paused_session() -> None:
    state = room()
    ask(state)
    ask(state)
    do(state, Pause(by="ann"))
    do(state, done())

    assert do(state, Recover(attempts=1)) == ()


def test_p19_a_stub_stands_before_what_was_said_after_its_call() -> None:
    """A model must find each call answered before it reads on."""
    state = room()
    ask(state)
    tell(state, call(id="a"), call(id="b"), Message(text="one moment"))

    do(state, Interrupt(user="ann"), said=["while I"])

    assert lines(state) == [
        "ann:?", "call a", "call b", "stub a", "stub b", "one moment", "while I-",
    ]  # fmt: skip


def test_p16_while_turns_are_held_none_starts() -> None:
    """Draining, or without a pipeline: whatever would start one leaves it queued."""
    state = room()
    ask(state)
    ask(state)

    do(state, Interrupt(user="ann"), held=True)
    assert waiting(state) == (None, [2])
    do(state, Send(user="ann", text="now", policy="interrupt"), held=True)
    assert waiting(state) == (None, [2, 3])
    do(state, Pause(by="ann"))
    do(state, Resume(by="ann"), held=True)
    assert waiting(state) == (None, [2, 3])
    do(state, Recover(attempts=3), held=True)
    assert waiting(state) == (None, [2, 3])

    do(state, Recover(attempts=3))
    assert waiting(state) == (2, [3])
