from __future__ import annotations

import pytest
from hypothesis import given, settings
from session.cast import Act, acts, do, perform, refuse, room, written_out

from greenroom.actors.errors import (
    JoinClosed,
    NotAllowed,
    NotHost,
    NotMember,
    NotPending,
    SessionEnded,
    SessionFull,
    WrongState,
)
from greenroom.actors.session import events as happened
from greenroom.actors.session.commands import (
    Approve,
    Command,
    End,
    Interrupt,
    Join,
    Leave,
    Pause,
    Post,
    Resume,
    Send,
    Start,
)
from greenroom.actors.session.state import State


def join(user: str, role: str = "participant") -> Join:
    return Join(user=user, name=user.title(), role=role)  # type: ignore[arg-type]


def roles(state: State) -> dict[str, str]:
    return {user: member.role for user, member in state.participants.items()}


def asking(*users: str, **settings: object) -> State:
    """A room that needs approval, and who waits for it."""
    state = room(require_approval=True, **settings)
    for user in users:
        do(state, join(user))
    return state


# --- creating ------------------------------------------------------------------------------------


def test_r09_a_new_session_has_its_host_and_no_event() -> None:
    state = room(started=False)

    assert (state.lifecycle, state.revision, state.started_ms) == ("created", 0, None)
    assert roles(state) == {"ann": "host"}
    assert state.host == "ann"


def test_r33_a_session_may_begin_started() -> None:
    state = room(started=True)

    assert (state.lifecycle, state.revision, state.started_ms) == ("active", 0, 1000)


# --- joining -------------------------------------------------------------------------------------


def test_r11_the_first_failing_check_is_the_reason() -> None:
    closed_and_full = room(allow_join=False, max_participants=1, require_approval=True)
    full_and_asking = room(max_participants=1, require_approval=True)
    ended = room(allow_join=False, max_participants=1)
    do(ended, End(by="ann"))

    assert refuse(ended, join("cem"), SessionEnded).state == "ended"
    refuse(closed_and_full, join("cem"), JoinClosed)
    assert refuse(full_and_asking, join("cem"), SessionFull).limit == 1
    assert do(room("bob"), join("cem"))


def test_r12_capacity_counts_host_and_observers_but_no_pending() -> None:
    state = asking("bob", "cem", "dee", max_participants=3)
    do(state, Approve(by="ann", user="bob"))

    assert do(state, join("eve", "observer"))
    do(state, Approve(by="ann", user="eve"))

    assert roles(state) == {"ann": "host", "bob": "participant", "eve": "observer"}
    refuse(state, Approve(by="ann", user="cem"), SessionFull)
    refuse(state, join("fay"), SessionFull)


def test_r13_whoever_needs_approval_is_put_on_the_list_by_an_event_of_its_own() -> None:
    state = room(require_approval=True)

    events = do(state, join("bob", "observer"))

    assert events == (happened.JoinRequested(user="bob", name="Bob", role="observer", host="ann"),)
    assert "bob" not in state.participants
    assert list(state.pending) == ["bob"]


def test_r14_the_host_needs_no_approval() -> None:
    state = room(require_approval=True)

    assert do(state, join("ann")) == ()
    assert roles(state) == {"ann": "host"}


@pytest.mark.parametrize("role", ["participant", "observer"])
def test_r15_joining_makes_a_participant_in_the_role_asked_for(role: str) -> None:
    state = room()

    events = do(state, join("bob", role), at_ms=7000)

    assert events == (happened.Joined(user="bob", name="Bob", role=role),)
    assert state.participants["bob"].role == role
    assert state.participants["bob"].joined_ms == 7000


@pytest.mark.parametrize("lifecycle", ["created", "active", "paused"])
def test_r15_joining_is_possible_until_the_end(lifecycle: str) -> None:
    state = room(started=lifecycle != "created")
    if lifecycle == "paused":
        do(state, Pause(by="ann"))

    do(state, join("bob"))

    assert "bob" in state.participants
    assert state.lifecycle == lifecycle


def test_rx3_no_number_of_joins_makes_more_participants_than_the_room_has() -> None:
    state = room(max_participants=3)

    do(state, join("bob"))
    do(state, join("cem"))
    for number in range(10):
        refuse(state, join(f"late {number}"), SessionFull)

    assert len(state.participants) == 3


def test_rx11_joining_again_changes_nothing_even_when_full_or_closed() -> None:
    state = room("bob", max_participants=2)
    before = written_out(state)

    assert do(state, join("bob", "observer"), at_ms=9000) == ()
    assert do(state, join("ann"), at_ms=9000) == ()

    assert state == before
    assert roles(state) == {"ann": "host", "bob": "participant"}


def test_rx12_nobody_joins_an_ended_session() -> None:
    state = room("bob")
    do(state, End(by="ann"))

    refuse(state, join("cem"), SessionEnded)
    refuse(state, join("bob"), SessionEnded)


def test_rx13_asking_again_while_waiting_adds_no_event() -> None:
    state = asking("bob")

    for _ in range(12):
        assert do(state, join("bob", "observer")) == ()

    assert state.revision == 1
    assert state.pending["bob"].role == "participant"
    assert state.history == []


