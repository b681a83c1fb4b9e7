"""A summary in the place of what is older, made by a function of the user's (asks c.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rooms.hall import Ear, refused
from theatre import GatedJournal, Script, echo, play, settle, texts

import greenroom
from greenroom.actors.session.values import MAX_TEXT_BYTES


@asynccontextmanager
async def talk(
    *said: str, compactor: Any, pipeline: Any = echo, **options: Any
) -> AsyncIterator[greenroom.Session]:
    """Ann's session `s`, in which these were asked and answered."""
    async with greenroom.Runtime(pipeline, compactor=compactor, **options) as runtime:
        session = await runtime.create(user="ann", id="s")
        for text in said:
            await (await session.send("ann", text)).result()
        yield session


async def shown(session: greenroom.Session) -> list[str]:
    return texts(await session.transcript("ann"))


def test_a_summary_stands_for_what_is_older_and_the_journal_keeps_it_all() -> None:
    async def scene() -> None:
        seen: list[greenroom.Turn] = []

        async def summarise(turn: greenroom.Turn) -> AsyncIterator[str]:
            seen.append(turn)
            yield "they said "
            yield "hello"

        async with talk("one", "two", "three", compactor=summarise) as session:
            ear = await Ear.of(session, "ann")

            turn = await session.compact("ann", keep=2, prompt="briefly")
            result = await turn.result()

            assert (turn.id, turn.ahead, result.status, result.text) == (4, 0, "completed", "")
            assert await shown(session) == [
                "they said hello", "two", "two ", "three", "three ",
            ]  # fmt: skip
            assert texts(seen[0].history) == ["one", "one "]
            assert (seen[0].kind, seen[0].input.text, seen[0].user) == (
                "compaction", "briefly", "ann",
            )  # fmt: skip
            await settle()
            assert ear.kinds == ["turn.started", "transcript.compacted", "turn.ended"]
            page = await session.history("ann")
            assert [e.event.message.text for e in page.events if hasattr(e.event, "message")] == [
                "one", "one ", "two", "two ", "three", "three ",
            ]  # fmt: skip
            assert (await session.verify("ann")).valid

    play(scene)


def test_the_next_turn_is_told_the_summary() -> None:
    async def scene() -> None:
        heard: list[list[str]] = []

        async def answer(turn: greenroom.Turn) -> str:
            heard.append(texts(turn.history))
            return "ok"

        async with talk("one", "two", pipeline=answer, compactor=lambda _: "sum") as session:
            await (await session.compact("ann", keep=1)).result()
            await (await session.send("ann", "three")).result()

            assert heard[-1] == ["sum", "two", "ok"]

    play(scene)


@pytest.mark.parametrize("shape", ["stream", "coroutine", "plain", "several", "message"])
def test_a_compactor_has_any_shape_that_a_pipeline_has(shape: str) -> None:
    async def stream(_: greenroom.Turn) -> AsyncIterator[Any]:
        yield greenroom.TextDelta("in ")
        yield "short"

    async def coroutine(_: greenroom.Turn) -> str:
        return "in short"

    shapes: dict[str, Any] = {
        "stream": stream,
        "coroutine": coroutine,
        "plain": lambda _: "in short",
        "several": lambda _: ["in ", "short"],
        "message": lambda _: greenroom.Message(text="in short"),
    }

    async def scene() -> None:
        async with talk("one", "two", compactor=shapes[shape]) as session:
            await (await session.compact("ann", keep=1)).result()

            assert await shown(session) == ["in short", "two", "two "]

    play(scene)


