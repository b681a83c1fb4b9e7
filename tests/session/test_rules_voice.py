from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from session.cast import Act, acts, do, lines, perform, record, refuse, room, written_out

from greenroom.actors.errors import (
    ConfigError,
    NotAllowed,
    NotMember,
    SessionEnded,
    TurnQueueFull,
    WrongPhase,
    WrongState,
)
from greenroom.actors.session import events as happened
from greenroom.actors.session.answers import TurnTicket, answer
from greenroom.actors.session.commands import (
    End,
    FinishTurn,
    Greet,
    Interrupt,
    Join,
    Pause,
    Post,
    Send,
    SetDialog,
)
from greenroom.actors.session.dialog import dialog, exchanges
from greenroom.actors.session.events import Exchange
from greenroom.actors.session.messages import SetPhase, Touch
from greenroom.actors.session.phases import MOVES, PHASES, phase_name
from greenroom.actors.session.pipeline import Turn
from greenroom.actors.session.rules.voice import current_turn, set_phase, touch
from greenroom.actors.session.settings import Settings
from greenroom.actors.session.state import Outcome, State
from greenroom.actors.session.transcript import Message, ToolCall, ToolResult
from greenroom.actors.session.view import place


def send(state: State, text: str = "?", **more: Any) -> int:
    """Ann sends; the number of the turn that follows."""
    do(state, Send(user="ann", text=text, **more))
    return state.last_turn


def finish(state: State, *answers: str, status: Any = "completed", **more: Any) -> None:
    """The running turn says so much, and is done."""
    assert state.running is not None
    for command in record(state.running.turn, *answers):
        do(state, command)
    do(state, FinishTurn(turn=state.running.turn, status=status, **more))


# --- phases --------------------------------------------------------------------------------------

MAY_FOLLOW = {
    "init": ["connected", "closed"],
    "connected": ["listening", "processing", "speaking", "closed"],
    "listening": ["connected", "processing", "speaking", "closed"],
    "processing": ["listening", "speaking", "closed"],
    "speaking": ["listening", "processing", "closed"],
    "closed": [],
}


def test_v01_phases_have_numbers_and_names() -> None:
    known = ["init", "connected", "listening", "processing", "speaking", "closed"]

    assert [phase_name(number) for number in range(6)] == known
    assert [phase_name(other) for other in (-1, 6, 1000)] == ["unknown"] * 3


@pytest.mark.parametrize("now", PHASES)
@pytest.mark.parametrize("to", PHASES)
def test_vx19_a_phase_follows_another_by_the_table_alone(now: Any, to: Any) -> None:
    state, asked = room(), SetPhase("ann", to, None)

    if to == now or to in MAY_FOLLOW[now]:
        assert set_phase(state, asked, now) == to
    else:
        with pytest.raises(WrongPhase) as refusal:
            set_phase(state, asked, now)
        assert (refusal.value.phase, refusal.value.to) == (now, to)
        assert list(refusal.value.allowed) == MAY_FOLLOW[now]


def test_v01_closed_is_terminal() -> None:
    assert not MOVES["closed"]
    assert all("closed" in MOVES[phase] for phase in PHASES[:-1])


def test_v07_who_may_act_sets_the_phase() -> None:
    state = room("bob")
    do(state, Join(user="eve", name="Eve", role="observer"))

    assert set_phase(state, SetPhase("bob", "connected", None), "init") == "connected"
    for user, error in (("eve", NotAllowed), ("dee", NotMember)):
        with pytest.raises(error):
            set_phase(state, SetPhase(user, "connected", None), "init")


def test_vx10_an_ended_session_takes_nothing_more() -> None:
    state = room()
    do(state, End(by="ann"))

    refuse(state, Greet(user="ann"), SessionEnded)
    refuse(state, SetDialog(user="ann", dialog=[]), SessionEnded)
    refuse(state, Send(user="ann", text="?"), SessionEnded)
    refuse(state, Post(user="ann", text="?"), SessionEnded)
    with pytest.raises(SessionEnded):
        set_phase(state, SetPhase("ann", "connected", None), "init")
    with pytest.raises(SessionEnded):
        touch(state, Touch("ann"))


