from __future__ import annotations

import pytest
from session.cast import room, written_out

from greenroom.actors.errors import IdempotencyConflict
from greenroom.actors.session.answers import Answer, CancelReceipt, JoinReceipt, Receipt, TurnTicket
from greenroom.actors.session.commands import Act, Command, Join, Post, Send
from greenroom.actors.session.entry import Done
from greenroom.actors.session.fold import remember
from greenroom.actors.session.idempotency import digest, done, first_answer
from greenroom.actors.session.state import State

POST = Post(user="bob", text="hi")


def keeping(*keys: tuple[str, int], ttl_ms: int = 1000) -> State:
    state = room(key_ttl_ms=ttl_ms)
    for key, at_ms in keys:
        remember(state, Done(key, b"", b""), at_ms)
    return state


def test_p08_the_order_of_keys_in_data_is_no_difference() -> None:
    one = Act(user="bob", action="wave", data={"a": 1, "b": {"c": 1, "d": 2}})
    other = Act(user="bob", action="wave", data={"b": {"d": 2, "c": 1}, "a": 1})

    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    "other",
    [
        Post(user="bob", text="hi "),
        Post(user="cem", text="hi"),
        Send(user="bob", text="hi"),
        Join(user="bob", name="hi"),
    ],
)
def test_p08_anything_else_is_another_command(other: Command) -> None:
    assert digest(POST) != digest(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0, -0.0), ("1", 1), ([], {}), (None, False)]
)
def test_p08_equal_is_not_the_same(one: object, other: object) -> None:
    first, second = (Act(user="bob", action="a", data={"x": x}) for x in (one, other))

    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    "answer",
    [
        Receipt(revision=7),
        JoinReceipt(status="pending", role="observer", revision=7),
        TurnTicket(turn=3, ahead=1, revision=7),
        CancelReceipt(verdict="won", turn=3),
    ],
)
def test_p08_the_first_answer_comes_back_whole_also_from_a_snapshot(answer: Answer) -> None:
    state = room()
    remember(state, done("k", POST, answer), 1000)

    for kept in (state, written_out(state)):
        assert first_answer(kept, "k", POST) == answer
        assert first_answer(kept, "other", POST) is None
        with pytest.raises(IdempotencyConflict, match="k"):
            first_answer(kept, "k", Post(user="bob", text="else"))


def test_p08_keys_are_kept_for_their_time() -> None:
    assert list(keeping(("a", 0), ("b", 500), ("c", 1000)).done) == ["a", "b", "c"]
    assert list(keeping(("a", 0), ("b", 500), ("c", 1001)).done) == ["b", "c"]
    assert list(keeping(("a", 0), ("b", 500), ("c", 9000)).done) == ["c"]


def test_p08_a_clock_that_jumps_back_forgets_nothing_too_early() -> None:
    assert list(keeping(("a", 5000), ("b", 0), ("c", 900)).done) == ["a", "b", "c"]


def test_p08_a_time_of_zero_forgets_with_the_next_moment() -> None:
    assert list(keeping(("a", 1), ("b", 1), ttl_ms=0).done) == ["a", "b"]
    assert list(keeping(("a", 1), ("b", 2), ttl_ms=0).done) == ["b"]
