"""Undo and truncate as people use them, on a whole runtime (spec A22, AX17)."""

from __future__ import annotations

import pytest
from rooms.hall import Ear, refused, room, told
from theatre import GatedJournal, Script, echo, play, settle, texts

import greenroom
from greenroom.actors.session.events import TranscriptCut


def test_a22_undo_drops_the_last_exchange_and_says_undo_complete() -> None:
    async def scene() -> None:
        async with room("bob", pipeline=echo) as session:
            for text in ("one", "two"):
                await (await session.send("ann", text)).result()
            ear = await Ear.of(session, "bob")

            receipt = await session.undo("ann")

            assert (receipt.removed, receipt.ended) == (2, [])
            assert texts(await session.transcript("ann")) == ["one", "one "]
            await settle()
            (heard,) = ear.wire
            assert (heard.event_type, heard.user_id) == ("action", "ann")
            assert heard.data == {"removed": 2, "action_type": "undo_complete"}
            assert heard.sequence == receipt.revision

    play(scene)


def test_a22_undo_of_an_empty_transcript_still_answers() -> None:
    async def scene() -> None:
        async with room(pipeline=echo) as session:
            receipt = await session.undo("ann")

            assert (receipt.removed, receipt.revision) == (0, 1)
            assert [event.data["action_type"] for event in await told(session)] == ["undo_complete"]

    play(scene)


def test_a22_undo_never_drops_a_system_message() -> None:
    async def scene() -> None:
        async def summarise(turn: greenroom.Turn) -> str:
            return f"{len(turn.history)} lines"

        runtime = greenroom.Runtime(echo, compactor=summarise)
        async with runtime:
            session = await runtime.create(user="ann")
            for text in ("one", "two"):
                await (await session.send("ann", text)).result()
            await (await session.compact("ann", keep=1)).result()

            for _ in range(3):
                await session.undo("ann")

            (left,) = await session.transcript("ann")
            assert isinstance(left, greenroom.Message)
            assert (left.role, left.text) == ("system", "2 lines")

    play(scene)


def test_a22_undo_stops_the_running_turn_and_nothing_of_it_is_heard_again() -> None:
    async def scene() -> None:
        script = Script()
        async with room(pipeline=script) as session:
            turn = await session.send("ann", "one")
            script.cue("s", 1, "half an ")
            await settle()

            receipt = await session.undo("ann")
            ear = await Ear.of(session, "ann")
            script.cue("s", 1, "answer", None)
            await settle()

            assert receipt.ended == [1]
            result = await turn.result()
            assert (result.status, result.cause, result.text) == ("cancelled", "user", "")
            assert script.closed == [1]
            assert ear.kinds == ["turn.stopped"]
            assert await session.transcript("ann") == ()

    play(scene)


@pytest.mark.parametrize("how", ["undo", "truncate"])
def test_ax17_a_cut_into_a_suspended_turn_clears_its_approval(how: str) -> None:
    async def scene() -> None:
        script = Script()
        async with room("bob", pipeline=script) as session:
            turn = await session.send("ann", "one")
            call = greenroom.ToolCall(name="pay", id="c")
            script.cue("s", 1, "shall I? ", greenroom.RequestApproval(calls=[call]))
            await settle()
            pending = await session.approval("ann")
            assert pending is not None

            reply = session.undo("bob") if how == "undo" else session.truncate("bob", 0)
            receipt = await reply

            assert receipt.ended == [1]
            assert await session.approval("ann") is None
            assert await session.transcript("ann") == ()
            decision = session.decide("ann", {"c": True}, approval=pending.id)
            await refused(decision, greenroom.NoApproval)
            result = await turn.result()
            assert (result.status, result.cause) == ("cancelled", "user")
            assert len(script.turns) == 1

            sent = await session.send("ann", "two")
            script.cue("s", 2, "fine", None)
            await sent.result()
            assert texts(await session.transcript("ann")) == ["two", "fine"]

    play(scene)


def test_ax17_a_cut_behind_a_suspended_turn_leaves_its_approval_whole() -> None:
    async def scene() -> None:
        script = Script()
        async with room("bob", pipeline=script) as session:
            turn = await session.send("ann", "one")
            call = greenroom.ToolCall(name="pay", id="c")
            script.cue("s", 1, greenroom.RequestApproval(calls=[call]))
            await settle()
            await session.send("bob", "and me?")

            receipt = await session.undo("bob")
            await session.decide("ann", {"c": True})
            script.cue("s", 1, greenroom.ToolResult(value="paid"), "done", None)

            assert receipt.ended == [2]
            assert (await turn.result()).status == "completed"
            assert script.turns[-1].decisions == {"c": True}
            assert texts(await session.transcript("ann")) == ["one", "done"]
            assert (await session.verify("ann")).valid

    play(scene)


