from __future__ import annotations

import pytest

from greenroom.actors.errors import InvalidInput
from greenroom.actors.session.roles import PERMISSIONS, Roles, check_roles, permissions


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        ("host", PERMISSIONS),
        ("participant", PERMISSIONS),
        ("observer", frozenset()),
        ("scribe", frozenset({"share"})),
        ("unknown", frozenset()),
    ],
)
def test_a_role_is_a_set_of_permissions(role: str, granted: frozenset[str]) -> None:
    assert permissions(role, {"scribe": ["share"]}) == granted


def test_the_standing_roles_cannot_be_talked_down() -> None:
    """However a definition got there, it changes no standing role."""
    assert permissions("host", {"host": []}) == PERMISSIONS
    assert permissions("observer", {"observer": ["speak"]}) == frozenset()


def test_roles_of_a_sessions_own_are_taken() -> None:
    check_roles({})
    check_roles({"mute": [], "all": ["speak", "act", "share", "interrupt"]})


@pytest.mark.parametrize(
    ("defined", "field"),
    [
        ({"host": ["speak"]}, "role"),
        ({"participant": []}, "role"),
        ({"observer": ["speak"]}, "role"),
        ({"": ["speak"]}, "role"),
        ({"x" * 129: ["speak"]}, "role"),
        ({"scribe": ["govern"]}, "permissions of role scribe"),
    ],
)
def test_what_cannot_be_a_role_is_refused(defined: Roles, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_roles(defined)

    assert refusal.value.field == field
