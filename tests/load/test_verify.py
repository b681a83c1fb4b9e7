"""The comparison finds whatever is missing, changed, doubled or unfinished."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from recorded import dialogue, dialogues, host, run_at_once

import greenroom
from greenroom.actors.session.events import TurnEnded
from greenroom.actors.session.state import PendingTurn
from greenroom.actors.session.transcript import ToolCall, ToolResult
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.transcripts import Transcripts
from greenroom.adapters.load.verify import difference, verify
from greenroom.supervisor.recording import Recording, read_recording

SHOWN = dialogue(0, calls=2)


def recording() -> Recording:
    """The session of `SHOWN`, as it should be."""

    async def record() -> Recording:
        journal = MemoryJournal()
        await host([SHOWN], journal)
        await journal.open()
        return await read_recording(journal, "d-0")

    return run_at_once(record())


def test_a_session_as_recorded_has_no_difference() -> None:
    assert difference(SHOWN, recording()) == ""


def replaced(index: int, **changes: Any) -> Callable[[Recording], None]:
    def change(recording: Recording) -> None:
        line = recording.state.history[index]
        recording.state.history[index] = msgspec.structs.replace(line, **changes)

    return change


def lines(edit: Callable[[list[Any]], object]) -> Callable[[Recording], None]:
    return lambda recording: edit(recording.state.history) and None


def ends(edit: Callable[[list[Any]], object]) -> Callable[[Recording], None]:
    def change(recording: Recording) -> None:
        ends = [entry for entry in recording.entries if isinstance(entry.event, TurnEnded)]
        others = [entry for entry in recording.entries if entry not in ends]
        edit(ends)
        recording.entries = others + ends

    return change


def leave_running(recording: Recording) -> None:
    recording.state.running = PendingTurn(turn=4, user="u")


# The lines: user, assistant; user, call, result, call, result, assistant; user, assistant.
CHANGES: dict[str, Callable[[Recording], None]] = {
    "a user's text changed": replaced(0, text="other"),
    "an answer changed": replaced(1, text="answer 0 of 0."),
    "an answer cut short": replaced(1, interrupted=True),
    "an answer by a user": replaced(1, role="user"),
    "another turn": replaced(7, turn=3),
    "another tool": replaced(3, name="Rooms_1.Book"),
    "other arguments": replaced(3, arguments={"dialogue": 0, "rooms": [2, {"beds": None}]}),
    "another result": replaced(4, value={"results": 7}),
    "a stub": replaced(4, stub=True),
    "a failed call": replaced(6, failed=True),
    "a result of another call": replaced(4, id="2.2"),
    "a line missing": lines(lambda history: history.pop(4)),
    "the first line missing": lines(lambda history: history.pop(0)),
    "the last line missing": lines(lambda history: history.pop()),
    "a line twice": lines(lambda history: history.insert(1, history[1])),
    "the last line twice": lines(lambda history: history.append(history[-1])),
    "two lines exchanged": lines(lambda history: history.insert(3, history.pop(2))),
    "nothing": lines(lambda history: history.clear()),
    "an end missing": ends(lambda ends: ends.pop()),
    "an end twice": ends(lambda ends: ends.append(ends[0])),
    "a turn that failed": ends(
        lambda ends: ends.append(
            msgspec.structs.replace(ends.pop(), event=TurnEnded(turn=3, status="failed"))
        )
    ),
    "a turn that runs": leave_running,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_found(change: Callable[[Recording], None]) -> None:
    changed = recording()
    change(changed)

    assert difference(SHOWN, changed)


def test_the_lines_are_those_the_changes_name() -> None:
    kinds = [type(line) for line in recording().state.history]

    assert [ToolCall, ToolResult, ToolCall, ToolResult] == kinds[3:7]
    assert len(kinds) == 10


def mismatches(spoil: Callable[[greenroom.Runtime], Awaitable[object]]) -> list[tuple[str, str]]:
    """What is found of three dialogues, after something else was done to their journal."""

    async def play() -> list[tuple[str, str]]:
        journal, shown = MemoryJournal(), dialogues(3)
        await host(shown, journal)
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            await spoil(runtime)
        found = (await verify(journal, shown)).mismatches
        return [(mismatch.dialogue, mismatch.why) for mismatch in found]

    return run_at_once(play())


async def echo(turn: greenroom.Turn) -> AsyncIterator[str]:
    yield turn.input.text


def test_what_was_added_later_is_named_with_its_dialogue() -> None:
    async def post(runtime: greenroom.Runtime) -> None:
        await runtime.session("d-1").post("user-1", "by the way")

    assert mismatches(post) == [("d-1", "it has 9 lines, not 8")]


def test_a_session_of_its_own_is_no_mismatch() -> None:
    async def create(runtime: greenroom.Runtime) -> None:
        await runtime.create("ada")

    assert mismatches(create) == []


def test_a_missing_session_is_named() -> None:
    async def play() -> list[object]:
        journal = MemoryJournal()
        await host(dialogues(2), journal)
        return [each.why for each in (await verify(journal, dialogues(3))).mismatches]

    assert run_at_once(play()) == ["there is no session d-2"]


def test_long_sessions_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.supervisor.recording.PAGE", 7)

    assert difference(SHOWN, recording()) == ""


def test_events_that_cannot_be_read_are_a_mismatch() -> None:
    async def play() -> list[str]:
        journal, shown = MemoryJournal(), dialogues(2)
        await host(shown, journal)
        journal._records["d-1"].events[3] = b"\xc1"
        return [each.why for each in (await verify(journal, shown)).mismatches]

    (why,) = run_at_once(play())
    assert why.startswith("session d-1 cannot be read at revision 3")


def test_the_pipeline_is_not_needed_to_compare() -> None:
    async def play() -> int:
        journal, shown = MemoryJournal(), dialogues(2)
        await host(shown, journal, pipeline=Transcripts(shown))
        verdict = await verify(journal, shown)
        assert str(verdict) == "2 dialogues, 12 texts, equal to the input"
        return verdict.texts

    assert run_at_once(play()) == 12
