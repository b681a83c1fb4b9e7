from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from greenroom.actors.kernel.mailbox import Mail
from greenroom.supervisor.waiting import WaitingLine


def mail(name: str) -> Mail:
    return Mail(name)


def line(*waiting: tuple[str | None, str, float]) -> tuple[WaitingLine, dict[str, Mail]]:
    made, mails = WaitingLine(), {name: mail(name) for _, name, _ in waiting}
    for user, name, until_s in waiting:
        made.add(user, mails[name], until_s=until_s)
    return made, mails


def taken(made: WaitingLine) -> list[Any]:
    found = []
    while (one := made.take()) is not None:
        found.append(one.message)
    return found


def test_users_take_turns_and_nobody_in_particular_is_one_of_them() -> None:
    made, _ = line(("ann", "a1", 1.0), ("ann", "a2", 1.0), (None, "n", 1.0), ("bob", "b", 1.0))

    assert made.waiting() == {"ann": 2, None: 1, "bob": 1}
    assert taken(made) == ["a1", "n", "b", "a2"]
    assert len(made) == 0


def test_those_whose_time_is_over_are_taken_out_and_no_others() -> None:
    made, _ = line(("ann", "a", 1.0), ("bob", "b", 2.0), ("ann", "c", 3.0))

    assert made.next_late_s() == 1.0
    assert [one.message for one in made.take_late(2.0)] == ["a", "b"]

    assert (made.next_late_s(), made.take_late(2.9)) == (3.0, [])
    assert taken(made) == ["c"]
    assert made.next_late_s() is None


def test_the_newest_is_who_has_come_last_whosever_it_is() -> None:
    made, mails = line(("ann", "a", 1.0), ("bob", "b", 1.0), ("ann", "c", 1.0))
    made.remove(mails["c"])
    made.remove(mails["c"])

    assert made.take_newest() is mails["b"]
    assert taken(made) == ["a"]


class Waiting(RuleBasedStateMachine):
    """Whichever way who waits goes, it is gone in all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.model = WaitingLine(), dict[Mail, float]()
        self.now_s = 0.0

    @rule(user=st.sampled_from(["ann", "bob", None]))
    def add(self, user: str | None) -> None:
        self.now_s += 1.0
        one = mail("wish")
        self.line.add(user, one, until_s=self.now_s + 5.0)
        self.model[one] = self.now_s + 5.0

    @rule()
    def take(self) -> None:
        one = self.line.take()
        assert (one is None) == (not self.model)
        if one is not None:
            del self.model[one]

    @rule(index=st.integers(0, 9))
    def remove(self, index: int) -> None:
        if index < len(self.model):
            one = list(self.model)[index]
            self.line.remove(one)
            del self.model[one]

    @rule()
    def take_newest(self) -> None:
        if self.model:
            one, _ = self.model.popitem()
            assert self.line.take_newest() is one

    @rule()
    def take_late(self) -> None:
        late = [one for one, until_s in self.model.items() if until_s <= self.now_s]
        assert self.line.take_late(self.now_s) == late
        for one in late:
            del self.model[one]

    @invariant()
    def all_who_wait_are_known(self) -> None:
        assert self.line.mails() == list(self.model)
        assert len(self.line) == sum(self.line.waiting().values()) == len(self.model)


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
