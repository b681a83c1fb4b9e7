"""What tests of exports share: an export into memory, and its records read back."""

from __future__ import annotations

import io
import json
from typing import Any

import greenroom
from greenroom.actors.ports import Journal
from greenroom.actors.session.state import State
from greenroom.actors.session.transcript import Line
from greenroom.adapters.export.layouts import LAYOUTS, rendered
from greenroom.adapters.export.redaction import Redact
from greenroom.supervisor.recording import Recording


class Export:
    """What came of an export into memory."""

    def __init__(self, exported: greenroom.Exported, written: bytes) -> None:
        self.exported = exported
        self.written = written

    @property
    def records(self) -> list[Any]:
        """Of JSON Lines."""
        return [json.loads(line) for line in self.written.decode().split("\n")[:-1]]

    @property
    def ids(self) -> list[str]:
        """Of the layout `rlhf`, in JSON Lines."""
        return [record["session_id"] for record in self.records]

    @property
    def failed(self) -> dict[str, str]:
        return {failure.session: failure.code for failure in self.exported.failures}


async def exported(journal: Journal, **options: Any) -> Export:
    out = io.BytesIO()
    result = await greenroom.export_sessions(journal, out, **options)
    assert result.bytes == len(out.getvalue())
    return Export(result, out.getvalue())


def of(state: State, layout: str = "rlhf", redact: Redact | None = None) -> list[Any]:
    """The records of a session in that state, read back from their JSON."""
    recording = Recording(state, state.revision + 1, [], [], None)  # type: ignore[arg-type]
    return [json.loads(record.body) for record in rendered(recording, LAYOUTS[layout], redact)]


def chat(state: State, *lines: Line) -> list[Any]:
    """The messages of a session with that transcript."""
    state.history = list(lines)
    (record,) = of(state, "chat")
    assert list(record) == ["messages"]
    messages: list[Any] = record["messages"]
    return messages
