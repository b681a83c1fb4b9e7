"""Sessions, messages and interactions in the layout that is stored and exported (spec S01-S09).

`record_reading.py` reads it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..ports import IndexRow, SessionId, Totals
from .records import COUNTED, LANGUAGE, NOTHING, Foreign, InteractionRecorded
from .state import State
from .transcript import ImportedMessage, Message
from .values import copied
from .wire import iso


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Something said, as it was stored. `at_ms` is UTC milliseconds, 0 if nobody knows."""

    role: str
    content: str
    at_ms: int = 0
    language: str = LANGUAGE
    unknown: dict[str, Any] = {}


class StoredInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did, as it was stored."""

    action_type: str
    at_ms: int = 0
    node_id: str | None = None
    content: str | None = None
    feedback: str | None = None
    metadata: dict[str, Any] = {}
    unknown: dict[str, Any] = {}


class StoredSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it was stored. `feedback` has the three counters, and whatever else was there.

    Times that were missing are 0.
    """

    session_id: SessionId
    created_ms: int = 0
    updated_ms: int = 0
    language: str = LANGUAGE
    messages: tuple[StoredMessage, ...] = ()
    interactions: tuple[StoredInteraction, ...] = ()
    graph_state: Any = None
    metadata: dict[str, Any] = {}
    feedback: dict[str, Any] = {}
    unknown: dict[str, Any] = {}


def stored_message(message: Message, language: str = LANGUAGE) -> StoredMessage:
    """A line of a transcript, in a session of that language; an imported one has its own."""
    if isinstance(message, ImportedMessage):
        role = message.role if message.source_role is None else message.source_role
        return StoredMessage(
            role=role,
            content=message.text,
            at_ms=message.at_ms,
            language=message.language,
            unknown=copied(message.unknown or {}),
        )
    return StoredMessage(
        role=message.role, content=message.text, at_ms=message.at_ms, language=language
    )


def stored_interaction(event: InteractionRecorded, at_ms: int) -> StoredInteraction:
    """An interaction as the journal has it, and when that was."""
    return StoredInteraction(
        action_type=event.action,
        at_ms=at_ms,
        node_id=event.node,
        content=event.content,
        feedback=event.feedback,
        metadata=copied(event.metadata),
        unknown=copied(event.unknown),
    )


def stored_session(state: State, interactions: Sequence[StoredInteraction]) -> StoredSession:
    """A session, copied out of its state, with its interactions, which the journal has."""
    records = NOTHING if state.records is None else state.records
    foreign = records.foreign or Foreign()
    said = (line for line in state.history if isinstance(line, Message))
    return StoredSession(
        session_id=state.id,
        created_ms=state.created_ms,
        updated_ms=state.updated_ms,
        language=records.language,
        messages=tuple(stored_message(line, records.language) for line in said),
        interactions=tuple(interactions),
        graph_state=copied(records.graph_state),
        metadata=copied(records.metadata),
        feedback=records.feedback | copied(foreign.feedback),
        unknown=copied(foreign.unknown),
    )


def message_wire(message: StoredMessage) -> dict[str, Any]:
    """role, content, timestamp (ISO 8601 in UTC), language (spec S01)."""
    return {
        "role": message.role,
        "content": message.content,
        "timestamp": iso(message.at_ms),
        "language": message.language,
        **copied(message.unknown),
    }


def interaction_wire(interaction: StoredInteraction) -> dict[str, Any]:
    """timestamp, action_type, node_id, content, feedback, metadata (spec S02)."""
    return {
        "timestamp": iso(interaction.at_ms),
        "action_type": interaction.action_type,
        "node_id": interaction.node_id,
        "content": interaction.content,
        "feedback": interaction.feedback,
        "metadata": copied(interaction.metadata),
        **copied(interaction.unknown),
    }


def session_wire(session: StoredSession) -> dict[str, Any]:
    """A session with the keys in which it is stored (spec S03, S07)."""
    return {
        "session_id": session.session_id,
        "created_at": iso(session.created_ms),
        "updated_at": iso(session.updated_ms),
        "language": session.language,
        "chat_history": [message_wire(message) for message in session.messages],
        "interactions": [interaction_wire(done) for done in session.interactions],
        "graph_state": copied(session.graph_state),
        "metadata": copied(session.metadata),
        "feedback_summary": dict.fromkeys(COUNTED, 0) | session.feedback,
        **copied(session.unknown),
    }


def rlhf_wire(session: StoredSession) -> dict[str, Any]:
    """A session with the keys in which it is exported and archived (spec S08, S24)."""
    return {
        "session_id": session.session_id,
        "created_at": iso(session.created_ms),
        "language": session.language,
        "interactions": [interaction_wire(done) for done in session.interactions],
        "feedback_summary": dict.fromkeys(COUNTED, 0) | session.feedback,
        "chat_history": [message_wire(message) for message in session.messages],
        "graph_state": copied(session.graph_state),
        **copied(session.unknown),
    }


def listed_wire(row: IndexRow) -> dict[str, Any]:
    """A session as a listing shows it: id, title, timestamp of the last change, language (S20)."""
    return {
        "id": row.id,
        "title": row.title,
        "timestamp": iso(row.updated_ms),
        "language": row.language,
    }


def stats_wire(resident: int, totals: Totals) -> dict[str, int]:
    """Sessions in memory, and the interactions and counted feedback of all there are (S23)."""
    return {
        "active_sessions": resident,
        "total_interactions": totals.interactions,
        "total_feedback": totals.feedback,
    }
