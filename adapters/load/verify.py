"""Whether a journal holds exactly the dialogues that were hosted from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from ...actors.errors import GreenroomError
from ...actors.ports import Journal
from ...actors.session.events import TurnEnded
from ...actors.session.transcript import Line, Message, ToolCall, ToolResult
from ...supervisor.recording import Recording, read_recording
from .dataset import Dialogue
from .transcripts import value_of

AT_ONCE: Final = 16
"""Sessions being read at a time."""


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A dialogue that the journal does not hold as recorded, and the first difference."""

    dialogue: str
    why: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`dialogues` sessions of `turns` turns and `texts` texts in all were compared."""

    dialogues: int
    turns: int
    texts: int
    mismatches: list[Mismatch]

    def __str__(self) -> str:
        if self.mismatches:
            return f"{len(self.mismatches):,} of {self.dialogues:,} dialogues differ"
        return f"{self.dialogues:,} dialogues, {self.texts:,} texts, equal to the input"


async def verify(journal: Journal, dialogues: Sequence[Dialogue]) -> Verdict:
    """Compare each dialogue's session with its recording: nothing missing, changed or doubled.

    Opens the journal, only reads, and closes it again. Nothing is claimed, so that it may run
    beside an owner. Raises JournalError if the journal as a whole cannot be read.
    """
    await journal.open()
    try:
        room = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(_verify_one(journal, each, room) for each in dialogues))
    finally:
        await journal.close()
    pairs = zip(dialogues, found, strict=True)
    mismatches = [Mismatch(dialogue=each.dialogue_id, why=why) for each, why in pairs if why]
    turns = sum(each.exchanges for each in dialogues)
    return Verdict(dialogues=len(dialogues), turns=turns, texts=2 * turns, mismatches=mismatches)


async def _verify_one(journal: Journal, dialogue: Dialogue, room: asyncio.Semaphore) -> str:
    async with room:
        try:
            return difference(dialogue, await read_recording(journal, dialogue.dialogue_id))
        except GreenroomError as error:
            return str(error)


def difference(dialogue: Dialogue, recording: Recording) -> str:
    """The first way in which the session is not the dialogue; empty if it is."""
    state = recording.state
    wanted, found = list(_wanted(dialogue)), list(map(_shown, state.history))
    for place, (want, got) in enumerate(zip(wanted, found, strict=False), 1):
        if want != got:
            return f"line {place} is {got!r}, not {want!r}"
    if len(wanted) != len(found):
        return f"it has {len(found)} lines, not {len(wanted)}"
    events = (entry.event for entry in recording.entries)
    ends = [(event.turn, event.status) for event in events if isinstance(event, TurnEnded)]
    if ends != [(turn, "completed") for turn in range(1, dialogue.exchanges + 1)]:
        return f"its turns ended as {ends}, not all {dialogue.exchanges} completed, once each"
    if state.running is not None or state.queued:
        return "a turn is still to come"
    return ""


def _wanted(dialogue: Dialogue) -> Iterator[tuple[Any, ...]]:
    for place in range(dialogue.exchanges):
        turn, answer = place + 1, dialogue.answer(place)
        yield ("user", turn, dialogue.input(place), False)
        for number, call in enumerate(answer.calls, 1):
            yield ("call", turn, f"{turn}.{number}", call.name, call.parameters)
            yield ("result", turn, f"{turn}.{number}", value_of(call), False, False)
        yield ("assistant", turn, answer.text, False)


def _shown(line: Line) -> tuple[Any, ...]:
    """A line of a transcript, as far as the recording tells it."""
    match line:
        case Message():
            return (line.role, line.turn, line.text, line.interrupted)
        case ToolCall():
            return ("call", line.turn, line.id, line.name, line.arguments)
        case ToolResult():
            return ("result", line.turn, line.id, line.value, line.failed, line.stub)
