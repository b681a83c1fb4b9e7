"""Shared data: what a patch makes of it, and when a key was last changed."""

from __future__ import annotations

from typing import Any


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
