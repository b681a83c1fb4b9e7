from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from session.cast import acts, do, genesis, perform, room

from greenroom.actors.ports import Claim
from greenroom.actors.session.commands import Post
from greenroom.actors.session.empty import NO_ENTRIES, NO_ITEMS, own_dict, own_list
from greenroom.actors.session.fold import restore
from greenroom.actors.session.settings import Settings, shared
from greenroom.actors.session.state import State, decode_state, encode_state
from greenroom.actors.session.transcript import Message
from greenroom.actors.session.values import copied

SHARED = (
    "pending", "context", "versions", "memories", "uncharged", "done", "history", "open_calls",
    "outcomes", "aborted",
)  # fmt: skip


@pytest.mark.parametrize(
    "put",
    [
        lambda: NO_ENTRIES.__setitem__("a", 1),
        lambda: NO_ENTRIES.setdefault("a", 1),
        lambda: NO_ENTRIES.update(a=1),
        lambda: NO_ENTRIES.update({"a": 1}),
        lambda: NO_ENTRIES.__ior__({"a": 1}),
        lambda: NO_ITEMS.append(1),
        lambda: NO_ITEMS.extend([1]),
        lambda: NO_ITEMS.insert(0, 1),
        lambda: NO_ITEMS.__setitem__(slice(0, 0), [1]),
        lambda: NO_ITEMS.__iadd__([1]),
    ],
)
def test_what_all_sessions_share_takes_nothing(put: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        put()

    assert (NO_ENTRIES, NO_ITEMS) == ({}, [])


def test_a_new_session_has_nothing_of_its_own_to_hold_nothing() -> None:
    state = State.at_creation(genesis())

    assert all(getattr(state, field) in ({}, []) for field in SHARED)
    assert all(getattr(state, field) in (NO_ENTRIES, NO_ITEMS) for field in SHARED)
    assert {id(getattr(state, field)) for field in SHARED} == {id(NO_ENTRIES), id(NO_ITEMS)}


def test_what_is_put_in_is_the_sessions_own() -> None:
    one, other = room(), room()

    do(one, Post(user="ann", text="hello"))

    assert (len(one.history), other.history, NO_ITEMS) == (1, [], [])


def test_a_container_of_ones_own_is_kept() -> None:
    held, items = {"a": 1}, [1]

    assert own_dict(held) is held
    assert own_list(items) is items
    assert own_dict(NO_ENTRIES) is not own_dict(NO_ENTRIES)
    assert own_list(NO_ITEMS) is not own_list(NO_ITEMS)


def test_what_is_handed_out_may_be_changed() -> None:
    given = copied(NO_ENTRIES)
    given["a"] = 1

    assert (given, NO_ENTRIES) == ({"a": 1}, {})


@given(acts())
def test_whatever_a_session_does_another_has_nothing_of_it(script: list[Any]) -> None:
    state = room()
    for act in script:
        perform(state, act)

    assert (NO_ENTRIES, NO_ITEMS) == ({}, [])
    assert decode_state(encode_state(state)) == state
    assert copy.deepcopy(state) == state


def test_a_session_that_comes_back_holds_once_what_it_was_decoded_from_twice() -> None:
    session, states = "s", []
    for _ in range(2):
        state = room()
        do(state, Post(user="ann", text="hello"))
        snapshot = (state.revision, encode_state(state))
        back = restore(
            Claim(
                epoch=2,
                revision=state.revision,
                genesis=b"",
                snapshot=snapshot,
                events=[],
                end=None,
            ),
            session,
        )
        states.append(back)
        assert back == state
        assert back.id is session
        assert back.host is back.owner

    one, other = states
    assert one.settings is other.settings
    do(one, Post(user="ann", text="again"))
    assert (len(one.history), len(other.history)) == (2, 1)


def test_the_messages_of_the_owner_share_its_id() -> None:
    state = room("bob")
    for user in ("ann", "bob", "ann"):
        do(state, Post(user=user.title().lower(), text="hello"))

    authors = [line.author for line in state.history if isinstance(line, Message)]
    assert authors == ["ann", "bob", "ann"]
    assert authors[0] is authors[2] is state.owner


# --- settings ------------------------------------------------------------------------------------


def test_sessions_that_are_set_up_alike_share_their_settings() -> None:
    one, other = shared(Settings(max_events=7)), shared(Settings(max_events=7))

    assert one is other
    assert one == Settings(max_events=7)
    assert shared(Settings()) is not one


def test_nobody_outside_holds_anything_of_shared_settings() -> None:
    mine = Settings(roles={"judge": ["decide"]}, policies={"observer": ["reject"]})
    held = shared(mine)

    mine.roles["judge"].append("edit")
    mine.policies.clear()

    assert (held.roles, held.policies) == ({"judge": ["decide"]}, {"observer": ["reject"]})
    assert shared(Settings(roles={"judge": ["decide"]}, policies={"observer": ["reject"]})) is held
