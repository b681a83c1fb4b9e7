"""Session files as the source system leaves them behind, with all its quirks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from greenroom.actors.ports import Journal
from greenroom.actors.session.record_wire import session_wire
from greenroom.supervisor.recording import read_recording, stored


def full(session: str = "3f2504e04f89", **fields: Any) -> dict[str, Any]:
    """A session that has everything, also what only a newer writer knows; its times are naive."""
    return {
        "session_id": session,
        "created_at": "2023-11-05T01:30:00.123456",
        "updated_at": "2023-11-05T02:00:00.000001",
        "language": "tr",
        "chat_history": [
            message("system", "Yalin yaz.", "2023-11-05T01:30:01"),
            message("user", "Merhaba, ağaç nerede?", "2023-11-05T01:30:02", mood=["merry"]),
            message("assistant", "Burada. \N{DECIDUOUS TREE}", "2023-11-05T01:30:03.5"),
            message("tool", "42", "2023-11-05T01:30:04Z", language="en", call={"id": 7}),
        ],
        "interactions": [
            acted("feedback", "2023-11-05T01:31:00", node_id="n1", feedback="correct"),
            acted("feedback", "2023-11-05T01:40:00", node_id="n1", feedback="so-so"),
            acted("inject", "2023-11-05T01:35:00", content="dal", metadata={"at": [1, 0.5]}),
            acted("view", "2023-11-05T01:36:00", device="phone"),
        ],
        "graph_state": {"nodes": [{"id": "n1", "yükseklik": 1.5}], "edges": []},
        "metadata": {"client": "web", "tags": ["a", None]},
        "feedback_summary": {"correct": 3, "so-so": 1},
        "schema": 4,
    } | fields


def archived(session: str = "a1b2c3d4e5f6") -> dict[str, Any]:
    """What the source system archives: neither updated_at nor metadata (spec S08)."""
    wire = full(session)
    del wire["updated_at"], wire["metadata"], wire["schema"]
    return wire


def message(role: str, content: str, timestamp: str, **fields: Any) -> dict[str, Any]:
    said = {"role": role, "content": content, "timestamp": timestamp, "language": "tr"}
    return said | fields


def acted(action: str, timestamp: str, **fields: Any) -> dict[str, Any]:
    wire = {"timestamp": timestamp, "action_type": action, "node_id": None, "content": None}
    return wire | {"feedback": None, "metadata": {}} | fields


def write(path: Path, wire: Any, *, encoding: str = "utf-8") -> Path:
    """As the source system writes: indented, and non-ASCII as it is."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(json.dumps(wire, indent=2, ensure_ascii=False).encode(encoding))
    return path


async def exported(journal: Journal, session: str) -> dict[str, Any]:
    """The session as the journal has it, in the layout in which it was stored."""
    return session_wire(stored(await read_recording(journal, session)))
