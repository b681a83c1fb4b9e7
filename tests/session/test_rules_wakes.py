"""Timers: what the rules make of them, without a loop and with a calendar that counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session.cast import do, refuse, room, written_out

from greenroom.actors.errors import (
    InvalidInput,
    NotAllowed,
    NotMember,
    SessionEnded,
    TooManyWakes,
    WrongState,
)
from greenroom.actors.session.answers import answer
from greenroom.actors.session.commands import (
    CancelWake,
    Close,
    Decide,
    End,
    FinishTurn,
    Fire,
    Join,
    Leave,
    Pause,
    Resume,
    Send,
    SetWake,
    Start,
    Suspend,
)
from greenroom.actors.session.events import (
    TurnQueued,
    TurnStarted,
    WakeCancelled,
    WakeFired,
    WakeSet,
)
from greenroom.actors.session.fold import apply
from greenroom.actors.session.rules import decide
from greenroom.actors.session.rules.moment import Moment
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import ToolCall
from greenroom.actors.session.wakes import MAX_WAKES, Firing, Repeat, due_by, timers_of, wants_ms


class Hourly:
    """A calendar on which every expression means each full hour, up to `last_ms`."""

    def __init__(self, last_ms: int = 10**12) -> None:
        self.last_ms = last_ms
        self.asked = 0

    def check(self, cron: str, zone: str) -> None:
        raise AssertionError("rules check nothing")

    def next_ms(self, cron: str, zone: str, after_ms: int) -> int | None:
        self.asked += 1
        found = (after_ms // HOUR + 1) * HOUR
        return found if found <= self.last_ms else None


HOUR = 3_600_000
CRON = Repeat(cron="0 * * * *", zone="UTC")


def at(ms: int, *, held: bool = False, calendar: Any = None) -> Moment:
    return Moment(ms, (), held, None, calendar)


def step(state: State, command: Any, moment: Moment) -> tuple[Any, ...]:
    events = decide(state, command, moment)
    for event in events:
        apply(state, event, moment.at_ms)
    return events


def armed(name: str = "tea", due_ms: int = 5000, **fields: Any) -> State:
    """Ann's session with one timer."""
    state = room("bob")
    do(state, SetWake(user="ann", name=name, at_ms=due_ms, **fields))
    return state


def fire(state: State, now_ms: int, *, turns: bool = True, **moment: Any) -> list[Any]:
    """What follows when all that is due goes off."""
    events = list[Any]()
    for timer in due_by(state, now_ms):
        command = Fire(name=timer.name, due_ms=timer.due_ms, turns=turns)
        events += step(state, command, at(now_ms, **moment))
    return events


# --- setting ---


def test_a_timer_is_set_at_an_instant_or_after_some_time_or_when_it_first_repeats() -> None:
    state = room()

    do(state, SetWake(user="ann", name="a", at_ms=9000), at_ms=2000)
    do(state, SetWake(user="ann", name="b", after_ms=500), at_ms=2000)
    do(state, SetWake(user="ann", name="c", repeat=Repeat(every_ms=1500)), at_ms=2000)

    assert [(timer.name, timer.due_ms) for timer in timers_of(state)] == [
        ("b", 2500),
        ("c", 3500),
        ("a", 9000),
    ]
    assert wants_ms(state) == 2500 == state.index_row().wake_ms


def test_a_calendar_begins_now_or_where_it_is_told_to() -> None:
    state = room()

    step(state, SetWake(user="ann", name="a", repeat=CRON), at(HOUR, calendar=Hourly()))
    begin = SetWake(user="ann", name="b", at_ms=5 * HOUR, repeat=CRON)
    step(state, begin, at(HOUR, calendar=Hourly()))

    assert [timer.due_ms for timer in timers_of(state)] == [2 * HOUR, 5 * HOUR]


@pytest.mark.parametrize("calendar", [None, Hourly(last_ms=0)])
def test_a_calendar_without_a_next_instant_is_refused(calendar: Any) -> None:
    state = room()

    with pytest.raises(InvalidInput, match="every"):
        decide(state, SetWake(user="ann", name="a", repeat=CRON), at(1, calendar=calendar))


