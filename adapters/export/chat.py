"""Conversations for fine-tuning, with the tool calls in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...actors.errors import SessionDamaged
from ...actors.session.audit import audit
from ...actors.session.fork import closed_history
from ...actors.session.state import State
from ...supervisor.recording import Recording
from .chat_wire import CHAT, chat_wire
from .shapes import Object

SHAPE: Final = Object({"messages": CHAT})


def chat_records(recording: Recording) -> Iterator[dict[str, Any]]:
    """One record: `messages` as a model must see them; none for a session without a transcript.

    A call that is open, as a turn is under way, has a stub for its result, as in a fork (promise
    P19). Raises SessionDamaged for a transcript that no model takes.
    """
    _require_valid(recording.state)
    messages = chat_wire(closed_history(recording.state))
    if messages:
        yield {"messages": messages}


def _require_valid(state: State) -> None:
    for problem in audit(state.history, None if state.running is None else state.running.turn):
        why = f"line {problem.line} of its transcript: {problem.what}"
        raise SessionDamaged(state.id, revision=state.revision, why=why)
