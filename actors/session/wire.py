"""Sessions and their events in the layout that room clients know (spec R01-R07, R13-R24)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ..ports import IndexRow
from .events import (
    ActionTaken,
    ApprovalDecided,
    ApprovalRequested,
    ContextUpdated,
    DeliveryFailed,
    HostChanged,
    JoinDenied,
    Joined,
    JoinRequested,
    Left,
    MemoryAdded,
    MessagePosted,
    PresenceChanged,
    ResourcesFailed,
    SessionEnded,
    SessionPaused,
    SessionReady,
    SessionResumed,
    SessionStarted,
    TranscriptCut,
    TurnEnded,
)
from .info import Member, SessionInfo
from .items import Published
from .values import plain

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

EventType: TypeAlias = Literal[
    "message", "action", "state_change", "user_join", "user_leave", "memory_update", "error"
]


class RoomEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `timestamp` is ISO 8601 in UTC. `sequence` counts the durable events from 1; an
    ephemeral one has that of the last durable one before it.

    `user_id` is whose act it was; empty for the session's own.
    """

    id: str
    session_id: str
    event_type: EventType
    user_id: str
    timestamp: str
    content: str
    data: dict[str, Any]
    sequence: int


def room_event(published: Published) -> RoomEvent:
    """A published event in the room layout; its id is the same wherever and whenever it is read.

    Anything that is none of the seven types is an `action` whose `action_type` names its kind.
    """
    kind, user, content, data = _describe(published)
    number = str(published.revision)
    if not published.durable:
        number += f":{published.epoch}.{published.position}"
    return RoomEvent(
        id=f"{published.session}:{published.incarnation}:{number}",
        session_id=published.session,
        event_type=kind,
        user_id=user,
        timestamp=iso(published.at_ms),
        content=content,
        data=data,
        sequence=published.revision,
    )


def room_info(info: SessionInfo) -> dict[str, Any]:
    """A session in the room layout: participants and events are counts."""
    return {
        "id": info.id,
        "name": info.name,
        "state": info.state,
        "host": info.host,
        "participants": len(info.participants),
        "events": info.events,
        "created_at": iso(info.created_ms),
    }


def agent_info(info: SessionInfo | IndexRow | None) -> dict[str, Any] | None:
    """A session in the layout that agent clients know (spec A19); None if there is none."""
    if info is None:
        return None
    return {
        "session_id": info.id,
        "created_at": iso(info.created_ms),
        "is_active": info.state != "ended",
        "message_count": info.messages,
        "user_id": info.owner,
    }


def room_participant(
    user: str, member: Member, presence: PresenceChanged | None = None
) -> dict[str, Any]:
    """A participant in the room layout. Active until its presence says otherwise."""
    return {
        "user_id": user,
        "display_name": member.name,
        "role": member.role,
        "is_active": presence is None or presence.active,
    }


def iso(at_ms: int) -> str:
    """UTC milliseconds as ISO 8601 with its offset."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")


_Description: TypeAlias = tuple[EventType, str, str, dict[str, Any]]


def _describe(published: Published) -> _Description:  # noqa: C901
    match published.event:
        case MessagePosted(message=message):
            said = {"role": message.role, "turn": message.turn}
            return "message", message.author or "", message.text, said
        case JoinRequested(user=user, name=name):
            asked = {"user_id": user, "pending": True}
            return "user_join", user, f"{name} is requesting to join", asked
        case Joined(user=user, name=name):
            return "user_join", user, f"{name} joined the session", {}
        case JoinDenied(user=user, by=by):
            return "state_change", by, "Join request denied", {"user_id": user}
        case Left(user=user, name=name):
            return "user_leave", user, f"{name} left the session", {}
        case HostChanged(host=host, previous=previous):
            return "state_change", "", f"{host} is now the host", {"host": host, "was": previous}
        case ActionTaken(user=user, action=action, data=data):
            done = {**plain(data, "data"), "action_type": action}
            return "action", user, f"Action: {action}", done
        case ApprovalRequested() as asked:
            return "action", "", "Approval requested", _data(asked)
        case ApprovalDecided(by=by) as decided:
            words = "Approval expired" if by is None else "Approval decided"
            return "action", by or "", words, _data(decided)
        case ContextUpdated(user=user, patch=patch):
            return "state_change", user, "Context updated", {"updates": list(patch)}
        case MemoryAdded(user=user, memory=memory):
            added = {"memory_id": memory}
            return "memory_update", user, "Memory added to session", added
        case SessionStarted(by=by):
            return "state_change", by, "Session started", {"new_state": "active"}
        case SessionPaused(by=by):
            return "state_change", by, "Session paused", {"new_state": "paused"}
        case SessionResumed(by=by):
            return "state_change", by, "Session resumed", {"new_state": "active"}
        case TranscriptCut(by=by, why=why, removed=removed):
            cut = {"removed": removed, "action_type": f"{why}_complete"}
            return "action", by, f"Action: {why}_complete", cut
        case SessionEnded(by=by, reason=reason):
            by_itself = {"reason": reason} if reason else {}
            return "state_change", by, "Session ended", {"new_state": "ended", **by_itself}
        case SessionReady(message=message):
            return "action", "", message, {"action_type": "ready", "message": message}
        case TurnEnded(turn=turn, status="failed" | "lost" as status, reason=reason):
            return "error", "", reason, {"turn": turn, "status": status}
        case ResourcesFailed(reason=reason):
            return "error", "", reason, {"resources": True}
        case DeliveryFailed(user=user, reason=reason):
            return "error", user, reason, {"delivery": True}
        case other:
            return _as_action(other)


def _as_action(event: Any) -> _Description:
    data = _data(event)
    return "action", data.get("user") or "", f"Action: {data['action_type']}", data


def _data(event: Any) -> dict[str, Any]:
    """The event's fields, and its kind. What is told to pipelines only is left out (spec V05)."""
    data: dict[str, Any] = msgspec.to_builtins(event)
    kind = data.pop("type")
    data.pop("dialog", None)
    data.pop("prompt", None)
    return {**data, "action_type": kind}
