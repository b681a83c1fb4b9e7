from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session.cast import do, room, written_out

from greenroom.actors.session.commands import Deny, Join, Post
from greenroom.actors.session.retention import retained
from greenroom.actors.session.state import State


def post(state: State, count: int = 1) -> None:
    for _ in range(count):
        do(state, Post(user="ann", text="x"))


def span(state: State) -> tuple[int, int]:
    return state.oldest, state.revision


def test_r27_one_thousand_are_kept_and_one_more_leaves_five_hundred() -> None:
    state = room()

    post(state, 1000)
    assert span(state) == (1, 1000)
    assert retained(state) == 1000
    post(state)

    assert span(state) == (502, 1001)
    assert retained(state) == 500


@pytest.mark.parametrize(
    ("limit", "kept"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (999, 500)]
)
def test_r27_half_is_rounded_up(limit: int, kept: int) -> None:
    state = room(max_events=limit)

    post(state, limit + 1)

    assert retained(state) == kept
    assert span(state) == (limit + 2 - kept, limit + 1)


def test_r27_a_room_of_one_keeps_its_newest() -> None:
    state = room(max_events=1)

    for number in range(1, 6):
        post(state)
        assert span(state) == (number, number)


def test_rx13_requests_are_not_charged() -> None:
    state = room(require_approval=True, max_events=5)
    post(state, 5)

    for number in range(20):
        do(state, Join(user=f"u{number}", name="U"))
    do(state, Deny(by="ann", user="u0"))
    assert state.oldest == 1
    assert retained(state) == 26
    post(state)

    assert span(state) == (4, 27)
    assert retained(state) == 3 + 21  # those that lie between stay with what is kept
    post(state, 3)
    assert span(state) == (28, 30)
    assert state.uncharged == []


def test_rx19_an_unrecorded_room_retains_nothing() -> None:
    state = room(record_session=False)
    post(state, 3)

    assert retained(state) == 0


class Naive:
    """Every retained event in a list, cut as spec R27 says."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.events: list[tuple[int, bool]] = []

    def add(self, revision: int, charged: bool) -> None:
        self.events.append((revision, charged))
        kept = [revision for revision, counts in self.events if counts]
        if len(kept) > self.limit:
            newest = kept[-((self.limit + 1) // 2) :]
            self.events = [event for event in self.events if event[0] >= newest[0]]


@settings(max_examples=200, deadline=None)
@given(limit=st.integers(1, 7), script=st.lists(st.booleans(), max_size=60), wake=st.integers(1, 9))
def test_r27_rx13_the_room_retains_what_a_list_would(
    limit: int, script: list[bool], wake: int
) -> None:
    state, model = room(require_approval=True, max_events=limit), Naive(limit)

    for number, charged in enumerate(script, 1):
        if charged:
            post(state)
        else:
            do(state, Join(user=f"u{number}", name="U"))
        model.add(number, charged)
        if number % wake == 0:
            state = written_out(state)

        assert state.retained <= limit
        assert retained(state) == len(model.events)
        # What comes before the oldest charged one is only let go of with the next cut.
        assert state.oldest == (model.events[0][0] if model.events else 1)
