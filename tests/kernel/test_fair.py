from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from greenroom.actors.kernel.fair import FairQueue

USERS = ("ann", "bob", "eve")


def queue(*pairs: tuple[str, int]) -> FairQueue[str, int]:
    made: FairQueue[str, int] = FairQueue()
    for user, item in pairs:
        made.add(user, item)
    return made


def anyone(_: str) -> bool:
    return True


def all_of(made: FairQueue[str, int]) -> list[int | None]:
    return [made.take(anyone) for _ in range(len(made))]


def test_users_take_turns_and_each_is_served_in_the_order_of_coming() -> None:
    made = queue(("ann", 1), ("ann", 2), ("ann", 3), ("bob", 4), ("eve", 5), ("bob", 6))

    assert all_of(made) == [1, 4, 5, 2, 6, 3]
    assert made.take(anyone) is None


def test_who_may_not_be_served_keeps_its_place_and_nobody_waits_for_it() -> None:
    made = queue(("ann", 1), ("bob", 2), ("bob", 3))

    assert made.take(lambda user: user != "ann") == 2
    assert made.take(anyone) == 1
    assert made.take(lambda user: user == "ann") is None
    assert made.next_user(lambda user: user == "ann") is None
    assert made.next_user(anyone) == "bob"


def test_who_comes_again_stands_behind_the_others() -> None:
    made = queue(("ann", 1), ("bob", 2))

    assert made.take(anyone) == 1
    made.add("ann", 3)

    assert all_of(made) == [2, 3]


def test_who_leaves_is_not_served_and_leaving_twice_is_harmless() -> None:
    made = queue(("ann", 1), ("ann", 2), ("bob", 3))

    assert made.remove("ann", 1)
    assert made.remove("bob", 3)

    assert not made.remove("ann", 1)
    assert not made.remove("zed", 1)
    assert ("bob" in made, "ann" in made, len(made)) == (False, True, 1)
    assert all_of(made) == [2]


def test_what_waits_already_waits_once() -> None:
    made = queue(("ann", 1), ("ann", 1))

    assert (len(made), made.waiting()) == (1, {"ann": 1})


@settings(max_examples=200, deadline=None)
@given(users=st.lists(st.sampled_from(USERS), max_size=30))
def test_no_user_is_served_twice_while_another_one_waits(users: list[str]) -> None:
    made = queue(*((user, number) for number, user in enumerate(users)))
    left, served = Counter(users), Counter[str]()

    while (item := made.take(anyone)) is not None:
        user = users[item]
        assert all(served[user] <= served[other] for other in USERS if left[other])
        left[user] -= 1
        served[user] += 1

    assert served == Counter(users)


class Lines(RuleBasedStateMachine):
    """Beside a model that is a list of users, each with a list."""

    def __init__(self) -> None:
        super().__init__()
        self.made: FairQueue[str, int] = FairQueue()
        self.model: list[tuple[str, list[int]]] = []
        self.count = 0

    def of(self, user: str) -> list[int]:
        return next((items for name, items in self.model if name == user), [])

    @rule(user=st.sampled_from(USERS))
    def add(self, user: str) -> None:
        self.count += 1
        self.made.add(user, self.count)
        if not self.of(user):
            self.model.append((user, []))
        self.of(user).append(self.count)

    @rule(may=st.sets(st.sampled_from(USERS)))
    def take(self, may: set[str]) -> None:
        taken = self.made.take(lambda user: user in may)
        entry: Any = next((entry for entry in self.model if entry[0] in may), None)
        assert taken == (entry[1].pop(0) if entry else None)
        if entry:
            self.model.remove(entry)
            self.model += [entry] if entry[1] else []

    @rule(user=st.sampled_from(USERS), item=st.integers(1, 20))
    def remove(self, user: str, item: int) -> None:
        there = item in self.of(user)
        assert self.made.remove(user, item) is there
        if there:
            self.of(user).remove(item)
            self.model = [entry for entry in self.model if entry[1]]

    @invariant()
    def all_who_wait_are_known(self) -> None:
        assert self.made.waiting() == {user: len(items) for user, items in self.model}
        assert list(self.made.waiting()) == [user for user, _ in self.model]
        assert len(self.made) == sum(len(items) for _, items in self.model)


TestLines = Lines.TestCase
TestLines.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