BAD: dict[str, tuple[Any, str]] = {
    "a call": (greenroom.ToolCall(name="look"), "compactor output is 'ToolCall'"),
    "a result": (greenroom.ToolResult(value=1), "compactor output is 'ToolResult'"),
    "a number": (7, "compactor output is 'int'"),
    "no text": ("  ", "there is no summary"),
    "nothing": (None, "there is no summary"),
    "too much": (["x" * (MAX_TEXT_BYTES - 1), "yé"], "summary is"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_compactor_that_yields_no_text_fails_its_turn_and_changes_nothing(what: str) -> None:
    output, why = BAD[what]

    async def scene() -> None:
        async with talk("one", "two", compactor=lambda _: output) as session:
            before = await session.transcript("ann")

            result = await (await session.compact("ann", keep=1)).result()

            assert result.status == "failed"
            assert why in result.reason
            assert await session.transcript("ann") == before

    play(scene)


@pytest.mark.parametrize("how", ["raises", "interrupt", "undo", "truncate", "end"])
def test_a_compaction_that_does_not_complete_leaves_the_view_as_it_was(how: str) -> None:
    async def scene() -> None:
        script = Script()
        async with talk("one", "two", "three", compactor=script) as session:
            turn = await session.compact("ann", keep=1)
            ear = await Ear.of(session, "ann")
            script.cue("s", 4, "half a ")
            await settle()
            assert ear.items == []
            assert (await session.snapshot("ann")).saying == ""

            match how:
                case "raises":
                    script.cue("s", 4, ValueError("no"))
                case "interrupt":
                    assert (await session.interrupt("ann")).verdict == "won"
                case "undo":
                    assert (await session.undo("ann")).ended == [4]
                case "truncate":
                    assert (await session.truncate("ann", 2)).ended == [4]
                case _:
                    await session.end("ann")
            script.cue("s", 4, "summary", None)
            result = await turn.result()

            assert result.status == ("failed" if how == "raises" else "cancelled")
            kept = 4 if how in ("undo", "truncate") else 6
            assert await shown(session) == ["one", "one ", "two", "two ", "three", "three "][:kept]
            assert script.closed == [4]

    play(scene)


def test_messages_that_come_meanwhile_stay_and_wait_for_their_turn() -> None:
    async def scene() -> None:
        script = Script()
        async with talk("one", "two", compactor=script) as session:
            compaction = await session.compact("ann", keep=1)
            sent = await session.send("ann", "three")
            await session.post("ann", "by the way")
            script.cue("s", 3, "sum", None)

            assert (sent.ahead, sent.waits_for) == (1, "turn")
            await compaction.result()
            await sent.result()

            assert await shown(session) == ["sum", "two", "two ", "three", "three ", "by the way"]

    play(scene)


def test_a_compaction_found_running_after_a_crash_is_lost_and_changes_nothing() -> None:
    async def scene() -> None:
        script, journal = Script(), GatedJournal()
        async with talk(
            "one", "two", compactor=script, journal=journal, restart_delay_s=0.0
        ) as session:
            turn = await session.compact("ann", keep=1)
            script.cue("s", 3, "half")
            await settle()
            journal.fail(greenroom.JournalFailed("no answer"))
            post = session.post("ann", "boom")
            with pytest.raises(greenroom.OutcomeUnknown):
                await post

            result = await turn.result()

            assert (result.status, result.cause) == ("lost", "crash")
            assert await shown(session) == ["one", "one ", "two", "two "]

    play(scene)


def test_a_compaction_found_running_is_tried_again_by_policy() -> None:
    async def scene() -> None:
        script, journal = Script(), GatedJournal()
        async with talk(
            "one", "two", compactor=script, journal=journal, turn_attempts=2, restart_delay_s=0.0
        ) as session:
            turn = await session.compact("ann", keep=1)
            await settle()
            journal.fail(greenroom.JournalFailed("no answer"))
            with pytest.raises(greenroom.OutcomeUnknown):
                await session.post("ann", "boom")
            script.cue("s", 3, "sum", None)

            assert (await turn.result()).status == "completed"
            assert [each.attempt for each in script.turns] == [1, 2]
            assert await shown(session) == ["sum", "two", "two "]

    play(scene)


def test_a_summary_survives_passivation() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        compactor = lambda _: "sum"  # noqa: E731
        async with talk("one", "two", compactor=compactor, journal=journal) as session:
            await (await session.compact("ann", keep=1)).result()
        async with greenroom.Runtime(echo, journal=journal) as runtime:
            assert await shown(runtime.session("s")) == ["sum", "two", "two "]

    play(scene)


def test_without_a_compactor_or_anything_to_compact_it_is_refused() -> None:
    async def scene() -> None:
        async with talk("one", "two", compactor=None) as session:
            await refused(session.compact("ann", keep=1), greenroom.NoCompactor, session="s")
            revision = (await session.info()).revision
        async with talk("one", "two", compactor=lambda _: "sum") as session:
            await refused(session.compact("ann", keep=2), greenroom.NothingToCompact, session="s")
            assert (await session.info()).revision == revision
        async with talk(compactor=lambda _: "sum", pipeline=None) as session:
            await refused(session.compact("ann", keep=0), greenroom.NoPipeline, session="s")

    play(scene)


def test_a_compaction_that_waited_where_there_is_no_compactor_any_more_fails() -> None:
    async def scene() -> None:
        journal, script = GatedJournal(), Script()
        async with talk("one", compactor=lambda _: "sum", journal=journal) as session:
            await session.pause("ann")
            await session.compact("ann", keep=0)
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = runtime.session("s")
            await session.resume("ann")

            result = await session.result(2)

            assert (result.status, result.reason.split(":")[0]) == ("failed", "NoCompactor")
            assert script.turns == []

    play(scene)


def test_a_compactor_is_not_called_for_nothing() -> None:
    async def scene() -> None:
        called: list[int] = []

        async def summarise(turn: greenroom.Turn) -> str:
            called.append(turn.id)
            return "sum"

        script = Script()
        async with greenroom.Runtime(script, compactor=summarise) as runtime:
            session = await runtime.create(user="ann", id="s")
            script.cue("s", 1, None)
            await (await session.send("ann", "one")).result()
            await session.send("ann", "two")
            compaction = await session.compact("ann", keep=1)
            await session.truncate("ann", 0)

            result = await compaction.result()

            assert (result.status, result.reason.split(":")[0]) == ("failed", "NothingToCompact")
            assert called == []

    play(scene)


def test_a_compactor_that_ignores_its_cancellation_writes_nothing() -> None:
    async def scene() -> None:
        gate = asyncio.Event()

        async def stubborn(_: greenroom.Turn) -> AsyncIterator[str]:
            yield "half "
            try:
                await gate.wait()
            except asyncio.CancelledError:
                await gate.wait()
            yield "a summary"

        async with talk("one", "two", compactor=stubborn) as session:
            await session.compact("ann", keep=1)
            await settle()
            await session.undo("ann")
            gate.set()
            await settle()

            assert await shown(session) == ["one", "one "]

    play(scene)


@pytest.mark.parametrize("keep", [-1, True, 1.5, "2", None])
def test_what_is_to_be_kept_is_a_number(keep: object) -> None:
    async def scene() -> None:
        async with talk("one", compactor=lambda _: "sum") as session:
            with pytest.raises(greenroom.InvalidInput, match="keep"):
                session.compact("ann", keep=keep)  # type: ignore[arg-type]

    play(scene)


def test_the_same_compaction_sent_twice_is_done_once() -> None:
    async def scene() -> None:
        async with talk("one", "two", compactor=lambda _: "sum") as session:
            first = await session.compact("ann", keep=1, key="k")
            await first.result()

            again = await session.compact("ann", keep=1, key="k")

            assert again.id == first.id == 3
            assert await shown(session) == ["sum", "two", "two "]

    play(scene)
