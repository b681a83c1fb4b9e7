"""Places for running turns: limits, turns of users, and that none is lost (P14's pure half)."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from greenroom.actors.kernel.mailbox import Mail, Mailbox
from greenroom.actors.session.permits import Hold, IllegalTake, Permit, PermitGranted, Permits


class Heard(Mailbox):
    """Notes whom it is told to have been granted a place."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.granted: list[Permit] = []

    def put_system(self, mail: Mail) -> None:
        assert type(mail.message) is PermitGranted
        self.granted.append(mail.message.permit)


def permit(permits: Permits, user: str = "ann") -> Permit:
    return Permit(permits, user, Heard(user))


def took(permits: Permits, user: str = "ann") -> Permit:
    made = permit(permits, user)
    made.take()
    return made


def waits(permits: Permits, user: str = "ann") -> Permit:
    made = permit(permits, user)
    made.wait()
    return made


def test_without_a_limit_every_turn_may_start() -> None:
    permits = Permits()

    for _ in range(100):
        took(permits)

    assert (permits.in_use, permits.waiting) == (100, 0)


def test_the_global_limit_holds_everybody_and_the_one_of_a_user_only_that_user() -> None:
    permits = Permits(most=3, most_per_user=1)
    took(permits, "ann")

    assert not permits.may_start("ann", None)
    assert permits.may_start("bob", None)
    took(permits, "bob")
    took(permits, "eve")
    assert not permits.may_start("dan", None)


def test_the_exempt_user_has_no_limit_of_its_own() -> None:
    permits = Permits(most=3, most_per_user=1, exempt="root")

    for _ in range(3):
        took(permits, "root")

    assert not permits.may_start("root", None)


def test_a_turn_that_was_not_allowed_is_a_bug_and_takes_nothing() -> None:
    permits = Permits(most=1)
    took(permits)
    late = permit(permits)

    with pytest.raises(IllegalTake):
        late.take()
    late.wait()
    with pytest.raises(IllegalTake):
        late.take()

    assert permits.in_use == 1


def test_a_place_that_is_given_back_goes_to_whose_turn_it_is_and_it_is_told() -> None:
    permits = Permits(most=1)
    first = took(permits)
    second, third, other = waits(permits), waits(permits), waits(permits, "bob")

    first.give_back()
    assert (second.hold, other.hold) == (Hold.GRANTED, Hold.WAITING)
    assert second.mailbox.granted == [second]
    second.take()
    second.give_back()

    assert (other.hold, third.hold, permits.in_use) == (Hold.GRANTED, Hold.WAITING, 1)


def test_who_waits_for_its_own_limit_keeps_nobody_from_a_free_place() -> None:
    permits = Permits(most=2, most_per_user=1)
    hung = took(permits, "ann")
    behind = waits(permits, "ann")

    assert permits.may_start("bob", None)
    served = waits(permits, "bob")

    assert (behind.hold, served.hold) == (Hold.WAITING, Hold.GRANTED)
    hung.give_back()
    assert behind.hold is Hold.GRANTED


def test_a_session_goes_on_in_its_place_unless_somebody_waits_who_could_have_it() -> None:
    permits = Permits(most=2, most_per_user=1)
    ann, bob = took(permits, "ann"), took(permits, "bob")

    assert permits.may_start("ann", ann)
    more = waits(permits, "bob")
    assert permits.may_start("ann", ann)  # bob may have no second one
    assert not permits.may_start("bob", bob)  # but whoever is behind him, the place he has
    more.give_back()
    waits(permits, "eve")
    assert not permits.may_start("ann", ann)


def test_who_gives_up_waiting_is_passed_over_and_giving_back_twice_gives_back_once() -> None:
    permits = Permits(most=1)
    first, second, third = took(permits), waits(permits), waits(permits)

    second.give_back()
    first.give_back()
    first.give_back()

    assert (second.hold, third.hold) == (Hold.NOTHING, Hold.GRANTED)
    assert (permits.in_use, permits.waiting, permits.used()) == (1, 0, {"ann": 1})
    third.give_back()
    assert (permits.in_use, permits.used()) == (0, {})


class Turns(RuleBasedStateMachine):
    """Permits in every order of calls; what is held is counted beside it."""

    @initialize(most=st.none() | st.integers(1, 3), per_user=st.none() | st.integers(1, 2))
    def open(self, most: int | None, per_user: int | None) -> None:
        self.most, self.per_user = most, per_user
        self.permits = Permits(most=most, most_per_user=per_user)
        self.all = [permit(self.permits, user) for user in ("ann", "ann", "bob", "bob", "eve")]

    @rule(index=st.integers(0, 4))
    def start(self, index: int) -> None:
        one = self.all[index]
        before = one.hold
        if self.permits.may_start(one.user, one):
            one.take()
            assert one.hold is Hold.USED
        elif before is not Hold.USED:
            with pytest.raises(IllegalTake):
                one.take()
            assert one.hold is before

    @rule(index=st.integers(0, 4))
    def wait(self, index: int) -> None:
        self.all[index].wait()

    @rule(index=st.integers(0, 4))
    def give_back(self, index: int) -> None:
        self.all[index].give_back()

    @precondition(lambda self: self.permits.waiting)
    @rule()
    def end_all(self) -> None:
        """Whoever waits is served, if only all others end: nobody starves."""
        for _ in range(10):
            for one in self.all:
                if one.hold in (Hold.USED, Hold.GRANTED):
                    one.give_back()
        assert self.permits.waiting == 0

    @invariant()
    def no_limit_is_exceeded_and_no_place_is_lost(self) -> None:
        with suppress(AttributeError):
            permits = self.permits
            held = [one for one in self.all if one.hold in (Hold.USED, Hold.GRANTED)]
            of_users = Counter(one.user for one in held)
            assert permits.in_use == len(held)
            assert permits.used() == of_users
            assert self.most is None or len(held) <= self.most
            assert self.per_user is None or all(n <= self.per_user for n in of_users.values())
            waiting = [one for one in self.all if one.hold is Hold.WAITING]
            assert permits.waiting == len(waiting)
            for one in waiting:  # no place is free that somebody waits for
                full = self.most is not None and len(held) >= self.most
                assert full or of_users[one.user] == self.per_user


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
