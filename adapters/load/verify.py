"""Whether a journal holds exactly the dialogues that were hosted from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from ...actors.errors import GreenroomError
from ...actors.ports import Journal
from ...actors.session.audit import audit
from ...actors.session.events import TurnEnded
from ...actors.session.transcript import Line, Message, ToolCall, ToolResult
from ...actors.session.view import lines_of
from ...supervisor.recording import Recording, read_recording
from .dataset import Dialogue
from .transcripts import value_of
from .trouble import NONE, Trouble

Shown: TypeAlias = tuple[Any, ...]
"""A line of a transcript, as far as the recording tells it."""

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


async def verify(
    journal: Journal, dialogues: Sequence[Dialogue], trouble: Trouble = NONE
) -> Verdict:
    """Compare each dialogue's session with its recording: nothing missing, changed or doubled.

    Of an answer that was interrupted there is a beginning. Every transcript is valid (P19).

    Opens the journal, only reads, and closes it again. Nothing is claimed, so that it may run
    beside an owner. Raises JournalError if the journal as a whole cannot be read.
    """
    await journal.open()
    try:
        room = asyncio.Semaphore(AT_ONCE)
        work = (_verify_one(journal, each, trouble, room) for each in dialogues)
        found = await asyncio.gather(*work)
    finally:
        await journal.close()
    pairs = zip(dialogues, found, strict=True)
    mismatches = [Mismatch(dialogue=each.dialogue_id, why=why) for each, why in pairs if why]
    turns = sum(each.exchanges for each in dialogues)
    return Verdict(dialogues=len(dialogues), turns=turns, texts=2 * turns, mismatches=mismatches)


async def _verify_one(
    journal: Journal, dialogue: Dialogue, trouble: Trouble, room: asyncio.Semaphore
) -> str:
    async with room:
        try:
            recording = await read_recording(journal, dialogue.dialogue_id)
            return difference(dialogue, recording, trouble)
        except GreenroomError as error:
            return str(error)


def difference(dialogue: Dialogue, recording: Recording, trouble: Trouble = NONE) -> str:
    """The first way in which the session is not the dialogue; empty if it is."""
    history = recording.state.history
    if problems := audit(history):
        return f"line {problems[0].line + 1} of its transcript: {problems[0].what}"
    exchanges = [lines_of(history, place + 1) for place in range(dialogue.exchanges)]
    for place, lines in enumerate(exchanges):
        cut = trouble.interrupts(dialogue, place)
        if why := _difference(list(_wanted(dialogue, place)), list(map(_shown, lines)), cut=cut):
            return f"in exchange {place + 1} {why}"
    ordered = [line for lines in exchanges for line in lines]
    if len(ordered) != len(history):
        return f"it has {len(history)} lines, not {len(ordered)}"
    if ordered != history:
        return "its exchanges do not follow each other"
    return _difference_of_ends(dialogue, recording, trouble)


def _difference(wanted: list[Shown], found: list[Shown], *, cut: bool) -> str:
    """How the lines of one exchange differ. What was cut may end anywhere, a call with a stub."""
    for number, (want, got) in enumerate(zip(wanted, found, strict=False), 1):
        if want != got and not (cut and number == len(found) and _is_cut(want, got)):
            return f"line {number} is {got!r}, not {want!r}"
    fewest = 1 if cut else len(wanted)
    if fewest <= len(found) <= len(wanted):
        return ""
    return f"it has {len(found)} lines, not {len(wanted)}"


def _is_cut(want: Shown, got: Shown) -> bool:
    match want, got:
        case ("assistant", turn, text, False), ("assistant", of, said, True):
            return bool(turn == of and text.startswith(said))
        case ("result", turn, call, *_), ("result", of, name, None, True, True):
            return bool((turn, call) == (of, name))
        case _:
            return False


def _difference_of_ends(dialogue: Dialogue, recording: Recording, trouble: Trouble) -> str:
    events = (entry.event for entry in recording.entries)
    ends = [(event.turn, event.status) for event in events if isinstance(event, TurnEnded)]
    cut = [trouble.interrupts(dialogue, place) for place in range(dialogue.exchanges)]
    wanted = [(turn, "superseded" if is_cut else "completed") for turn, is_cut in enumerate(cut, 1)]
    if ends != wanted:
        return f"its turns ended as {ends}, not as {wanted}"
    state = recording.state
    return "a turn is still to come" if state.running is not None or state.queued else ""


def _wanted(dialogue: Dialogue, place: int) -> Iterator[Shown]:
    turn, answer = place + 1, dialogue.answer(place)
    yield ("user", turn, dialogue.input(place), False)
    for number, call in enumerate(answer.calls, 1):
        yield ("call", turn, f"{turn}.{number}", call.name, call.parameters)
        yield ("result", turn, f"{turn}.{number}", value_of(call), False, False)
    yield ("assistant", turn, answer.text, False)


def _shown(line: Line) -> Shown:
    """A line of a transcript, as far as the recording tells it."""
    match line:
        case Message():
            return (line.role, line.turn, line.text, line.interrupted)
        case ToolCall():
            return ("call", line.turn, line.id, line.name, line.arguments)
        case ToolResult():
            return ("result", line.turn, line.id, line.value, line.failed, line.stub)
