"""Voice sessions and their messages in the layout that voice clients know (spec V03, V05)."""

from __future__ import annotations

from typing import Any

from .info import SessionSnapshot
from .transcript import Message
from .wire import iso


def voice_message(message: Message) -> dict[str, Any]:
    """A message: role, content, timestamp (ISO 8601 in UTC) and turn_seq; these not if zero."""
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.at_ms:
        wire["timestamp"] = iso(message.at_ms)
    if message.turn:
        wire["turn_seq"] = message.turn
    return wire


def voice_session(snapshot: SessionSnapshot) -> dict[str, Any]:
    """A session and what was said in it. Its owner, its turns and its dialog context are private,
    and so are tool calls."""
    info = snapshot.info
    said = (line for line in snapshot.transcript if isinstance(line, Message))
    return {
        "id": info.id,
        "character_id": info.character_id,
        "mode": info.mode,
        "history": [voice_message(message) for message in said],
        "created_at": iso(info.created_ms),
        "last_active_at": iso(info.active_ms),
    }
