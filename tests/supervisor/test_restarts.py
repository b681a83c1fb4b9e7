from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.supervisor.restarts import RestartWindow, delay_s


def admitted(window: RestartWindow, *times: float) -> list[bool]:
    """Whether each of the restarts at `times` is allowed."""
    answers = []
    for now in times:
        allowed, window = window.admit(now)
        answers.append(allowed)
    return answers


def test_p13_a_restart_too_many_within_the_window_is_refused() -> None:
    assert admitted(RestartWindow(3, 60.0), 0, 1, 2, 3) == [True, True, True, False]


def test_p13_the_window_is_closed() -> None:
    window = RestartWindow(1, 60.0)

    assert admitted(window, 0.0, 60.0) == [True, False]
    assert admitted(window, 0.0, 60.5) == [True, True]


def test_p13_what_is_older_than_the_window_counts_no_more() -> None:
    assert admitted(RestartWindow(2, 10.0), 0, 8, 12, 17, 30) == [True, True, True, False, True]


def test_p13_with_no_restart_allowed_the_first_crash_parks() -> None:
    assert admitted(RestartWindow(0, 60.0), 5.0) == [False]


def test_a_window_remembers_no_more_than_it_must() -> None:
    window = RestartWindow(3, 10.0)

    for now in range(0, 1000, 4):
        allowed, window = window.admit(float(now))
        assert allowed
        assert len(window.times) <= 3


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(0, 5),
    window_s=st.integers(1, 30),
    steps=st.lists(st.integers(0, 20), max_size=40),
)
def test_p13_no_closed_window_holds_more_restarts_than_the_limit(
    limit: int, window_s: int, steps: list[int]
) -> None:
    times = [float(sum(steps[: count + 1])) for count in range(len(steps))]

    allowed = admitted(RestartWindow(limit, float(window_s)), *times)

    for count, now in enumerate(times):
        crashes = [time for time in times[: count + 1] if time >= now - window_s]
        assert allowed[count] == (len(crashes) <= limit)
    restarts = [time for time, yes in zip(times, allowed, strict=True) if yes]
    for start in restarts:
        assert len([time for time in restarts if start <= time <= start + window_s]) <= limit


def test_the_delay_doubles_up_to_the_most() -> None:
    waits = [delay_s(restarts, first_s=0.5, most_s=3.0) for restarts in range(1, 7)]

    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize("restarts", [1, 100, 1024, 1025, 10_000, 10**6])
def test_the_delay_is_never_longer_than_the_most_however_many_restarts(restarts: int) -> None:
    assert delay_s(restarts, first_s=0.05, most_s=0.05) == 0.05
    assert delay_s(restarts, first_s=0.0, most_s=5.0) == 0.0
    assert delay_s(restarts, first_s=1e300, most_s=1e301) <= 1e301


DRAWN = st.floats(0.0, 1.0, exclude_max=True)


@given(
    restarts=st.integers(1, 2000),
    first_s=st.floats(0.0, 10.0),
    longer_s=st.floats(0.0, 100.0),
    jitter=st.floats(0.0, 1.0),
    drawn=DRAWN,
)
def test_p13_with_jitter_the_delay_stays_between_the_least_and_the_most(
    restarts: int, first_s: float, longer_s: float, jitter: float, drawn: float
) -> None:
    most_s = first_s + longer_s

    wait_s = delay_s(restarts, first_s=first_s, most_s=most_s, jitter=jitter, drawn=drawn)

    assert first_s <= wait_s <= most_s


@pytest.mark.parametrize("restarts", [1, 3, 50])
def test_p13_sessions_that_crash_together_are_started_apart_also_at_the_most(restarts: int) -> None:
    waits = [
        delay_s(restarts, first_s=0.5, most_s=4.0, jitter=0.2, drawn=drawn)
        for drawn in (0.0, 0.25, 0.5, 0.75)
    ]

    assert waits == sorted(set(waits))
    assert waits[-1] / waits[0] == pytest.approx(1.15)
