"""Roles: named sets of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from ..errors import InvalidInput
from .values import name

Permission: TypeAlias = Literal[
    "speak", "act", "share", "interrupt", "decide", "edit", "show", "record"
]
"""speak: post and send. act: take actions. share: write shared context and memories.
interrupt: cancel turns. decide: approve or reject tool calls. edit: undo, truncate and compact.
show: start and stop visual sources, and offer frames. record: interactions and feedback, graph
state, language, metadata and title, and whether the session may be exported. Everybody who takes
part may read and fork; only the host governs."""

PERMISSIONS: Final = frozenset(get_args(Permission))

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "host": PERMISSIONS,
    "participant": PERMISSIONS,
    "observer": frozenset(),
}
"""The roles every session has. A session may define others, not change these."""

Roles: TypeAlias = dict[str, list[Permission]]


def permissions(role: str, defined: Roles) -> frozenset[str]:
    """What `role` may do in a session that has `defined` roles of its own."""
    known = ROLES.get(role)
    return frozenset(defined.get(role, ())) if known is None else known


def check_roles(defined: Roles) -> None:
    """Refuse definitions that redefine a standing role or name unknown permissions."""
    if type(defined) is not dict:
        raise InvalidInput("roles", defined, "a dict of lists of permissions")
    for role, granted in defined.items():
        name(role, "role")
        if role in ROLES:
            raise InvalidInput("role", role, f"another name than {', '.join(ROLES)}")
        if type(granted) is not list or not all(type(one) is str for one in granted):
            raise InvalidInput(f"permissions of role {role}", granted, "a list of permissions")
        unknown = set(granted) - PERMISSIONS
        if unknown:
            limit = f"of {', '.join(sorted(PERMISSIONS))}"
            raise InvalidInput(f"permissions of role {role}", sorted(unknown), limit)
