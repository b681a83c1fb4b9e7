"""Messages of a voice session: their times and their places (spec V15-V18, VX18)."""

from __future__ import annotations

from typing import Any

import pytest
from rooms.hall import refused, room
from theatre import ManualClock, play, settle, texts
from voice.booth import booth

import greenroom
from greenroom import Message, ToolCall, ToolResult
from greenroom.actors.session.state import REMEMBERED_KEYS, REMEMBERED_TURNS


def test_v15_the_time_of_a_message_is_now_unless_a_pipeline_gives_one() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth(clock=clock) as (session, script):
            await session.post("ann", "hello")
            turn = await session.send("ann", "?")
            await clock.advance(2.5)
            script.cue("s", 1, Message(text="now"), Message(text="then", at_ms=77), None)
            await turn.result()

            said = [line for line in await session.transcript("ann") if isinstance(line, Message)]
            assert [(line.text, line.at_ms) for line in said] == [
                *[("hello", 1_000_000), ("?", 1_000_000)],
                *[("now", 1_002_500), ("then", 77)],
            ]
            assert (await session.info()).active_ms == 1_002_500

    play(scene)


@pytest.mark.parametrize("at_ms", [-1, True, 1.5, "1", None, 253_402_300_800_000])
def test_v15_a_time_that_no_calendar_has_fails_the_turn(at_ms: Any) -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            turn = await session.send("ann", "?")
            script.cue("s", 1, Message(text="then", at_ms=at_ms))

            result = await turn.result()

            assert result.status == "failed"
            assert "at_ms" in result.reason

    play(scene)


def test_v16_an_answer_stands_in_its_own_turn_in_the_order_it_came() -> None:
    async def scene() -> None:
        async with booth("bob") as (session, script):
            first = await session.send("ann", "one?")
            await session.send("bob", "two?")
            await session.post("bob", "by the way")
            script.cue("s", 1, Message(text="1a"), "1b", ToolCall(name="look"))
            script.cue("s", 1, ToolResult(value=1), Message(text="1c"), None)
            await first.result()
            script.cue("s", 2, "2", None)
            await session.settled()

            assert texts(await session.transcript("ann")) == [
                *["one?", "1a", "1b", "1c"],
                *["two?", "2", "by the way"],
            ]

    play(scene)


def test_v17_what_people_say_is_appended_though_an_older_turn_still_answers() -> None:
    async def scene() -> None:
        async with booth("bob") as (session, script):
            await session.send("ann", "one?")
            script.cue("s", 1, "1a")
            await settle()
            await session.post("bob", "by the way")
            await session.send("bob", "two?")
            script.cue("s", 1, "1b", None)
            await settle()

            assert texts(await session.transcript("ann")) == ["one?", "1a1b", "by the way", "two?"]

    play(scene)


def test_v18_the_history_and_the_snapshot_are_copies() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            turn = await session.send("ann", "?")
            script.cue("s", 1, ToolCall(name="look", arguments={"at": [1]}))
            script.cue("s", 1, ToolResult(value={"seen": [2]}), None)
            await turn.result()

            for read in (session.transcript("ann"), session.snapshot("ann")):
                given = await read
                lines = given if isinstance(given, tuple) else given.transcript
                assert isinstance(lines, tuple)
                _, call, result = lines
                call.arguments["at"].append("mine")
                result.value["seen"].append("mine")
            snapshot = await session.snapshot("ann")
            snapshot.info.participants.clear()
            snapshot.context["mine"] = 1

            _, call, result = await session.transcript("ann")
            assert isinstance(call, ToolCall)
            assert isinstance(result, ToolResult)
            assert (call.arguments, result.value) == ({"at": [1]}, {"seen": [2]})
            again = await session.snapshot("ann")
            assert (list(again.info.participants), again.context) == (["ann"], {})

    play(scene)


def test_v18_a_conversation_at_a_glance_is_of_one_moment() -> None:
    async def scene() -> None:
        async with booth(character_id="kim", mode="voice_llm") as (session, script):
            turn = await session.send("ann", "?")
            script.cue("s", 1, "!", None)
            await turn.result()
            snapshot = await session.snapshot("ann")
            await session.post("ann", "later")

            assert (snapshot.info.character_id, snapshot.info.mode) == ("kim", "omni")
            assert texts(snapshot.transcript) == ["?", "!"]

    play(scene)


def test_vx18_what_a_session_keeps_beside_its_transcript_is_bounded() -> None:
    async def scene() -> None:
        turns = max(REMEMBERED_TURNS, REMEMBERED_KEYS) + 8
        async with booth(max_events=20, max_queued_turns=2) as (session, script):
            for n in range(1, turns + 1):
                turn = await session.send("ann", "?", answer_key=f"k{n}")
                if n % 2:
                    await turn.cancel()
                else:
                    script.cue("s", n, Message(text="!", key=f"k{n}"), None)
                await turn.result()
            waiting = [await session.send("ann", "?") for _ in range(3)]
            await refused(session.send("ann", "?"), greenroom.TurnQueueFull, limit=2)
            assert [turn.ahead for turn in waiting] == [0, 1, 2]

            assert (await session.info()).events <= 20
            state = session._runtime._supervisor._places["s"].actor.state  # type: ignore[union-attr]
            assert len(state.outcomes) <= REMEMBERED_TURNS
            assert len(state.aborted) <= REMEMBERED_KEYS
            assert len(await session.dialog("ann")) <= REMEMBERED_TURNS

    play(scene)


def test_vx18_one_message_is_bounded() -> None:
    async def scene() -> None:
        async with room() as session:
            for say in (session.post, session.send):
                with pytest.raises(greenroom.InvalidInput):
                    say("ann", "x" * (256 * 1024 + 1))

    play(scene)