def test_v07_only_who_is_there_can_touch() -> None:
    state = room()

    touch(state, Touch("ann"))
    with pytest.raises(NotMember):
        touch(state, Touch("bob"))


# --- the current turn ----------------------------------------------------------------------------


def test_v11_no_turn_is_current_before_the_first_and_turn_0_never_is() -> None:
    state = room()

    assert current_turn(state) is None
    assert set_phase(state, SetPhase("ann", "connected", 0), "init") is None
    send(state)
    assert current_turn(state) == 1
    assert set_phase(state, SetPhase("ann", "connected", 0), "init") is None


def test_v11_a_turn_is_current_from_its_start_to_the_start_of_the_next() -> None:
    state = room()
    send(state)
    send(state)

    assert current_turn(state) == 1
    finish(state)
    assert current_turn(state) == 2
    finish(state, status="failed")
    assert current_turn(state) == 2
    assert current_turn(written_out(state)) == 2


def test_vx17_a_turn_that_was_ended_from_outside_is_not_current() -> None:
    state = room()
    send(state)
    do(state, Interrupt(user="ann"))

    assert current_turn(state) is None

    send(state)
    send(state, policy="interrupt")
    assert current_turn(state) == 3


def test_vx17_a_turn_that_is_not_current_is_ignored_before_the_table_is_asked() -> None:
    state = room()
    send(state)
    send(state, policy="interrupt")

    assert set_phase(state, SetPhase("ann", "init", 1), "speaking") is None
    assert set_phase(state, SetPhase("ann", "listening", 2), "speaking") == "listening"
    with pytest.raises(WrongPhase):
        set_phase(state, SetPhase("ann", "init", 2), "speaking")


# --- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_mode", "kept"),
    [
        ("omni", "omni"),
        ("standard", "standard"),
        ("voice_llm", "omni"),
        (0, "omni"),
        (1, "standard"),
    ],
)
def test_v02_an_alias_and_numbers_are_taken_and_one_name_is_kept(
    given_mode: Any, kept: Any
) -> None:
    made = Settings(mode=given_mode)

    assert made.mode == kept
    assert made == Settings(mode=kept)
    assert msgspec.json.decode(msgspec.json.encode({"mode": given_mode}), type=Settings) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=Settings) == made
    assert b"voice_llm" not in msgspec.json.encode(made)


def test_v02_standard_is_the_default() -> None:
    assert Settings().mode == "standard"


@pytest.mark.parametrize("mode", ["OMNI", "", 2, -1, True, None, 1.0, ["omni"]])
def test_v02_other_modes_are_refused_by_name(mode: Any) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings(mode=mode)

    assert refusal.value.field == "mode"


@pytest.mark.parametrize("character", [None, 7, "x" * 129, "a\nb", "\ud800"])
def test_v05_a_character_has_a_short_printable_id(character: Any) -> None:
    assert Settings(character_id="x" * 128).character_id == "x" * 128
    with pytest.raises(ConfigError) as refusal:
        Settings(character_id=character)

    assert refusal.value.field == "character_id"


# --- who owns it ---------------------------------------------------------------------------------


@given(acts())
def test_v08_the_owner_is_set_once(script: list[Act]) -> None:
    state = room("bob", "cem")

    for act in script:
        perform(state, act)

    assert state.owner == "ann"
    assert written_out(state).owner == "ann"


# --- greeting ------------------------------------------------------------------------------------


def test_v13_the_first_call_starts_a_turn_and_no_other_one_does() -> None:
    state = room("bob")

    (started,) = do(state, Greet(user="bob", prompt="be kind"))

    assert started == happened.TurnStarted(turn=1, user="bob", kind="greeting", prompt="be kind")
    for user in ("ann", "bob"):
        assert do(state, Greet(user=user)) == ()
        assert do(written_out(state), Greet(user=user)) == ()


def test_v13_the_answer_to_a_greeting_names_its_turn_or_none() -> None:
    state = room()
    send(state)
    first = Greet(user="ann")

    ticket = answer(state, first, do(state, first))
    again = answer(state, first, do(state, first))

    assert ticket == TurnTicket(turn=2, ahead=1, revision=3, waits_for="turn")
    assert again == TurnTicket(turn=0, ahead=0, revision=3)


