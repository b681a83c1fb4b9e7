"""The layout that voice clients know (spec V02, V03, V05, V06, V08)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from rooms.hall import room
from theatre import ManualClock, play
from voice.booth import booth

from greenroom import Message, ToolCall, ToolResult
from greenroom.actors.session.voice_wire import voice_message, voice_session

KEYS = ["id", "character_id", "mode", "history", "created_at", "last_active_at"]


def test_v03_a_message_as_clients_read_it() -> None:
    full = Message(text="hi", role="user", author="ann", turn=2, at_ms=1_000_500, key="k")

    assert voice_message(full) == {
        "role": "user",
        "content": "hi",
        "timestamp": "1970-01-01T00:16:40.500+00:00",
        "turn_seq": 2,
    }
    assert list(voice_message(full)) == ["role", "content", "timestamp", "turn_seq"]


def test_v03_a_time_and_a_turn_of_zero_are_left_out() -> None:
    assert voice_message(Message(text="")) == {"role": "assistant", "content": ""}


def test_v05_v06_a_new_session_as_clients_read_it() -> None:
    async def scene() -> None:
        async with booth(clock=ManualClock()) as (session, _):
            snapshot = await session.snapshot("ann")

            assert voice_session(snapshot) == {
                "id": "s",
                "character_id": "",
                "mode": "standard",
                "history": [],
                "created_at": "1970-01-01T00:16:40.000+00:00",
                "last_active_at": "1970-01-01T00:16:40.000+00:00",
            }
            assert snapshot.info.phase == "init"

    play(scene)


@pytest.mark.parametrize(("mode", "shown"), [("voice_llm", "omni"), (0, "omni"), (1, "standard")])
def test_v02_v05_a_session_has_these_keys_and_no_others(mode: Any, shown: str) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with booth("bob", clock=clock, mode=mode, character_id="kim") as (session, script):
            await session.set_dialog("ann", [("secret", "secret")])
            await session.greet("ann", "secret")
            script.cue("s", 1, "welcome", None)
            await clock.advance(1.0)
            turn = await session.send("bob", "where?")
            script.cue("s", 2, ToolCall(name="secret"), ToolResult(value="secret"), "here", None)
            await turn.result()
            await clock.advance(1.0)
            await session.touch("bob")

            wire = msgspec.json.decode(
                msgspec.json.encode(voice_session(await session.snapshot("ann")))
            )

            assert list(wire) == KEYS
            assert (wire["id"], wire["character_id"], wire["mode"]) == ("s", "kim", shown)
            assert [
                (line["role"], line["content"], line["turn_seq"]) for line in wire["history"]
            ] == [
                ("assistant", "welcome", 1),
                ("user", "where?", 2),
                ("assistant", "here", 2),
            ]
            assert wire["created_at"] == "1970-01-01T00:16:40.000+00:00"
            assert wire["last_active_at"] == "1970-01-01T00:16:42.000+00:00"
            for private in ("secret", "ann", "bob"):
                assert private not in str(wire)

    play(scene)


def test_v08_nobody_takes_a_session_from_its_owner() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await session.transfer_host("ann", "bob")
            await session.leave("ann")

            info = await session.info()

            assert (info.owner, info.host) == ("ann", "bob")

    play(scene)