def test_after_an_undo_the_pipeline_sees_what_is_left() -> None:
    async def scene() -> None:
        script = Script()
        async with room(pipeline=script) as session:
            for turn, text in enumerate(("one", "two"), 1):
                sent = await session.send("ann", text)
                script.cue("s", turn, f"re {text}", None)
                await sent.result()
            await session.undo("ann")

            sent = await session.send("ann", "three")
            script.cue("s", 3, None)
            await sent.result()

            assert texts(script.turns[-1].history) == ["one", "re one"]
            assert script.turns[-1].id == 3

    play(scene)


def test_undo_leaves_shared_context_and_memories_as_they_are() -> None:
    """asks c.21: rewinding the talk is one thing, undoing what was done another."""

    async def scene() -> None:
        async with room(pipeline=echo) as session:
            await (await session.send("ann", "one")).result()
            await session.update_context("ann", {"topic": "stars"})
            await session.add_memory("ann", "m1")

            await session.undo("ann")

            shown = await session.snapshot("ann")
            assert (shown.context, shown.memories, shown.transcript) == (
                {"topic": "stars"}, ["m1"], (),
            )  # fmt: skip

    play(scene)


def test_truncate_cuts_before_a_message_and_refuses_one_that_is_not_there() -> None:
    async def scene() -> None:
        async with room("eve*", pipeline=echo) as session:
            for text in ("one", "two", "three"):
                await (await session.send("ann", text)).result()

            await refused(
                session.truncate("ann", 3),
                greenroom.InvalidInput,
                field="message",
                limit="the number of a message, from 0, of 3",
            )
            await refused(session.truncate("eve", 0), greenroom.NotAllowed, permission="edit")
            await refused(session.undo("mallory"), greenroom.NotMember)
            assert (await session.info()).messages == 6

            assert (await session.truncate("ann", 1)).removed == 4
            assert texts(await session.transcript("ann")) == ["one", "one "]

    play(scene)


@pytest.mark.parametrize("message", [-1, True, 1.0, "1", None, 2**63])
def test_a_number_that_is_none_is_refused_by_the_call(message: object) -> None:
    async def scene() -> None:
        async with room(pipeline=echo) as session:
            with pytest.raises(greenroom.InvalidInput, match="message"):
                session.truncate("ann", message)  # type: ignore[arg-type]

    play(scene)


def test_the_same_undo_sent_twice_is_done_once() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room(pipeline=echo, journal=journal) as session:
            for text in ("one", "two", "three"):
                await (await session.send("ann", text)).result()

            first = await session.undo("ann", key="k")
            again = await session.undo("ann", key="k")

            assert again == first
            assert texts(await session.transcript("ann")) == ["one", "one ", "two", "two "]
            cut = session.truncate("ann", 0, key="k")
            await refused(cut, greenroom.IdempotencyConflict)

    play(scene)


def test_an_undo_that_is_not_durable_is_not_heard_of() -> None:
    """P7: neither the receipt nor the event comes before the commit."""

    async def scene() -> None:
        journal = GatedJournal()
        async with room(pipeline=echo, journal=journal) as session:
            await (await session.send("ann", "one")).result()
            ear = await Ear.of(session, "ann")
            journal.holding = True

            reply = session.undo("ann")
            await settle()
            assert (reply.done, ear.items) == (False, [])

            journal.let()
            assert (await reply).removed == 2
            await settle()
            assert [type(item.event) for item in ear.items] == [TranscriptCut]

    play(scene)


def test_a_paused_room_is_edited_and_one_that_has_ended_is_not() -> None:
    async def scene() -> None:
        async with room(pipeline=echo) as session:
            await (await session.send("ann", "one")).result()
            await session.pause("ann")
            assert (await session.undo("ann")).removed == 2

            await session.end("ann")
            await refused(session.undo("ann"), greenroom.SessionEnded)
            await refused(session.truncate("ann", 0), greenroom.SessionEnded)

    play(scene)


def test_the_result_of_a_turn_that_was_never_begun_is_not_waited_for() -> None:
    async def scene() -> None:
        async with room(pipeline=echo) as session:
            await refused(session.result(1), greenroom.TurnNotFound)

    play(scene)