def test_v13_a_greeting_leaves_only_the_answer_in_the_transcript() -> None:
    state = room()
    do(state, Greet(user="ann", prompt="be kind"))
    send(state, "hello?")

    finish(state, "welcome")

    assert lines(state) == ["welcome", "ann:hello?"]


def test_v13_a_greeting_waits_its_turn_and_says_what_it_is_when_it_starts() -> None:
    state = room()
    send(state)
    (queued,) = do(state, Greet(user="ann", prompt="be kind"))
    assert queued == happened.TurnQueued(turn=2, user="ann", kind="greeting", prompt="be kind")
    assert do(state, Greet(user="ann")) == ()

    events = do(state, FinishTurn(turn=1, status="completed"))

    assert events[-1] == happened.TurnStarted(turn=2, user="ann", kind="greeting")
    assert state.running is not None
    turn = Turn(state, state.running)
    assert (turn.kind, turn.input.role, turn.input.text) == ("greeting", "system", "be kind")


def test_v13_a_greeting_that_is_held_waits() -> None:
    state = room()

    (queued,) = do(state, Greet(user="ann"), held=True)

    assert isinstance(queued, happened.TurnQueued)


def test_vx15_a_greeting_is_used_up_by_the_attempt() -> None:
    state = room()
    do(state, Greet(user="ann"))
    finish(state, status="failed", reason="no voice")

    assert state.outcomes[1] == Outcome(status="failed", reason="no voice")
    assert do(state, Greet(user="ann")) == ()


def test_vx15_a_greeting_that_is_refused_is_not_used_up() -> None:
    state = room(max_queued_turns=0)
    do(state, Join(user="eve", name="Eve", role="observer"))
    refuse(state, Greet(user="eve"), NotAllowed)
    refuse(state, Greet(user="dee"), NotMember)
    send(state)
    refuse(state, Greet(user="ann"), TurnQueueFull)
    finish(state)
    refuse(room(started=False), Greet(user="ann"), WrongState)
    paused = room()
    do(paused, Pause(by="ann"))
    refuse(paused, Greet(user="ann"), WrongState)

    assert len(do(state, Greet(user="ann"))) == 1


@given(acts())
def test_v13_at_most_one_greeting_in_a_life(script: list[Act]) -> None:
    state = room("bob")
    greetings = 0

    for act in script:
        for user in ("ann", "bob"):
            events = perform(state, ("people", Greet(user=user), []))
            greetings += len(events)
            assert all(event.kind == "greeting" for event in events)  # type: ignore[union-attr]
        perform(state, act)
        state = written_out(state)

    assert greetings <= 1
    assert state.greeted == (greetings == 1)


# --- dialog context ------------------------------------------------------------------------------


def pair(user: str, assistant: str) -> Exchange:
    return Exchange(user=user, assistant=assistant)


def test_v19_a_dialog_that_was_never_set_is_what_was_asked_and_answered() -> None:
    state = room("bob")
    do(state, Greet(user="ann"))
    finish(state, "welcome")
    do(state, Post(user="bob", text="by the way"))
    send(state, "one?")
    finish(state, "1")
    send(state, "two?")
    finish(state, "2a ", "2b")
    send(state, "never answered?")
    finish(state)

    assert dialog(state) == (pair("one?", "1"), pair("two?", "2a 2b"))
    assert dialog(written_out(state)) == dialog(state)


def test_v19_only_completed_turns_are_pairs() -> None:
    state = room()
    send(state, "cancelled?")
    do(state, Interrupt(user="ann"), said=["wel"])
    send(state, "failed?")
    finish(state, "half", status="failed")
    send(state, "running?")
    for command in record(3, "so far"):
        do(state, command)

    assert dialog(state) == ()


def test_v19_messages_of_one_turn_are_one_question() -> None:
    state = room()
    send(state, "first")
    send(state, "one")
    do(state, Send(user="ann", text="two", policy="merge"))
    finish(state, "1")
    finish(state, "12")

    assert dialog(state) == (pair("first", "1"), pair("one\n\ntwo", "12"))


