"""The layout in which the source system exports and archives sessions (spec S08, S24)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...actors.session.record_wire import rlhf_wire
from ...actors.session.records import COUNTED
from ...supervisor.recording import Recording, stored
from .shapes import Each, Leaf, Object

_MESSAGE: Final = Object(
    {
        "role": Leaf.TEXT,
        "content": Leaf.TEXT,
        "timestamp": Leaf.TEXT,
        "language": Leaf.TEXT,
    },
    more=True,
)

_INTERACTION: Final = Object(
    {
        "timestamp": Leaf.TEXT,
        "action_type": Leaf.TEXT,
        "node_id": Leaf.TEXT,
        "content": Leaf.TEXT,
        "feedback": Leaf.TEXT,
        "metadata": Leaf.FREE,
    },
    more=True,
)

SHAPE: Final = Object(
    {
        "session_id": Leaf.TEXT,
        "created_at": Leaf.TEXT,
        "language": Leaf.TEXT,
        "interactions": Each(_INTERACTION),
        "feedback_summary": Object(dict.fromkeys(COUNTED, Leaf.COUNT), more=True),
        "chat_history": Each(_MESSAGE),
        "graph_state": Leaf.FREE,
    },
    more=True,
)


def rlhf_records(recording: Recording) -> Iterator[dict[str, Any]]:
    """One record: the session as it is. Tool calls are no part of this layout."""
    yield rlhf_wire(stored(recording))
