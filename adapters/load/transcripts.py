"""The pipeline of the load test: it says what the recorded assistant said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from typing import Final

from ...actors.session.pipeline import Turn
from ...actors.session.transcript import Output, RequestApproval, ToolCall, ToolResult
from ...actors.session.view import is_input
from .dataset import Call, Dialogue
from .trouble import NONE, Trouble

_WORD: Final = re.compile(r"^\s+|\S+\s*")


class Transcripts:
    """Plays the recorded side of each dialogue in the session that bears its id.

    First each recorded call with its result, then the text word by word. It remembers nothing
    between turns: the place in the dialogue is the number of user messages before this one, so a
    turn that is run again after a crash says the same again. An answer that is to be interrupted
    stops at its word and waits for that.
    """

    def __init__(self, dialogues: Iterable[Dialogue], trouble: Trouble = NONE) -> None:
        self._dialogues = {dialogue.dialogue_id: dialogue for dialogue in dialogues}
        self._trouble = trouble

    async def __call__(self, turn: Turn) -> AsyncIterator[Output]:
        place = sum(map(is_input, turn.history))
        dialogue = self._dialogues[turn.session_id]
        calls = dialogue.answer(place).calls
        made = 0
        if turn.saved is not None:  # people have decided on this call
            made = turn.saved + 1
            yield ToolResult(value=value_of(calls[turn.saved]))
        for number, call in enumerate(calls[made:], made):
            asked = ToolCall(name=call.name, arguments=call.parameters)
            if self._trouble.approves(dialogue, place, number):
                yield RequestApproval(calls=[asked], saved=number)
                return
            yield asked
            yield ToolResult(value=value_of(call))
        said = words(dialogue.answer(place).text)
        if self._trouble.interrupts(dialogue, place):
            for word in said[: self._trouble.words_before(dialogue, place, len(said))]:
                yield word
            await asyncio.Event().wait()
        for word in said:
            yield word


def words(text: str) -> list[str]:
    """The words of `text`, each with the white space behind it. They join to exactly `text`."""
    return _WORD.findall(text)


def value_of(call: Call) -> dict[str, int]:
    """What the tool answers: how many results the recording has of it."""
    return {"results": call.results}