def test_a_timer_of_the_same_name_is_replaced_and_is_no_further_one() -> None:
    state = room()
    for number in range(MAX_WAKES):
        do(state, SetWake(user="ann", name=f"t{number}", at_ms=9000))

    full = refuse(state, SetWake(user="ann", name="one more", at_ms=9000), TooManyWakes)
    assert full.limit == MAX_WAKES
    do(state, SetWake(user="ann", name="t3", at_ms=3000, payload=[1]))

    assert state.wakes is not None
    assert len(state.wakes.timers) == MAX_WAKES
    assert wants_ms(state) == 3000
    assert timers_of(state)[0].payload == [1]


def test_who_may_not_speak_sets_and_cancels_no_timer() -> None:
    state = armed()
    do(state, Join(user="eve", name="Eve", role="observer"))

    refuse(state, SetWake(user="eve", name="a", at_ms=1), NotAllowed)
    refuse(state, CancelWake(user="eve", name="tea"), NotAllowed)
    refuse(state, SetWake(user="nobody", name="a", at_ms=1), NotMember)
    refuse(state, CancelWake(user="nobody", name="tea"), NotMember)


def test_a_session_without_timers_holds_nothing_of_them() -> None:
    state = armed()
    assert state.wakes is not None

    told = do(state, CancelWake(user="bob", name="tea"))

    assert told == (WakeCancelled(user="bob", name="tea", due_ms=5000),)
    assert state.wakes is None
    assert do(state, CancelWake(user="bob", name="tea")) == ()
    assert room().wakes is None


def test_receipts_tell_the_instant() -> None:
    state = room()
    wake, cancel = SetWake(user="ann", name="tea", at_ms=5000), CancelWake(user="ann", name="tea")

    for command, due_ms in ((wake, 5000), (cancel, 5000), (cancel, None)):
        told: Any = answer(state, command, do(state, command))
        assert (told.name, told.due_ms, told.revision) == ("tea", due_ms, state.revision)


# --- going off ---


def test_a_timer_goes_off_once_with_an_id_of_its_instant_and_begins_a_turn() -> None:
    state = armed(payload={"cups": 2})

    fired, started = fire(state, 5001)

    assert fired == WakeFired(id="tea@5000", name="tea", due_ms=5000, turn=1, payload={"cups": 2})
    assert started == TurnStarted(turn=1, user="ann", kind="wake")
    assert state.wakes is not None
    assert state.wakes.timers == {}
    told = Firing(id="tea@5000", name="tea", due_ms=5000, payload={"cups": 2})
    assert state.wakes.firings == {1: told}
    do(state, FinishTurn(turn=1, status="completed"))
    assert state.wakes is None


def test_a_stale_alarm_does_nothing() -> None:
    state = armed()
    early, due = at(4999), Fire(name="tea", due_ms=5000, turns=True)

    assert decide(state, due, early) == ()
    assert decide(state, Fire(name="other", due_ms=5000, turns=True), at(6000)) == ()
    do(state, SetWake(user="ann", name="tea", at_ms=5500))
    assert decide(state, due, at(6000)) == ()
    do(state, CancelWake(user="ann", name="tea"))
    assert decide(state, Fire(name="tea", due_ms=5500, turns=True), at(6000)) == ()


def test_only_the_event_without_a_pipeline_or_without_a_turn() -> None:
    for state, turns in ((armed(), False), (armed(turn=False), True)):
        (fired,) = fire(state, 6000, turns=turns)

        assert fired.turn == 0
        assert state.running is None
        assert state.wakes is None


def test_behind_a_running_turn_or_while_turns_are_held_it_waits() -> None:
    for held in (False, True):
        state = armed()
        if not held:
            do(state, Send(user="bob", text="hi"))

        _, queued = fire(state, 6000, held=held)

        assert queued == TurnQueued(turn=state.last_turn, user="ann", kind="wake")


def test_turns_of_timers_need_no_place_in_the_queue() -> None:
    state = room(max_queued_turns=0)
    do(state, SetWake(user="ann", name="tea", at_ms=5000))
    do(state, Send(user="ann", text="hi"))

    fire(state, 6000)

    assert [turn.kind for turn in state.queued] == ["wake"]


