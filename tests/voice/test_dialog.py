"""The dialog context: set, read, hydrated, copied, bounded (spec V19, VX18)."""

from __future__ import annotations

from typing import Any

import pytest
from rooms.hall import Ear, refused, room
from theatre import GatedJournal, ManualClock, play, settle
from voice.booth import booth

import greenroom
from greenroom import Exchange


def pair(user: str, assistant: str) -> Exchange:
    return Exchange(user=user, assistant=assistant)


def test_v19_a_dialog_is_copied_in_and_out() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            mine: list[Any] = [("a", "b"), ["c", "d"], pair("e", "f")]
            setting = session.set_dialog("ann", mine)
            mine.append(("late", "late"))
            mine[1][0] = "changed"
            await setting
            kept = (pair("a", "b"), pair("c", "d"), pair("e", "f"))

            assert await session.dialog("ann") == kept
            await session.send("ann", "?")
            await settle()
            assert script.turns[0].dialog == kept
            assert isinstance(await session.dialog("ann"), tuple)

    play(scene)


def test_v19_a_dialog_that_was_never_set_comes_from_the_transcript() -> None:
    async def scene() -> None:
        async with booth() as (session, script):
            script.cue("s", 1, "1", None)
            await (await session.send("ann", "one?")).result()
            await session.send("ann", "cut short?")
            script.cue("s", 2, "half an ans")
            await settle()
            await session.interrupt("ann")
            await session.send("ann", "three?")
            await settle()

            assert script.turns[2].dialog == (pair("one?", "1"),)
            assert await session.dialog("ann") == (pair("one?", "1"),)
            script.cue("s", 3, "3", None)
            await settle()
            assert await session.dialog("ann") == (pair("one?", "1"), pair("three?", "3"))
            assert script.turns[2].dialog == (pair("one?", "1"),)

    play(scene)


def test_v19_a_dialog_survives_a_passivation() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(clock=clock, journal=journal, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann")
            await session.set_dialog("ann", [("a", "b")])
            await clock.advance(61.0)
            assert runtime.resident == 0

            assert await session.dialog("ann") == (pair("a", "b"),)

    play(scene)


def test_v19_setting_a_dialog_is_an_event_and_can_be_done_again_safely() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            ear = await Ear.of(session, "bob")
            first = await session.set_dialog("ann", [("a", "b")], key="k")
            again = await session.set_dialog("ann", [("a", "b")], key="k")
            await settle()

            assert ear.kinds == ["dialog.set"]
            assert first == again
            assert "dialog" not in ear.wire[0].data

    play(scene)


def test_v19_only_participants_have_a_dialog() -> None:
    async def scene() -> None:
        async with room("eve*") as session:
            await refused(session.dialog("dee"), greenroom.NotMember)
            await refused(session.set_dialog("dee", []), greenroom.NotMember)
            await refused(session.set_dialog("eve", []), greenroom.NotAllowed)
            assert await session.dialog("eve") == ()

    play(scene)


@pytest.mark.parametrize(
    ("dialog", "field"),
    [
        (None, "dialog"),
        ("ab", "dialog"),
        ({"a": "b"}, "dialog"),
        ([("a", "b")] * 257, "dialog"),
        ([("x" * 250_000, "y" * 250_000)] * 3, "dialog"),
        (["ab"], "dialog[0]"),
        ([("a", "b"), ("c",)], "dialog[1]"),
        ([("a", "b", "c")], "dialog[0]"),
        ([("a", 1)], "dialog[0].assistant"),
        ([(None, "b")], "dialog[0].user"),
        ([("\ud800", "b")], "dialog[0].user"),
        ([("a", "x" * 300_000)], "dialog[0].assistant"),
        ([Exchange(user="a", assistant=7)], "dialog[0].assistant"),  # type: ignore[arg-type]
    ],
)
def test_vx18_a_dialog_is_bounded_and_refused_by_name(dialog: Any, field: str) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.set_dialog("ann", dialog)

            assert refusal.value.field == field
            assert (await session.info()).revision == 0

    play(scene)


def test_vx18_as_much_dialog_as_is_allowed_is_taken() -> None:
    async def scene() -> None:
        async with room() as session:
            most = [("x" * 2048, "y" * 2048)] * 256

            await session.set_dialog("ann", most)

            assert len(await session.dialog("ann")) == 256

    play(scene)
