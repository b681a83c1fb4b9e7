"""What participants share beside messages: actions, context and memories (spec R22-R24)."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidInput, VersionConflict
from ..commands import Act, AddMemory, UpdateContext
from ..events import ActionTaken, ContextUpdated, Durable, MemoryAdded
from ..shared import version_of
from ..state import State
from .checks import require, require_state
from .rooms import OPEN


def act(state: State, command: Act) -> tuple[Durable, ...]:
    require(state, command.user, "act")
    require_state(state, *OPEN)
    return (ActionTaken(user=command.user, action=command.action, data=command.data),)


def update_context(state: State, command: UpdateContext) -> tuple[Durable, ...]:
    """Last writer wins, key by key, unless the caller says what it expects to find."""
    require(state, command.user, "share")
    require_state(state, *OPEN)
    patch = command.patch
    if command.expected is not None:
        if command.whole:
            _require_version(state, command.expected)
        _require_unchanged(state, patch, command.expected)
    if command.if_absent:
        patch = {key: value for key, value in patch.items() if key not in state.context}
    return (ContextUpdated(user=command.user, patch=patch),) if patch else ()


def add_memory(state: State, command: AddMemory) -> tuple[Durable, ...]:
    """A memory is added once; adding it again changes nothing, and nobody hears of it."""
    require(state, command.user, "share")
    require_state(state, *OPEN)
    if command.memory in state.memories:
        return ()
    return (MemoryAdded(user=command.user, memory=command.memory),)


def _require_version(state: State, expected: int | dict[str, int]) -> None:
    """Refuse unless the whole context was last changed exactly then."""
    version = version_of(state)
    if version != expected:
        key = next((key for key, at in state.versions.items() if at == version), "the context")
        seen = expected if isinstance(expected, int) else 0
        value = state.context.get(key)
        raise VersionConflict(state.id, key=key, expected=seen, version=version, value=value)


def _require_unchanged(state: State, patch: dict[str, Any], expected: int | dict[str, int]) -> None:
    versions = dict.fromkeys(patch, expected if isinstance(expected, int) else 0)
    if not isinstance(expected, int):
        versions |= expected  # keys that are only read may be named as well
    for key, seen in versions.items():
        if seen > state.revision:
            raise InvalidInput("expected_version", seen, f"at most {state.revision}")
        version = state.versions.get(key, 0)
        if version > seen:
            raise VersionConflict(
                state.id, key=key, expected=seen, version=version, value=state.context.get(key)
            )
