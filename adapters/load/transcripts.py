"""The pipeline of the load test: it says what the recorded assistant said."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import Final

from ...actors.session.pipeline import Turn
from ...actors.session.transcript import Output, ToolCall, ToolResult
from ...actors.session.view import is_input
from .dataset import Call, Dialogue

_WORD: Final = re.compile(r"^\s+|\S+\s*")


class Transcripts:
    """Plays the recorded side of each dialogue in the session that bears its id.

    First each recorded call with its result, then the text word by word. It remembers nothing
    between turns: the place in the dialogue is the number of user messages before this one, so a
    turn that is run again after a crash says the same again.
    """

    def __init__(self, dialogues: Iterable[Dialogue]) -> None:
        self._dialogues = {dialogue.dialogue_id: dialogue for dialogue in dialogues}

    async def __call__(self, turn: Turn) -> AsyncIterator[Output]:
        place = sum(map(is_input, turn.history))
        answer = self._dialogues[turn.session_id].answer(place)
        for call in answer.calls:
            yield ToolCall(name=call.name, arguments=call.parameters)
            yield ToolResult(value=value_of(call))
        for word in words(answer.text):
            yield word


def words(text: str) -> list[str]:
    """The words of `text`, each with the white space behind it. They join to exactly `text`."""
    return _WORD.findall(text)


def value_of(call: Call) -> dict[str, int]:
    """What the tool answers: how many results the recording has of it."""
    return {"results": call.results}
