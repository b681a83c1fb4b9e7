"""Barge-in: late answers, keys, and how much of an answer was heard (spec V16, barge-in rules)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from theatre import Script, play, settle, texts

import greenroom
from greenroom import Message, TextDelta


def shown(line: Any) -> str:
    return f"{line.turn}:{line.text}{'-' * line.interrupted}"


async def spoken(session: greenroom.Session) -> list[str]:
    return [shown(line) for line in await session.transcript("ann")]


# --- late answers --------------------------------------------------------------------------------


class Finisher:
    """Has the whole answer a moment after it was interrupted, and gives it with its key."""

    def __init__(self, key: str) -> None:
        self.key = key

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        if turn.input.text != "first":
            yield "two"
            return
        yield "so f"
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        yield Message(text="so far so good", key=self.key)
        yield "and more that nobody hears"


def test_v16_the_keyed_final_of_an_interrupted_turn_is_written_to_that_turn() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Finisher("q1")) as runtime:
            session = await runtime.create(user="ann")
            await session.send("ann", "first", answer_key="q1")
            await settle()
            second = await session.send("ann", "second", policy="interrupt")
            await second.result()

            assert await spoken(session) == [
                *("1:first", "1:so f-", "1:so far so good"),
                *("2:second", "2:two"),
            ]

    play(scene)


@pytest.mark.parametrize("key", ["", "q9"])
def test_unkeyed_and_foreign_late_content_is_dropped(key: str) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Finisher(key)) as runtime:
            session = await runtime.create(user="ann")
            await session.send("ann", "first", answer_key="q1")
            await settle()
            second = await session.send("ann", "second", policy="interrupt")
            await second.result()

            assert await spoken(session) == ["1:first", "1:so f-", "2:second", "2:two"]

    play(scene)


def test_v16_a_late_answer_may_come_from_outside_and_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        script, journal = Script(), f"sqlite:///{tmp_path}/voice.db"
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "first", answer_key="q1")
            await settle()
            await turn.cancel()
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = runtime.session("s")
            await session.post("ann", "hm")

            await session.late_answer("q1", "so far so good")

            assert await spoken(session) == ["1:first", "1:so far so good", "0:hm"]
            with pytest.raises(greenroom.AnswerNotExpected):
                await session.late_answer("q1", "so far so good")
            assert await spoken(session) == ["1:first", "1:so far so good", "0:hm"]

    play(scene)


# --- keys of what is said ------------------------------------------------------------------------


def test_after_a_barge_in_text_must_carry_the_expected_key() -> None:
    async def shared(turn: greenroom.Turn) -> AsyncIterator[Any]:
        """As one that reads a connection which still brings pieces of the older answer."""
        if turn.input.text == "first":
            yield TextDelta("one", key="q1")
            await asyncio.Event().wait()
        yield "old piece "
        yield TextDelta("another ", key="q1")
        yield Message(text="the whole old answer", key="q1")
        yield TextDelta("two", key="q2")
        yield Message(text=" unkeyed")

    async def scene() -> None:
        async with greenroom.Runtime(shared) as runtime:
            session = await runtime.create(user="ann")
            await session.send("ann", "first", answer_key="q1")
            await settle()
            how: Any = {"policy": "interrupt", "answer_key": "q2"}
            result = await (await session.send("ann", "second", **how)).result()

            assert result.text == "two"
            assert await spoken(session) == [
                *("1:first", "1:one-", "1:the whole old answer"),
                *("2:second", "2:two"),
            ]

    play(scene)


def test_without_a_barge_in_text_needs_no_key() -> None:
    async def plain(turn: greenroom.Turn) -> AsyncIterator[Any]:
        yield "one "
        yield TextDelta("two ", key="q1")
        yield TextDelta("not this ", key="q2")

    async def scene() -> None:
        async with greenroom.Runtime(plain) as runtime:
            session = await runtime.create(user="ann")
            turn = await session.send("ann", "first", answer_key="q1")

            assert (await turn.result()).text == "one two "

    play(scene)


# --- how much was heard --------------------------------------------------------------------------


@pytest.mark.parametrize(("cut", "seen"), [(True, "hello wo"), (False, "hello world")])
def test_an_interrupted_answer_is_cut_where_its_readers_have_come_to(cut: bool, seen: str) -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            settings = greenroom.Settings(cut_undelivered=cut)
            session = await runtime.create(user="ann", id="s", settings=settings)
            turn = await session.send("ann", "first")
            script.cue("s", 1, "hello ", "world")
            await settle()
            for chars in (3, 8, 5):
                session.delivered("ann", turn.id, chars)
            session.delivered("eve", turn.id, 11)
            session.delivered("ann", 9, 11)

            await session.send("ann", "second", policy="interrupt")
            await settle()

            (first,) = [line for line in await session.transcript("ann") if shown(line)[-1] == "-"]
            assert isinstance(first, Message)
            assert (first.text, first.delivered) == ("hello world", 8)
            assert texts(script.turns[1].history) == ["first", seen]
            await session.end("ann")

    play(scene)


def test_what_was_heard_counts_from_the_beginning_of_the_answer() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "first")
            script.cue("s", 1, Message(text="12345"), "678", "90")
            await settle()
            session.delivered("ann", turn.id, 7)
            await turn.cancel()

            whole, cut = (await session.transcript("ann"))[1:]
            assert isinstance(whole, Message)
            assert isinstance(cut, Message)
            assert (whole.text, whole.interrupted, whole.delivered) == ("12345", False, None)
            assert (cut.text, cut.interrupted, cut.delivered) == ("67890", True, 2)

    play(scene)


@pytest.mark.parametrize("chars", [-1, 1.5, "3", None, 2**63])
def test_how_much_was_heard_is_a_number(chars: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Script()) as runtime:
            session = await runtime.create(user="ann", id="s")

            with pytest.raises(greenroom.InvalidInput) as refused:
                session.delivered("ann", 1, chars)

            assert refused.value.field == "chars"

    play(scene)
