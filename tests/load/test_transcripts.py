"""The pipeline says what was recorded, wherever in the dialogue it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis.strategies import text
from recorded import dialogue

from greenroom.actors.session.pipeline import Turn
from greenroom.actors.session.settings import Settings
from greenroom.actors.session.state import Genesis, PendingTurn, State
from greenroom.actors.session.transcript import Line, Message, Output, ToolCall, ToolResult
from greenroom.adapters.load.transcripts import Transcripts, words


@given(text())
def test_words_join_to_exactly_the_text(whole: str) -> None:
    assert whole == "".join(words(whole))
    assert all(words(whole))


def test_a_word_keeps_the_space_behind_it() -> None:
    assert words(" have a\n\nday. ") == [" ", "have ", "a\n\n", "day. "]


def outputs(history: Sequence[Line]) -> list[Output]:
    """What the pipeline yields in session d-4 after `history`, the last line being its input."""
    genesis = Genesis(
        id="d-4",
        incarnation="",
        owner="ada",
        owner_name="",
        name="",
        created_ms=0,
        started=True,
        settings=Settings(),
    )
    state = State.at_creation(genesis)
    state.history = list(history)
    turn = Turn(state, PendingTurn(turn=history[-1].turn, user="ada", attempt=1))

    async def collect() -> list[Output]:
        pipeline = Transcripts([dialogue(3), dialogue(4, calls=2)])
        return [output async for output in pipeline(turn)]

    return asyncio.run(collect())


def said(turn: int, role: str = "user") -> Message:
    return Message(role=role, text="whatever", turn=turn)  # type: ignore[arg-type]


def test_the_place_is_the_number_of_user_messages_before() -> None:
    assert outputs([said(1)]) == ["answer  ", "0 ", "of\n", "4. "]
    later = [said(1), said(1, "assistant"), said(2), ToolCall(name="x", turn=2)]
    later += [ToolResult(turn=2), said(2, "assistant"), said(3)]
    assert outputs(later) == ["answer  ", "2 ", "of\n", "4. "]


def test_recorded_calls_come_first_each_with_its_result() -> None:
    arguments = {"dialogue": 4, "rooms": [1, {"beds": None}]}

    assert [
        ToolCall(name="Rooms_1.Find", arguments=arguments),
        ToolResult(value={"results": 0}),
        ToolCall(name="Rooms_1.Find", arguments=arguments),
        ToolResult(value={"results": 1}),
        *["answer  ", "1 ", "of\n", "4. "],
    ] == outputs([said(1), said(1, "assistant"), said(2)])