def test_a_turn_that_waits_is_told_of_the_newest_instant_and_is_the_only_one() -> None:
    state = armed(repeat=Repeat(every_ms=1000), payload="tea")
    do(state, Send(user="ann", text="hi"))  # turn 1 runs

    first = fire(state, 5000)
    second = fire(state, 6000)
    third = fire(state, 8500)  # for 7000 and 8000

    assert [event.turn for event in (first[0], second[0], third[0])] == [2, 2, 2]
    assert (len(first), len(second), len(third)) == (2, 1, 1)
    assert state.wakes is not None
    told = Firing(id="tea@7000", name="tea", due_ms=7000, missed=3, payload="tea")
    assert state.wakes.firings == {2: told}
    do(state, FinishTurn(turn=1, status="completed"))  # turn 2 runs: the next one has its own turn
    (fourth, queued) = fire(state, 9000)
    assert (fourth.turn, queued.turn) == (3, 3)
    assert state.wakes.firings[2] == told


def test_timers_that_are_due_together_go_off_in_the_order_of_their_instants() -> None:
    state = armed("late", 5000)
    do(state, SetWake(user="bob", name="early", at_ms=4000))

    fired = [event for event in fire(state, 9000) if isinstance(event, WakeFired)]

    assert [event.id for event in fired] == ["early@4000", "late@5000"]


# --- repeats ---


def test_an_interval_keeps_its_grid_and_counts_what_was_missed() -> None:
    state = armed(repeat=Repeat(every_ms=1000), turn=False)

    (on_time,) = fire(state, 5003)
    (late,) = fire(state, 9999)

    assert (on_time.id, on_time.next_ms, on_time.missed) == ("tea@5000", 6000, 0)
    assert (late.id, late.next_ms, late.missed) == ("tea@6000", 10_000, 3)
    assert wants_ms(state) == 10_000


def test_a_calendar_tells_the_next_instant_and_what_was_missed() -> None:
    state, calendar = room(), Hourly()
    wake = SetWake(user="ann", name="tea", repeat=CRON, turn=False)
    step(state, wake, at(1, calendar=calendar))

    (fired,) = fire(state, 4 * HOUR + 1, calendar=calendar)

    assert (fired.due_ms, fired.next_ms, fired.missed) == (HOUR, 5 * HOUR, 3)


def test_not_every_instant_of_years_is_counted() -> None:
    state, calendar = room(), Hourly()
    wake = SetWake(user="ann", name="tea", repeat=CRON, turn=False)
    step(state, wake, at(1, calendar=calendar))
    calendar.asked = 0

    (fired,) = fire(state, 100_000 * HOUR, calendar=calendar)

    assert (fired.next_ms, fired.missed) == (100_001 * HOUR, 100)
    assert calendar.asked < 110


@pytest.mark.parametrize("calendar", [None, Hourly(last_ms=HOUR)])
def test_a_repeat_without_a_next_instant_goes_off_and_says_that_it_is_over(calendar: Any) -> None:
    state = room()
    wake = SetWake(user="ann", name="tea", repeat=CRON, turn=False)
    step(state, wake, at(1, calendar=Hourly()))

    fired, over = fire(state, HOUR, calendar=calendar)

    assert (fired.id, fired.next_ms) == (f"tea@{HOUR}", None)
    assert (over.user, over.name) == ("", "tea")
    assert "0 * * * *" in over.reason
    assert state.wakes is None


# --- the life of the session ---


def test_timers_wait_for_a_session_to_be_started_or_resumed() -> None:
    state = room(started=False)
    refuse(state, SetWake(user="ann", name="tea", at_ms=5000), WrongState)
    do(state, Start(by="ann"))
    do(state, SetWake(user="ann", name="tea", at_ms=5000))
    do(state, Pause(by="ann"))

    assert wants_ms(state) == 0 == state.index_row().wake_ms
    assert due_by(state, 9000) == []
    assert decide(state, Fire(name="tea", due_ms=5000, turns=True), at(9000)) == ()
    do(state, Resume(by="ann"))

    assert wants_ms(state) == 5000
    assert len(fire(state, 9000)) == 2


