"""Shared data: what a patch makes of it, and when a key was last changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .values import copied

if TYPE_CHECKING:
    from .state import State


class SharedContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the participants share: a copy.

    `version` is the revision at which any of it was last changed, `versions` that of each key that
    was, also if it is gone since; 0, and none, as the session began. Another session that was made
    with the same id has another `incarnation`.
    """

    context: dict[str, Any]
    version: int
    versions: dict[str, int]
    memories: list[str]
    incarnation: str


def shared_context(state: State) -> SharedContext:
    """The shared context of now, copied out of its state."""
    return SharedContext(
        context=copied(state.context),
        version=version_of(state),
        versions=dict(state.versions),
        memories=list(state.memories),
        incarnation=state.incarnation,
    )


def version_of(state: State) -> int:
    """The revision at which the context was last changed."""
    return max(state.versions.values(), default=0)


def merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """`target` with `patch` merged in by RFC 7396: null removes, dicts merge, the rest replaces.

    Neither argument is changed. What is not touched is shared with the result; nothing of `patch`
    is: readers hold the event that it is part of.
    """
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = _copied(value)
    return result


def _copied(value: Any) -> Any:
    """A copy of plain data; a dict within a list is not merged, and keeps its nulls."""
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value