def test_rx14_a_request_is_no_act_of_the_host() -> None:
    (event,) = do(room(require_approval=True), join("bob"))

    assert isinstance(event, happened.JoinRequested)
    assert event.user == "bob"


# --- approving -----------------------------------------------------------------------------------


def test_r16_only_the_host_approves_and_only_who_has_asked() -> None:
    state = asking("bob")

    assert refuse(state, Approve(by="bob", user="bob"), NotHost).host == "ann"
    assert refuse(state, Approve(by="ann", user="cem"), NotPending).user == "cem"
    refuse(state, Approve(by="ann", user="ann"), NotPending)


def test_rx1_approving_makes_a_participant_in_one_step() -> None:
    state = asking("bob")

    events = do(state, Approve(by="ann", user="bob"))

    assert events == (happened.Joined(user="bob", name="Bob", role="participant"),)
    assert "bob" in state.participants
    assert state.pending == {}
    refuse(state, Approve(by="ann", user="bob"), NotPending)


def test_rx2_approving_reports_why_it_cannot_and_keeps_the_request() -> None:
    full = asking("bob", "cem", max_participants=2)
    do(full, Approve(by="ann", user="bob"))
    ended = asking("bob")
    do(ended, End(by="ann"))

    refuse(full, Approve(by="ann", user="cem"), SessionFull)
    refuse(ended, Approve(by="ann", user="bob"), SessionEnded)
    assert list(full.pending) == ["cem"]


def test_rx2_name_and_role_are_those_of_the_request() -> None:
    state = room(require_approval=True)
    do(state, Join(user="bob", name="Robert", role="observer"))

    do(state, Approve(by="ann", user="bob"))

    assert state.participants["bob"].name == "Robert"
    assert state.participants["bob"].role == "observer"


def test_rx2_a_place_that_has_become_free_can_be_given_to_who_still_waits() -> None:
    state = asking("bob", "cem", max_participants=2)
    do(state, Approve(by="ann", user="bob"))
    refuse(state, Approve(by="ann", user="cem"), SessionFull)

    do(state, Leave(user="bob"))
    do(state, Approve(by="ann", user="cem"))

    assert roles(state) == {"ann": "host", "cem": "participant"}


def test_rx23_the_end_frees_the_list_of_those_who_wait() -> None:
    state = asking("bob", "cem")

    do(state, End(by="ann"))

    assert state.pending == {}


# --- leaving -------------------------------------------------------------------------------------


def test_r17_only_a_participant_leaves_and_is_no_participant_then() -> None:
    state = room("bob")

    events = do(state, Leave(user="bob"))

    assert events == (happened.Left(user="bob", name="Bob"),)
    assert roles(state) == {"ann": "host"}
    refuse(state, Leave(user="bob"), NotMember)
    refuse(state, Leave(user="nobody"), NotMember)


def test_r18_the_last_one_out_ends_the_session_after_leaving_it() -> None:
    state = room()

    events = do(state, Leave(user="ann"))

    assert events == (happened.Left(user="ann", name="Ann"), happened.SessionEnded(by="ann"))
    assert state.lifecycle == "ended"


def test_r19_the_earliest_joined_participant_inherits() -> None:
    state = room("bob", "cem", "dee")
    do(state, Leave(user="bob"))
    do(state, join("bob"))
    before = state.revision

    events = do(state, Leave(user="ann"))

    assert events == (
        happened.Left(user="ann", name="Ann"),
        happened.HostChanged(host="cem", previous="ann"),
    )
    assert state.revision == before + 2
    assert state.host == "cem"
    assert roles(state) == {"cem": "host", "dee": "participant", "bob": "participant"}


def test_r19_the_order_of_joining_survives_a_snapshot() -> None:
    state = room("zoe", "bob", "cem")
    do(state, Leave(user="zoe"))
    do(state, join("zoe"))

    woken = written_out(state)
    do(woken, Leave(user="ann"))

    assert list(woken.participants) == ["bob", "cem", "zoe"]
    assert woken.host == "bob"


def test_r19_whoever_returns_is_no_host_any_more() -> None:
    state = room("bob")
    do(state, Leave(user="ann"))

    do(state, join("ann"))

    assert roles(state) == {"bob": "host", "ann": "participant"}
    refuse(state, Pause(by="ann"), NotHost)


def test_rx6_the_heir_can_do_what_a_host_can_in_the_same_revision() -> None:
    state = room("bob", "cem", require_approval=False)

    do(state, Leave(user="ann"))

    do(state, Pause(by="bob"))
    do(state, Resume(by="bob"))
    do(state, Leave(user="bob"))
    do(state, End(by="cem"))
    assert state.lifecycle == "ended"


def test_rx25_an_observer_inherits_only_if_nobody_else_is_left() -> None:
    state = room()
    do(state, join("old", "observer"))
    do(state, join("new"))

    do(state, Leave(user="ann"))
    assert state.host == "new"

    do(state, Leave(user="new"))
    assert roles(state) == {"old": "host"}
    assert do(state, Post(user="old", text="now I may speak"))


