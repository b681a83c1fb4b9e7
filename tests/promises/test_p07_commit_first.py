"""P7: nobody hears of an event that a crash can take back."""

from __future__ import annotations

import pytest
from theatre import GatedJournal, ManualClock, Script, play, settle, take, texts

import greenroom


def test_p07_replies_and_publications_follow_the_commit() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            heard: list[str] = []
            await session.subscribe("ann", lambda item: heard.append(item.event.message.text))
            journal.holding = True

            one, two = session.post("ann", "one"), session.post("ann", "two")
            await settle()
            assert (one.done, two.done, heard) == (False, False, [])
            journal.let(1)
            await settle()
            assert (one.done, two.done, heard) == (True, False, ["one"])
            journal.let()
            await settle()

            assert (one.done, two.done, heard) == (True, True, ["one", "two"])

    play(scene)


def test_p07_a_question_waits_for_what_its_answer_tells() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True

            session.post("ann", "one")
            history, info = session.transcript("ann"), session.info()
            refused = session.join("ann")
            await settle()
            assert not any(reply.done for reply in (history, info, refused))
            journal.let()

            assert texts(await history) == ["one"]
            assert (await info).messages == 1

    play(scene)


def test_p07_a_pipeline_is_invoked_when_its_start_is_durable() -> None:
    async def scene() -> None:
        journal, script = GatedJournal(), Script()
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True

            session.send("ann", "hello")
            await settle()
            assert not script.turns
            journal.let()
            await settle()

            assert [turn.id for turn in script.turns] == [1]
            script.cue("s", 1, None)
            await session.result(1)

    play(scene)


def test_p07_a_turn_cancelled_before_its_start_is_durable_never_runs() -> None:
    async def scene() -> None:
        journal, script = GatedJournal(), Script()
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.holding = True

            session.send("ann", "hello")
            receipt = session.interrupt("ann")
            await settle()
            journal.let()

            assert (await receipt).verdict == "won"
            assert (await session.result(1)).status == "cancelled"
            assert not script.turns

    play(scene)


def test_p07_after_a_failed_commit_everything_not_durable_is_void() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            events = session.events("ann")
            await session.post("ann", "kept")
            journal.holding = True
            journal.fail(greenroom.JournalFailed("the disk did not answer"))

            void = [session.post("ann", text) for text in ("one", "two")]
            await settle()
            journal.let()
            await settle()
            await clock.advance(1.0)

            for reply in void:
                with pytest.raises(greenroom.OutcomeUnknown):
                    await reply
            assert texts(await session.transcript("ann")) == ["kept"]
            await session.post("ann", "three")
            seen = await take(events, 2)
            assert [item.event.message.text for item in seen] == ["kept", "three"]

    play(scene)


def test_p07_the_caller_whose_write_was_surely_refused_is_told_so() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.fail(greenroom.NotWritten("the disk is full"))

            refused = session.post("ann", "one")
            await settle()
            await clock.advance(1.0)

            with pytest.raises(greenroom.NotWritten, match="full"):
                await refused
            assert (await session.post("ann", "two")).revision == 1

    play(scene)