def test_timers_are_dropped_when_the_session_ends() -> None:
    state = armed()

    do(state, End(by="ann"))

    assert state.wakes is None
    assert state.index_row().wake_ms == 0
    refuse(state, SetWake(user="ann", name="a", at_ms=1), SessionEnded)
    refuse(state, CancelWake(user="ann", name="a"), SessionEnded)


def test_a_closing_session_lets_nothing_go_off() -> None:
    state = armed()
    do(state, Send(user="ann", text="hi"))
    do(state, Close(by="ann", grace_s=60.0))

    assert wants_ms(state) == 0
    assert fire(state, 9000) == []
    do(state, FinishTurn(turn=1, status="completed"))
    assert state.lifecycle == "ended"


def test_the_timer_of_somebody_who_has_left_goes_off() -> None:
    state = room("bob")
    do(state, SetWake(user="bob", name="tea", at_ms=5000))
    do(state, Leave(user="bob"))

    fired, started = fire(state, 6000)

    assert (fired.turn, started.user) == (1, "bob")


def test_an_approval_that_expires_earlier_is_due_first() -> None:
    state = armed(due_ms=500_000)
    do(state, Send(user="ann", text="leap"))
    ask = Suspend(turn=1, calls=[ToolCall(name="leap", id="a")], expires_s=60.0)
    do(state, ask, at_ms=2000)

    assert wants_ms(state) == 62_000 == state.index_row().wake_ms
    do(state, Pause(by="ann"))
    assert wants_ms(state) == 62_000, "people may decide while a session is paused"
    do(state, Resume(by="ann"))
    do(state, Decide(user="ann", decisions={"a": True}))
    assert wants_ms(state) == 500_000


NAMES = st.sampled_from("abc")
REPEATS = st.sampled_from([None, Repeat(every_ms=1000), Repeat(every_ms=7000), CRON])
STEPS = st.one_of(
    st.builds(
        SetWake,
        user=st.sampled_from(["ann", "bob"]),
        name=NAMES,
        at_ms=st.integers(1, 60_000),
        repeat=REPEATS,
        payload=st.sampled_from([None, "x", [1, {"y": 2}]]),
        turn=st.booleans(),
    ),
    st.builds(CancelWake, user=st.just("bob"), name=NAMES),
    st.builds(Send, user=st.just("bob"), text=st.just("hi")),
    st.sampled_from([Pause(by="ann"), Resume(by="ann")]),
    st.just("finish"),
    st.just("fire"),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, max_size=25), gaps=st.lists(st.integers(0, 9000), min_size=25))
def test_whatever_is_done_each_instant_is_told_once_and_the_row_tells_the_earliest(
    steps: list[Any], gaps: list[int]
) -> None:
    state, now_ms, calendar = room("bob"), 2000, Hourly()
    told = list[tuple[str, int]]()
    for what, gap in zip(steps, gaps, strict=False):
        now_ms += gap
        events: Any = ()
        try:
            if what == "fire":
                events = fire(state, now_ms, calendar=calendar)
                again = fire(state, now_ms, calendar=calendar)
                assert again == [], "what has gone off is due no more"
            elif what == "finish" and state.running is not None:
                turn = state.running.turn
                events = step(state, FinishTurn(turn=turn, status="completed"), at(now_ms))
            elif what != "finish":
                events = step(state, what, at(now_ms, calendar=calendar))
        except WrongState:
            pass
        for event in events:
            if isinstance(event, WakeSet):  # set anew, an instant may be told again
                told = [each for each in told if each[0] != event.name]
            elif isinstance(event, WakeFired):
                told.append((event.name, event.due_ms))
        assert len(set(told)) == len(told)
        assert written_out(state) == state
        timers = timers_of(state)
        earliest = timers[0].due_ms if timers and state.lifecycle == "active" else 0
        assert state.index_row().wake_ms == earliest
        open_turns = [state.running, *state.queued]
        waiting = {turn.turn for turn in open_turns if turn is not None and turn.kind == "wake"}
        assert waiting == (set() if state.wakes is None else set(state.wakes.firings))
