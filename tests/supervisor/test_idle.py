from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom.supervisor.idle import IdleQueue


class Clocks:
    """When each session was last active; counts how often it is asked."""

    def __init__(self, **active: float) -> None:
        self.active = active
        self.asked: list[str] = []

    def __call__(self, session: str) -> float:
        self.asked.append(session)
        return self.active[session]


def queue(clocks: Clocks, idle_s: float = 10.0) -> IdleQueue:
    """A queue of all sessions, in the order given."""
    made = IdleQueue(idle_s)
    for session, active_s in clocks.active.items():
        made.add(session, active_s)
    return made


def anyone(_: str) -> bool:
    return True


# --- when one can be idle ---


def test_a_session_can_be_idle_from_its_last_activity_on_or_from_when_it_was_last_looked_at() -> (
    None
):
    clocks = Clocks(a=0.0)
    idle = queue(clocks)

    assert (idle.due_s("a", clocks), idle.due_s("nobody", clocks)) == (10.0, None)
    clocks.active["a"] = 5.0
    assert idle.due_s("a", clocks) == 15.0
    idle.remove("a")
    idle.add("a", 7.0)  # found at work
    assert idle.due_s("a", clocks) == 17.0


# --- idle for too long ---------------------------------------------------------------------------


def test_v31_idle_means_longer_than_the_limit() -> None:
    clocks = Clocks(a=0.0)
    idle = queue(clocks)

    assert idle.due(10.0, clocks) == []
    assert idle.due(10.001, clocks) == ["a"]
    assert len(idle) == 0


def test_vx7_activity_is_looked_at_when_it_is_due_and_not_before() -> None:
    clocks = Clocks(a=0.0, b=1.0)
    idle = queue(clocks)
    clocks.active["a"] = 5.0

    assert idle.due(9.0, clocks) == []
    assert clocks.asked == []
    assert idle.due(12.0, clocks) == ["b"]

    assert idle.next_due() == 15.0
    assert idle.due(15.5, clocks) == ["a"]


def test_p12_a_session_that_stays_active_is_never_due() -> None:
    clocks = Clocks(a=0.0)
    idle = queue(clocks)

    for now in range(1, 100):
        clocks.active["a"] = float(now)
        assert idle.due(now + 10.0, clocks) == []

    assert len(clocks.asked) < 100
    assert len(idle) == 1


def test_all_that_are_due_are_taken_out_oldest_first() -> None:
    clocks = Clocks(c=3.0, a=1.0, b=2.0, d=50.0)
    idle = queue(clocks)

    assert idle.due(20.0, clocks) == ["a", "b", "c"]

    assert len(idle) == 1
    assert idle.next_due() == 60.0


def test_an_empty_queue_is_never_due() -> None:
    clocks = Clocks()
    idle = queue(clocks)

    assert idle.next_due() is None
    assert idle.due(1e9, clocks) == []
    assert idle.take_least_recent(clocks, anyone) is None


def test_a_session_that_was_removed_is_due_no_more() -> None:
    clocks = Clocks(a=0.0, b=1.0)
    idle = queue(clocks)

    idle.remove("a")
    idle.remove("a")
    idle.remove("nobody")

    assert idle.next_due() == 11.0
    assert idle.due(99.0, clocks) == ["b"]


def test_a_session_that_comes_back_is_watched_from_then_on() -> None:
    clocks = Clocks(a=0.0)
    idle = queue(clocks)
    idle.remove("a")
    clocks.active["a"] = 20.0

    idle.add("a", 20.0)

    assert len(idle) == 1
    assert idle.due(25.0, clocks) == []
    assert idle.due(31.0, clocks) == ["a"]
    assert idle.next_due() is None


# --- making room ---------------------------------------------------------------------------------


def test_the_least_recently_active_is_taken_by_its_activity_as_it_is_now() -> None:
    clocks = Clocks(a=0.0, b=1.0, c=2.0)
    idle = queue(clocks)
    clocks.active.update(a=9.0, b=5.0)

    assert [idle.take_least_recent(clocks, anyone) for _ in range(4)] == ["c", "b", "a", None]


def test_who_may_not_leave_is_passed_over_and_keeps_its_place() -> None:
    clocks = Clocks(a=0.0, b=1.0, c=2.0)
    idle = queue(clocks)

    assert idle.take_least_recent(clocks, lambda session: session == "c") == "c"
    assert idle.take_least_recent(clocks, lambda _: False) is None

    assert len(idle) == 2
    assert idle.due(11.5, clocks) == ["a", "b"]


# --- cost ----------------------------------------------------------------------------------------


def test_what_was_removed_takes_no_room_for_long() -> None:
    idle = IdleQueue(10.0)
    idle.add("stays", 0.0)

    for number in range(1000):
        idle.add(str(number), 1.0 + number)
        idle.remove(str(number))

    assert len(idle._heap) <= 66
    assert idle.next_due() == 10.0


def test_many_sessions_that_leave_take_no_room_for_long() -> None:
    idle = IdleQueue(10.0)
    for number in range(1000):
        idle.add(str(number), float(number))

    for number in range(999):
        idle.remove(str(number))

    assert len(idle._heap) <= 66
    assert idle.next_due() == 1009.0


def test_a_session_is_looked_at_about_once_in_an_idle_period() -> None:
    clocks = Clocks(**{str(number): 0.0 for number in range(100)})
    idle = queue(clocks)

    for now in range(1000):
        for session in clocks.active:
            clocks.active[session] = float(now)
        assert idle.due(float(now), clocks) == []

    assert len(clocks.asked) <= 100 * (1000 / 10 + 1)


# --- whatever happens ----------------------------------------------------------------------------

SESSIONS = st.sampled_from("abcdefgh")


class Days(RuleBasedStateMachine):
    """A queue beside a model that looks at every session every time."""

    @initialize(idle_s=st.integers(1, 20))
    def open(self, idle_s: int) -> None:
        self.now, self.idle_s = 0.0, idle_s
        self.idle = IdleQueue(float(idle_s))
        self.active: dict[str, float] = {}
        self.watched: set[str] = set()

    @rule(seconds=st.integers(0, 12))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(session=SESSIONS)
    def act(self, session: str) -> None:
        if session in self.watched:
            self.active[session] = self.now

    @rule(session=SESSIONS)
    def add(self, session: str) -> None:
        self.active[session] = self.now
        self.watched.add(session)
        self.idle.add(session, self.now)

    @rule(session=SESSIONS)
    def remove(self, session: str) -> None:
        self.watched.discard(session)
        self.idle.remove(session)

    @rule()
    def sweep(self) -> None:
        due = self.idle.due(self.now, self.active.__getitem__)

        expected = {name for name in self.watched if self.active[name] + self.idle_s < self.now}
        assert sorted(due) == sorted(expected)
        self.watched -= expected

    @rule(staying=st.sets(SESSIONS))
    def make_room(self, staying: set[str]) -> None:
        may_leave = self.watched - staying

        taken = self.idle.take_least_recent(self.active.__getitem__, may_leave.__contains__)

        if taken is None:
            assert not may_leave
        else:
            assert taken in may_leave
            assert self.active[taken] == min(self.active[name] for name in may_leave)
            self.watched.discard(taken)

    @invariant()
    def the_next_sweep_is_never_too_late(self) -> None:
        assert len(self.idle) == len(self.watched)
        due = self.idle.next_due()
        if self.watched:
            assert due is not None
            assert due <= min(self.active[name] for name in self.watched) + self.idle_s
        else:
            assert due is None


TestDays = Days.TestCase
TestDays.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
