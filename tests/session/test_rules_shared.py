from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session.cast import PLAIN, TEXT, do, refuse, room, written_out

from greenroom.actors.errors import InvalidInput, NotAllowed, NotMember, SessionEnded
from greenroom.actors.errors import VersionConflict as Conflict
from greenroom.actors.session import events as happened
from greenroom.actors.session.commands import (
    Act,
    AddMemory,
    Command,
    End,
    Join,
    Pause,
    Post,
    UpdateContext,
)
from greenroom.actors.session.shared import merged, shared_context
from greenroom.actors.session.state import State

RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
"""The examples of the RFC's appendix A whose target and patch are objects."""


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_r23_a_patch_is_merged_as_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))

    assert merged(target, patch) == result

    assert (target, patch) == before


def test_r23_the_example_of_the_rfc() -> None:
    target = {
        "title": "Goodbye!",
        "author": {"givenName": "John", "familyName": "Doe"},
        "tags": ["example", "sample"],
        "content": "This will be unchanged",
    }
    patch = {
        "title": "Hello!",
        "phoneNumber": "+01-123-456-7890",
        "author": {"familyName": None},
        "tags": ["example"],
    }

    assert merged(target, patch) == {
        "title": "Hello!",
        "author": {"givenName": "John"},
        "tags": ["example"],
        "content": "This will be unchanged",
        "phoneNumber": "+01-123-456-7890",
    }


CONTEXT = st.dictionaries(TEXT, PLAIN, max_size=4)


@settings(max_examples=100, deadline=None)
@given(target=CONTEXT, patch=CONTEXT)
def test_r23_merging_again_changes_nothing(target: Any, patch: Any) -> None:
    once = merged(target, patch)

    assert merged(once, patch) == once
    assert once.keys() == (target.keys() | patch.keys()) - {
        key for key, value in patch.items() if value is None
    }


@settings(max_examples=100, deadline=None)
@given(target=CONTEXT, patch=CONTEXT)
def test_rx18_nothing_of_a_patch_is_shared_with_the_result(target: Any, patch: Any) -> None:
    result = merged(target, patch)
    before = copy.deepcopy(result)

    spoil(patch)

    assert result == before


def spoil(value: Any) -> None:
    inner = list(value.values()) if isinstance(value, dict) else list(value)
    for one in inner:
        if isinstance(one, dict | list):
            spoil(one)
    value.clear()


def update(patch: dict[str, Any], user: str = "bob", **how: Any) -> UpdateContext:
    return UpdateContext(user=user, patch=patch, **how)


def written(**versions: int) -> State:
    """A room of ten revisions in which keys were last changed at these."""
    state = room("bob")
    by_revision = {revision: key for key, revision in versions.items()}
    for revision in range(2, 11):
        key = by_revision.get(revision)
        do(state, update({key: revision}) if key else Post(user="bob", text="x"))
    return state


def test_r23_versions_are_the_revisions_of_the_last_change() -> None:
    state = written(a=3, b=5)

    do(state, update({"b": None, "c": 1}))

    assert state.versions == {"a": 3, "b": 11, "c": 11}
    assert state.context == {"a": 3, "c": 1}
    assert written_out(state) == state


@pytest.mark.parametrize("expected", [5, 7, 10, {"a": 3, "b": 5}, {"b": 10, "a": 4}])
def test_r23_what_was_not_changed_since_may_be_written(expected: Any) -> None:
    assert do(written(a=3, b=5), update({"a": 1, "b": 1}, expected=expected))


@pytest.mark.parametrize(
    ("expected", "key", "seen"),
    [
        (4, "b", 4),
        (2, "a", 2),
        (0, "a", 0),
        ({"a": 3, "b": 4}, "b", 4),
        ({"a": 3}, "b", 0),
        ({"a": 3, "b": 5, "read": 5}, "read", 5),
    ],
)
def test_r23_what_was_changed_since_is_a_conflict(expected: Any, key: str, seen: int) -> None:
    state = written(a=3, b=5, read=7)

    error = refuse(state, update({"a": 1, "b": 1}, expected=expected), Conflict)

    found = {"a": 3, "b": 5, "read": 7}[key]
    assert (error.key, error.expected) == (key, seen)
    assert (error.version, error.value) == (found, found)


@pytest.mark.parametrize("expected", [11, {"a": 11}, {"a": 3, "other": 99}])
def test_r23_a_version_of_the_future_is_a_mistake(expected: Any) -> None:
    refuse(written(a=3), update({"a": 1}, expected=expected), InvalidInput)


def test_r23_if_absent_takes_only_what_is_new() -> None:
    state = written(a=3)

    events = do(state, update({"a": 1, "b": 2}, if_absent=True))

    assert events == (happened.ContextUpdated(user="bob", patch={"b": 2}),)
    assert do(state, update({"a": 1, "b": 1}, if_absent=True)) == ()


def test_r24_a_memory_that_is_there_is_no_event() -> None:
    state = room("bob")

    assert do(state, AddMemory(user="bob", memory="m"))
    assert do(state, AddMemory(user="ann", memory="m")) == ()
    assert list(state.memories) == ["m"]


SHARING: list[Command] = [
    Act(user="eve", action="wave", data={}),
    update({"a": 1}, "eve"),
    AddMemory(user="eve", memory="m"),
]


@pytest.mark.parametrize("command", SHARING)
def test_r22_r23_r24_sharing_needs_a_role_that_may_and_a_session_that_lives(
    command: Command,
) -> None:
    state = room()
    refuse(state, command, NotMember)
    do(state, Join(user="eve", name="Eve", role="observer"))
    refuse(state, command, NotAllowed)

    state = room("eve", started=False)
    assert do(state, command)
    state = room("eve")
    do(state, Pause(by="ann"))
    assert do(state, command)
    do(state, End(by="ann"))
    refuse(state, command, SessionEnded)


@pytest.mark.parametrize("expected", [3, 4, 6, 99])
def test_r23_the_whole_context_is_as_expected_or_nothing_is_written(expected: int) -> None:
    state = written(a=3, b=5)

    error = refuse(state, update({"c": 1}, expected=expected, whole=True), Conflict)

    assert (error.key, error.expected, error.version) == ("b", expected, 5)
    assert do(state, update({"c": 1}, expected=5, whole=True))
    assert refuse(state, update({"d": 1}, expected=5, whole=True), Conflict).key == "c"


def test_r23_a_context_that_was_never_changed_has_version_0() -> None:
    state = room("bob")

    assert shared_context(state).version == 0
    refuse(state, update({"a": 1}, expected=1, whole=True), Conflict)
    assert do(state, update({"a": 1}, expected=0, whole=True))
    assert shared_context(state).version == shared_context(state).versions["a"] == state.revision