def test_v19_tool_calls_and_system_messages_are_no_part_of_a_dialog() -> None:
    said = [
        Message(role="system", text="a summary"),
        Message(role="user", text="?", author="ann", turn=1),
        ToolCall(name="look", id="a", turn=1),
        ToolResult(value=1, id="a", turn=1),
        Message(text="!", turn=1),
    ]

    assert exchanges(said, {1: Outcome(status="completed")}) == (pair("?", "!"),)


def test_v19_what_was_set_stands_until_it_is_set_again() -> None:
    state = room()
    send(state)
    finish(state, "1")

    do(state, SetDialog(user="ann", dialog=[pair("a", "b")]))
    send(state)
    finish(state, "2")

    assert dialog(state) == (pair("a", "b"),)
    do(state, SetDialog(user="ann", dialog=[]))
    assert dialog(state) == ()
    assert dialog(written_out(state)) == ()


def test_v19_a_turn_has_the_dialog_of_when_it_started() -> None:
    state = room()
    send(state, "one?")
    finish(state, "1")
    send(state, "two?")
    assert state.running is not None
    hydrated = Turn(state, state.running)
    do(state, SetDialog(user="ann", dialog=[pair("a", "b")]))
    finish(state, "2")
    send(state, "three?")
    given_dialog = Turn(state, state.running)

    assert hydrated.dialog == (pair("one?", "1"),)
    assert given_dialog.dialog == (pair("a", "b"),)


def test_v19_who_may_not_share_sets_no_dialog() -> None:
    state = room()
    do(state, Join(user="eve", name="Eve", role="observer"))

    refuse(state, SetDialog(user="eve", dialog=[]), NotAllowed)
    refuse(state, SetDialog(user="dee", dialog=[]), NotMember)


# --- where messages stand ------------------------------------------------------------------------


def user(text: str, turn: int) -> Message:
    return Message(role="user", author="ann", text=text, turn=turn)


def texts(history: list[Any]) -> list[str]:
    return [line.text for line in history]


def test_v16_an_answer_goes_right_after_the_last_message_of_its_turn() -> None:
    history: list[Any] = []
    for line in (user("u1", 1), user("u2", 2), Message(text="a2", turn=2), user("u3", 3)):
        place(history, line)

    place(history, Message(text="a1", turn=1))
    place(history, Message(text="a1 too", turn=1))
    place(history, Message(text="a2 too", turn=2))

    assert texts(history) == ["u1", "a1", "a1 too", "u2", "a2", "a2 too", "u3"]


def test_v16_the_last_message_of_a_turn_may_be_anybodys() -> None:
    history: list[Any] = [user("u1", 1), Message(role="system", text="s1", turn=1), user("u2", 2)]

    place(history, Message(text="a1", turn=1))

    assert texts(history) == ["u1", "s1", "a1", "u2"]


def test_v16_an_answer_without_a_turn_to_go_to_is_appended() -> None:
    history: list[Any] = [user("u1", 1), user("u2", 2)]

    place(history, Message(text="a7", turn=7))
    place(history, Message(text="a0", turn=0))

    assert texts(history) == ["u1", "u2", "a7", "a0"]


def test_v17_everything_else_is_appended_however_old_its_turn() -> None:
    history: list[Any] = [user("u1", 1), user("u2", 2)]

    place(history, user("late", 1))
    place(history, Message(role="system", text="note", turn=1))

    assert texts(history) == ["u1", "u2", "late", "note"]


def test_v15_a_time_that_a_pipeline_gives_is_kept_and_0_is_now() -> None:
    state = room()
    send(state)

    for command in record(1, "now"):
        do(state, command, at_ms=5000)
    (then,) = record(1, "then")
    do(
        state,
        msgspec.structs.replace(then, output=Message(text="then", at_ms=77)),
        at_ms=6000,
    )

    assert [line.at_ms for line in state.history if isinstance(line, Message)] == [2000, 5000, 77]
    assert state.updated_ms == 6000
