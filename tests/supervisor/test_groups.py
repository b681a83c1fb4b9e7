from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.supervisor.groups import Groups

CHANGES = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from("abcd")), max_size=30)


@given(CHANGES)
def test_groups_are_sets_by_name(changes: list[tuple[str, str]]) -> None:
    groups, expected = Groups(), defaultdict[str, set[str]](set)
    for group, session in changes:
        if session in expected[group]:
            expected[group].remove(session)
            groups.remove(group, session)
        else:
            expected[group].add(session)
            groups.add(group, session)

        for name in ("ann", "bob"):
            assert groups.of(name) == expected[name]
            assert groups.count(name) == len(expected[name])
        assert groups.counts() == {name: len(held) for name, held in expected.items() if held}


@pytest.mark.parametrize("others", [[], ["b"], ["b", "c"]])
def test_a_session_is_only_taken_out_of_the_group_that_it_is_in(others: list[str]) -> None:
    groups = Groups()
    for session in others:
        groups.add("ann", session)

    with pytest.raises(KeyError):
        groups.remove("ann", "a")

    assert groups.of("ann") == set(others)


def test_a_session_alone_in_its_group_costs_no_set() -> None:
    groups = Groups()

    groups.add("ann", "a")
    assert groups._held == {"ann": "a"}
    groups.add("ann", "b")
    groups.remove("ann", "a")
    assert groups._held == {"ann": "b"}
