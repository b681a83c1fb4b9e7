"""P19: a transcript is valid after every turn, however it ended.

Each tool call has its result or a stub, in place. asks c.1: a cancelled turn that leaves a call
without a result bricks the session, as no model takes it any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom

Way = Callable[[greenroom.Session, Script], Awaitable[Any]]


async def complete(session: greenroom.Session, script: Script) -> None:
    script.cue("s", 1, None)


async def fail(session: greenroom.Session, script: Script) -> None:
    script.cue("s", 1, ValueError("a tool broke"))


async def yield_rubbish(session: greenroom.Session, script: Script) -> None:
    script.cue("s", 1, object())


async def answer_a_call_that_was_not_made(session: greenroom.Session, script: Script) -> None:
    script.cue("s", 1, greenroom.ToolResult(value=1, id="z"))


async def cancel(session: greenroom.Session, script: Script) -> None:
    await session.interrupt("ann")


async def supersede(session: greenroom.Session, script: Script) -> None:
    await session.send("ann", "no, wait", policy="interrupt")


async def roll_back(session: greenroom.Session, script: Script) -> None:
    await session.send("ann", "no, rather", policy="rollback")


async def undo(session: greenroom.Session, script: Script) -> None:
    await session.undo("ann")  # of what waits
    assert (await session.undo("ann")).ended == [1]


async def truncate(session: greenroom.Session, script: Script) -> None:
    await session.truncate("ann", 0)


async def undo_what_came_later(session: greenroom.Session, script: Script) -> None:
    await session.post("ann", "by the way")
    await session.undo("ann")
    script.cue("s", 1, None)


async def end(session: greenroom.Session, script: Script) -> None:
    await session.end("ann")


async def leave(session: greenroom.Session, script: Script) -> None:
    await session.leave("bob")
    await session.interrupt("ann")


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        complete,
        fail,
        yield_rubbish,
        answer_a_call_that_was_not_made,
        cancel,
        supersede,
        roll_back,
        undo,
        truncate,
        undo_what_came_later,
        end,
        leave,
    )
}

OPEN: dict[str, list[Any]] = {
    "one call": [greenroom.ToolCall(name="look", id="a")],
    "one of two calls": [
        greenroom.ToolCall(name="look", id="a"),
        greenroom.ToolCall(name="look", id="b"),
        greenroom.ToolResult(value=1, id="a"),
    ],
    "a call, and text since": [greenroom.ToolCall(name="look", id="a"), "one moment"],
    "a call, a message, and another call": [
        greenroom.ToolCall(name="look", id="a"),
        greenroom.Message(text="one moment"),
        greenroom.ToolCall(name="look", id="b"),
    ],
    "a call that was answered late": [
        greenroom.ToolCall(name="look", id="a"),
        greenroom.Message(text="one moment"),
        greenroom.ToolResult(value=1, id="a"),
    ],
}


@pytest.mark.parametrize("opened", OPEN)
@pytest.mark.parametrize("way", WAYS)
def test_p19_however_a_turn_ends_its_transcript_is_valid(way: str, opened: str) -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, stop_budget_s=0.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.join("bob")
            await session.send("ann", "one")
            await session.send("bob", "two")
            script.cue("s", 1, *OPEN[opened])
            await settle()
            assert (await session.verify("ann")).valid

            await WAYS[way](session, script)
            await settle()

            info, report = await session.info(), await session.verify("ann")
            assert info.running_turn != 1
            assert report.valid, report.problems
            kinds = [type(line) for line in await session.transcript("ann")]
            assert kinds.count(greenroom.ToolCall) == kinds.count(greenroom.ToolResult)

    play(scene)


@pytest.mark.parametrize("opened", OPEN)
@pytest.mark.parametrize("attempts", [1, 2])
def test_p19_a_turn_that_a_crash_interrupts_leaves_a_valid_transcript(
    opened: str, attempts: int
) -> None:
    async def scene() -> None:
        script, journal = Script(), GatedJournal()
        runtime = greenroom.Runtime(
            script, journal=journal, restart_delay_s=0.0, turn_attempts=attempts, stop_budget_s=0.0
        )
        async with runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "one")
            script.cue("s", 1, *OPEN[opened])
            await settle()
            journal.fail(greenroom.JournalFailed("no answer"))
            with pytest.raises(greenroom.OutcomeUnknown):
                await session.post("ann", "boom")
            await settle()
            assert (await session.verify("ann")).valid
            script.cue("s", 1, *OPEN[opened], None)

            result = await turn.result()

            report = await session.verify("ann")
            assert result.status == ("lost" if attempts == 1 else "completed")
            assert report.valid, report.problems

    play(scene)


@pytest.mark.parametrize("opened", OPEN)
def test_p19_a_turn_that_is_handed_back_leaves_a_valid_transcript(opened: str) -> None:
    async def scene() -> None:
        script, journal = Script(), GatedJournal()
        async with greenroom.Runtime(script, journal=journal, stop_budget_s=0.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "one")
            script.cue("s", 1, *OPEN[opened])
            await settle()
        async with greenroom.Runtime(script, journal=journal, stop_budget_s=0.0) as runtime:
            session = runtime.session("s")

            report = await session.verify("ann")

            assert (await session.result(1)).status == "lost"
            assert report.valid, report.problems

    play(scene)


@pytest.mark.parametrize("opened", OPEN)
@pytest.mark.parametrize(
    "limit", ["turn_max_outputs", "turn_max_bytes", "turn_silence_s", "turn_timeout_s"]
)
def test_p19_a_turn_that_takes_too_much_leaves_a_valid_transcript(limit: str, opened: str) -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        sizes = {"turn_max_outputs": len(OPEN[opened]), "turn_max_bytes": 200}
        limits: dict[str, Any] = {limit: sizes.get(limit, 5.0)}
        async with greenroom.Runtime(script, clock=clock, **limits) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "one")
            script.cue("s", 1, *OPEN[opened])
            await settle()
            if limit in sizes:
                script.cue("s", 1, "x" * 200)
            await clock.advance(5.0)

            result = await turn.result()

            report = await session.verify("ann")
            assert (result.status, "TurnOverLimit" in result.reason) == ("failed", True)
            assert report.valid, report.problems

    play(scene)


def test_p19_the_next_turn_is_told_a_valid_transcript_whatever_the_last_one_left() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, stop_budget_s=0.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "one")
            script.cue("s", 1, *OPEN["one call"])
            await settle()
            await session.interrupt("ann")

            await session.send("ann", "two")
            await settle()

            call, stub = script.turns[-1].history[1:]
            assert isinstance(call, greenroom.ToolCall)
            assert isinstance(stub, greenroom.ToolResult)
            assert (stub.id, stub.stub, stub.failed) == (call.id, True, True)

    play(scene)


def test_p19_only_a_participant_is_told() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Script()) as runtime:
            session = await runtime.create(user="ann", id="s")

            assert (await session.verify("ann")) == greenroom.TranscriptReport(
                valid=True, lines=0, problems=()
            )
            with pytest.raises(greenroom.NotMember):
                await session.verify("mallory")

    play(scene)