def test_rx25_observers_read_only() -> None:
    state = room()
    do(state, join("eve", "observer"))

    assert refuse(state, Post(user="eve", text="hi"), NotAllowed).role == "observer"
    refuse(state, Send(user="eve", text="hi"), NotAllowed)
    refuse(state, Interrupt(user="eve"), NotAllowed)


# --- the life of a session -----------------------------------------------------------------------


def at(lifecycle: str) -> State:
    """Ann's and Bob's session in one of the four states."""
    state = room("bob", started=lifecycle != "created")
    if lifecycle == "paused":
        do(state, Pause(by="ann"))
    if lifecycle == "ended":
        do(state, End(by="ann"))
    return state


MOVES: dict[str, dict[type[Command], str]] = {
    "created": {Start: "active", End: "ended"},
    "active": {Pause: "paused", End: "ended"},
    "paused": {Resume: "active", End: "ended"},
    "ended": {End: "ended"},
}
EVERY_MOVE = [(lifecycle, verb) for lifecycle in MOVES for verb in (Start, Pause, Resume, End)]


@pytest.mark.parametrize(("lifecycle", "verb"), EVERY_MOVE)
def test_rx4_the_table_of_states_is_closed(lifecycle: str, verb: type[Command]) -> None:
    state = at(lifecycle)
    to = MOVES[lifecycle].get(verb)

    if to is None:
        why = SessionEnded if lifecycle == "ended" else WrongState
        refusal = refuse(state, verb(by="ann"), why)
        assert refusal.state == lifecycle
    else:
        do(state, verb(by="ann"))
        assert state.lifecycle == to


@pytest.mark.parametrize(("lifecycle", "verb"), EVERY_MOVE)
def test_r33_r34_r20_only_the_host_moves_the_session(lifecycle: str, verb: type[Command]) -> None:
    state = at(lifecycle)

    assert refuse(state, verb(by="bob"), NotHost).user == "bob"
    refuse(state, verb(by="nobody"), NotHost)


def test_rx4_an_ended_session_cannot_be_resumed() -> None:
    state = at("ended")

    refuse(state, Pause(by="ann"), SessionEnded)
    refuse(state, Resume(by="ann"), SessionEnded)
    refuse(state, Post(user="bob", text="hi"), SessionEnded)
    assert state.ended_ms == 2000


def test_rx4_a_session_that_never_began_cannot_be_paused_into_life() -> None:
    state = at("created")

    refuse(state, Pause(by="ann"), WrongState)
    refuse(state, Resume(by="ann"), WrongState)
    assert state.started_ms is None


def test_r33_starting_says_when() -> None:
    state = at("created")

    events = do(state, Start(by="ann"), at_ms=5000)

    assert events == (happened.SessionStarted(by="ann"),)
    assert (state.lifecycle, state.started_ms) == ("active", 5000)


def test_r34_pausing_and_resuming_are_events_of_the_host() -> None:
    state = at("active")

    assert do(state, Pause(by="ann")) == (happened.SessionPaused(by="ann"),)
    assert do(state, Resume(by="ann")) == (happened.SessionResumed(by="ann"),)


def test_r20_ending_twice_is_harmless() -> None:
    state = at("active")
    assert do(state, End(by="ann"), at_ms=5000) == (happened.SessionEnded(by="ann"),)
    before = written_out(state)

    assert do(state, End(by="ann"), at_ms=6000) == ()

    assert state == before
    assert state.ended_ms == 5000


def test_rx5_leaving_an_ended_session_ends_it_no_second_time() -> None:
    state = at("ended")

    assert do(state, Leave(user="ann"), at_ms=9000) == (
        happened.Left(user="ann", name="Ann"),
        happened.HostChanged(host="bob", previous="ann"),
    )
    assert do(state, Leave(user="bob"), at_ms=9000) == (happened.Left(user="bob", name="Bob"),)

    assert state.participants == {}
    assert state.ended_ms == 2000


# --- under any script ----------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(script=acts())
def test_rx11_a_session_with_people_has_exactly_one_host(script: list[Act]) -> None:
    state = room("bob", "cem", max_participants=4)

    for act in script:
        perform(state, act)

        hosts = [user for user, role in roles(state).items() if role == "host"]
        assert hosts == ([state.host] if state.participants else [])
        assert state.participants or state.lifecycle == "ended"
        assert len(state.participants) <= 4
        assert not state.participants.keys() & state.pending.keys()


@settings(max_examples=100, deadline=None)
@given(script=acts())
def test_rx4_no_script_leaves_the_table_of_states(script: list[Act]) -> None:
    state = room("bob", started=False, require_approval=True)
    legal = {lifecycle: set(moves.values()) for lifecycle, moves in MOVES.items()}

    for act in script:
        before, ended_ms = state.lifecycle, state.ended_ms
        perform(state, act)

        assert state.lifecycle == before or state.lifecycle in legal[before]
        assert ended_ms in (None, state.ended_ms)
        assert (state.ended_ms is not None) == (state.lifecycle == "ended")
