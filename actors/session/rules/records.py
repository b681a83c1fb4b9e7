"""What is recorded of a session: interactions, graph state, language, metadata, title (S05-S18)."""

from __future__ import annotations

from typing import Final

import msgspec

from ...errors import InvalidInput
from ...ports import UserId
from ..commands import (
    RecordInteraction,
    SetExport,
    SetGraphState,
    SetLanguage,
    SetMetadata,
    SetTitle,
)
from ..events import Durable
from ..records import (
    NOTHING,
    ExportSet,
    GraphStateSet,
    InteractionRecorded,
    LanguageSet,
    MetadataUpdated,
    TitleSet,
    may_export,
)
from ..shared import merged
from ..state import State
from .checks import require, require_state
from .rooms import OPEN

MAX_METADATA_BYTES: Final = 4 << 20
"""Of all metadata of a session, encoded."""


def record_interaction(state: State, command: RecordInteraction) -> tuple[Durable, ...]:
    _require(state, command.user)
    interaction = InteractionRecorded(
        user=command.user,
        action=command.action,
        node=command.node,
        content=command.content,
        feedback=command.feedback,
        metadata=command.metadata,
    )
    return (interaction,)


def set_graph_state(state: State, command: SetGraphState) -> tuple[Durable, ...]:
    """Written also if it is equal: 1, 1.0 and True are, and are not the same."""
    _require(state, command.user)
    return (GraphStateSet(user=command.user, value=command.value),)


def set_language(state: State, command: SetLanguage) -> tuple[Durable, ...]:
    """The one it has already changes nothing."""
    _require(state, command.user)
    if command.language == (state.records or NOTHING).language:
        return ()
    return (LanguageSet(user=command.user, language=command.language),)


def set_metadata(state: State, command: SetMetadata) -> tuple[Durable, ...]:
    """Last writer wins, key by key. What would be too much altogether is refused."""
    _require(state, command.user)
    after = merged((state.records or NOTHING).metadata, command.patch)
    size = len(msgspec.msgpack.encode(after))
    if size > MAX_METADATA_BYTES:
        limit = f"at most {MAX_METADATA_BYTES} bytes of metadata in all, encoded"
        raise InvalidInput("patch", f"{size} bytes in all", limit)
    return (MetadataUpdated(user=command.user, patch=command.patch),)


def set_title(state: State, command: SetTitle) -> tuple[Durable, ...]:
    """The one it has already changes nothing."""
    _require(state, command.user)
    if command.title == (state.records or NOTHING).title:
        return ()
    return (TitleSet(user=command.user, title=command.title),)


def set_export(state: State, command: SetExport) -> tuple[Durable, ...]:
    """Also once the session has ended: what it held can be exported still."""
    require(state, command.user, "record")
    if command.allowed == may_export(state):
        return ()
    return (ExportSet(user=command.user, allowed=command.allowed),)


def _require(state: State, user: UserId) -> None:
    require(state, user, "record")
    require_state(state, *OPEN)
