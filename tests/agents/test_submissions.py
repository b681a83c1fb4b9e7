"""What agent clients submit (spec A01, A02, A10, A11, A14, A15, AX3, AX5, AX7, AX10, AX11)."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from rooms.hall import Ear, refused, room
from theatre import GatedJournal, ManualClock, Script, play, settle, take

import greenroom
from greenroom.actors.session.operations import Operation


def say(text: str) -> greenroom.UserInput:
    return greenroom.UserInput(text)


def test_a01_a_submission_has_an_id_of_its_own_and_its_operation() -> None:
    async def scene() -> None:
        async with room(pipeline=Script()) as session:
            made = [await session.submit("ann", say(f"hm {n}")) for n in range(10)]

            texts = [submission.operation.text for submission in made]
            assert texts == [f"hm {n}" for n in range(10)]
            assert all(re.fullmatch("sub_[0-9a-f]{8}", submission.id) for submission in made)
            assert len({submission.id for submission in made}) == 10
            await session.end("ann")

    play(scene)


def test_a01_ids_come_again_only_after_all_others() -> None:
    runtime = greenroom.Runtime(new_id=lambda size: "ff" * (size - 1) + "fe")

    assert [runtime.next_submission() for _ in range(3)] == [
        "sub_fffffffe",
        "sub_ffffffff",
        "sub_00000000",
    ]


def test_a01_no_two_threads_are_given_the_same_id() -> None:
    runtime = greenroom.Runtime()
    made: list[list[str]] = [[] for _ in range(4)]

    def draw(ids: list[str]) -> None:
        ids.extend(runtime.next_submission() for _ in range(5_000))

    threads = [threading.Thread(target=draw, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({number for ids in made for number in ids}) == 20_000


def test_a02_operations_have_the_names_that_clients_know() -> None:
    for operation, wire in [
        (say("hello"), {"type": "user_input", "text": "hello"}),
        (
            greenroom.ExecApproval([greenroom.CallApproval("1.1", True)]),
            {
                "type": "exec_approval",
                "approvals": [{"tool_call_id": "1.1", "approved": True}],
            },
        ),
        (greenroom.Undo(), {"type": "undo"}),
        (greenroom.Compact(), {"type": "compact"}),
        (greenroom.Interrupt(), {"type": "interrupt"}),
        (greenroom.Shutdown(), {"type": "shutdown"}),
    ]:
        assert msgspec.to_builtins(operation) == wire
        assert msgspec.convert(wire, Operation) == operation
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "reboot"}, Operation)


def test_a02_each_operation_is_answered_as_its_command_is() -> None:
    async def scene() -> None:
        script = Script()
        async with room(pipeline=script) as session:
            said = await session.submit("ann", say("think"))
            assert (said.answer.id, said.answer.ahead) == (1, 0)
            stopped = await session.submit("ann", greenroom.Interrupt())
            assert (stopped.answer.verdict, stopped.answer.turn) == ("won", 1)
            await refused(session.submit("ann", greenroom.Compact()), greenroom.NoCompactor)
            undone = await session.submit("ann", greenroom.Undo())
            assert undone.answer.removed == 1
            await session.submit("ann", greenroom.Shutdown())
            assert (await session.info()).state == "ended"

    play(scene)


def test_a02_undo_and_compact_change_the_transcript_as_their_methods_do() -> None:
    async def summarise(turn: greenroom.Turn) -> AsyncIterator[str]:
        yield f"{len(turn.history)} lines"

    async def scene() -> None:
        async with greenroom.Runtime(Script(), compactor=summarise) as runtime:
            session = await runtime.create(user="ann", id="s")
            for text in ("one", "two", "three", "four"):
                await session.post("ann", text)

            undone = await session.submit("ann", greenroom.Undo())
            compacted = await session.submit("ann", greenroom.Compact())
            assert (await compacted.answer.result()).status == "completed"

            assert undone.answer.removed == 1
            said = [line.text for line in await session.transcript("ann")]  # type: ignore[union-attr]
            assert said == ["1 lines", "two", "three"]

    play(scene)


def test_a02_an_approval_decides_on_the_calls_it_names_and_rejects_the_others() -> None:
    async def scene() -> None:
        told = list[Any]()

        async def ask(turn: greenroom.Turn) -> AsyncIterator[Any]:
            if turn.decisions is None:
                calls = [greenroom.ToolCall(name="look", id=name) for name in ("a", "b")]
                yield greenroom.RequestApproval(calls=calls)
                return
            told.append(turn.decisions)
            for call in turn.decisions:
                yield greenroom.ToolResult(id=call)

        async with room(pipeline=ask) as session:
            turn = (await session.submit("ann", say("look"))).answer
            await settle()
            yes = greenroom.CallApproval("b", True)
            odd: list[Any] = [greenroom.CallApproval([], True)]  # type: ignore[arg-type]
            for wrong in ("b", [yes, yes], [{"tool_call_id": "b", "approved": True}], None, odd):
                with pytest.raises(greenroom.InvalidInput, match="approvals"):
                    session.submit("ann", greenroom.ExecApproval(wrong))  # type: ignore[arg-type]

            await session.submit("ann", greenroom.ExecApproval([yes]))

            assert (await turn.result()).status == "completed"
            assert told == [{"a": False, "b": True}]
            late = session.submit("ann", greenroom.ExecApproval([yes]))
            await refused(late, greenroom.NoApproval)

    play(scene)


@pytest.mark.parametrize("operation", ["interrupt", None, {"type": "interrupt"}, object()])
def test_a02_what_is_no_operation_is_refused_and_changes_nothing(operation: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput) as refusal:
                session.submit("ann", operation)

            assert refusal.value.field == "operation"
            with pytest.raises(greenroom.InvalidInput):
                session.submit("ann", say(7))  # type: ignore[arg-type]
            assert (await session.info()).revision == 0

    play(scene)


def test_ax12_a_submission_is_made_by_somebody_who_may() -> None:
    async def scene() -> None:
        async with room("eve*", pipeline=Script()) as session:
            await session.submit("ann", say("think"))
            revision = (await session.info()).revision

            await refused(session.submit("bob", say("hm")), greenroom.NotMember, user="bob")
            await refused(session.submit("eve", say("hm")), greenroom.NotAllowed, user="eve")
            await refused(session.submit("eve", greenroom.Interrupt()), greenroom.NotAllowed)
            await refused(session.submit("eve", greenroom.Shutdown()), greenroom.NotHost)
            with pytest.raises(greenroom.InvalidInput):
                session.submit("", say("hm"))

            assert (await session.info()).revision == revision
            await session.end("ann")

    play(scene)


def test_a10_ax10_submissions_are_taken_one_by_one_in_order_and_nothing_polls() -> None:
    async def scene() -> None:
        clock, seen = ManualClock(), list[str]()

        async def note(turn: greenroom.Turn) -> AsyncIterator[str]:
            seen.append(f"+{turn.input.text}")
            await settle(3)
            yield "yes"
            seen.append(f"-{turn.input.text}")

        async with room(pipeline=note, clock=clock) as session:
            made = [session.submit("ann", say(str(n))) for n in range(10)]
            last = (await made[-1]).answer

            assert (await last.result()).status == "completed"

            assert seen == [f"{sign}{n}" for n in range(10) for sign in "+-"]
            assert clock.now_s == 1000.0  # not one timer was needed for any of it

    play(scene)


def test_a11_a_turn_that_fails_is_told_with_its_id_and_the_next_one_runs() -> None:
    async def scene() -> None:
        script = Script()
        async with room(pipeline=script) as session:
            ear = await Ear.of(session, "ann", kinds=["turn.ended"])
            turns = [(await session.submit("ann", say(text))).answer for text in ("one", "two")]
            script.cue("s", 1, ValueError("a tool broke"))
            script.cue("s", 2, "fine", None)

            failed, went_on = [await turn.result() for turn in turns]

            assert (failed.status, failed.reason) == ("failed", "ValueError: a tool broke")
            assert (went_on.status, went_on.text) == ("completed", "fine")
            await settle()
            assert [(item.event.turn, item.event.status) for item in ear.items] == [
                (1, "failed"),
                (2, "completed"),
            ]

    play(scene)


@pytest.mark.parametrize("error", [TimeoutError("the tool was slow"), TimeoutError()])
def test_ax5_a_timeout_that_a_tool_raises_fails_its_turn_visibly(error: Exception) -> None:
    async def scene() -> None:
        async def slow(turn: greenroom.Turn) -> AsyncIterator[Any]:
            yield greenroom.ToolCall(name="look")
            if turn.id == 1:
                raise error
            yield greenroom.ToolResult(value=1)

        async with room(pipeline=slow) as session:
            ear = await Ear.of(session, "ann", kinds=["turn.ended"])

            failed = await (await session.submit("ann", say("look"))).answer.result()

            assert failed.status == "failed"
            assert failed.reason.startswith("TimeoutError")
            await settle()
            assert [item.event.turn for item in ear.items] == [1]
            again = (await session.submit("ann", say("look again"))).answer
            assert (await again.result()).status == "completed"

    play(scene)


def test_a14_ax3_a_submission_is_accepted_or_refused_and_never_left_to_rot() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Script()) as runtime:
            unknown = runtime.session("nobody").submit("ann", say("hello?"))
            await refused(unknown, greenroom.SessionNotFound)
            session = await runtime.create(user="ann")
            await session.end("ann")
            await refused(session.submit("ann", say("hello?")), greenroom.SessionEnded)
            before = session.submit("ann", greenroom.Interrupt())
            deleted, after = session.delete("ann"), session.submit("ann", say("hello?"))

            assert (await before).answer.verdict == "unknown"
            assert await deleted
            with pytest.raises((greenroom.SessionEnded, greenroom.SessionNotFound)):
                await after

    play(scene)


def test_a15_ax7_an_interrupt_ends_the_running_turn_whatever_waits() -> None:
    """The source system queued it behind the turn that it was meant to end."""

    async def scene() -> None:
        script, journal = Script(), GatedJournal()
        async with room(pipeline=script, journal=journal) as session:
            events = session.events("ann", kinds=["turn.ended"])
            turns = [(await session.submit("ann", say(str(n)))).answer for n in range(5)]
            await settle()
            assert [turn.id for turn in script.turns] == [1]

            stopped = await session.submit("ann", greenroom.Interrupt())

            assert (stopped.answer.verdict, stopped.answer.turn) == ("won", 1)
            (ended,) = await take(events, 1)
            assert (ended.event.turn, ended.event.status) == (1, "cancelled")
            assert (await turns[0].result()).cause == "user"
            await settle()
            assert script.closed == [1]
            assert [turn.id for turn in script.turns] == [1, 2]
            assert (await session.info()).queued_turns == [3, 4, 5]
            await session.end("ann")

    play(scene)


def test_ax11_submissions_are_bounded_and_the_refusal_is_typed() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room(pipeline=Script(), journal=journal, max_queued_turns=2) as session:
            for n in range(3):
                await session.submit("ann", say(str(n)))

            error = await refused(session.submit("ann", say("more")), greenroom.TurnQueueFull)

            assert (error.limit, error.retryable) == (2, True)
            await session.end("ann")

    play(scene)


def test_ax11_a_mailbox_is_bounded_and_the_refusal_is_typed() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Script(), mailbox_capacity=3) as runtime:
            session = await runtime.create(user="ann")

            made = [session.submit("ann", say(str(n))) for n in range(5)]

            for late in made[3:]:
                error = await refused(late, greenroom.Overloaded, capacity=3, depth=3)
                assert error.retryable
            assert [(await taken).answer.id for taken in made[:3]] == [1, 2, 3]
            await session.end("ann")

    play(scene)
