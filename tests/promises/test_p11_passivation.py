"""P11: passivation never loses, repeats or reorders a command."""

from __future__ import annotations

from theatre import GatedJournal, ManualClock, Script, play, settle, take, texts

import greenroom


def test_p11_a_passivated_session_wakes_on_its_next_message_as_it_was() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.join("bob")
            await session.post("bob", "one")

            await clock.advance(61.0)
            assert runtime.resident == 0
            await session.post("ann", "two")

            assert runtime.resident == 1
            assert texts(await session.transcript("bob")) == ["one", "two"]
            assert (runtime.stats.passivated, runtime.stats.activated) == (1, 2)

    play(scene)


def test_p11_mail_that_comes_while_it_leaves_is_kept_in_order() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "zero")
            journal.holding = True
            await clock.advance(61.0)
            assert journal.waiting == 1  # its release is on its way to the journal

            replies = [session.post("ann", text) for text in ("one", "two", "three")]
            await settle()
            journal.let()

            revisions = [(await reply).revision for reply in replies]
            assert revisions == [2, 3, 4]
            assert texts(await session.transcript("ann")) == ["zero", "one", "two", "three"]
            assert runtime.resident == 1

    play(scene)


def test_p11_passivation_is_no_gap_to_a_reader() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            attached = session.events("ann")
            await session.post("ann", "one")
            (one,) = await take(attached, 1)

            await clock.advance(61.0)
            assert runtime.resident == 0
            resumed = session.events("ann", after=one.cursor)
            await session.post("ann", "two")

            for subscription in (attached, resumed):
                (item,) = await take(subscription, 1)
                assert item.event.message.text == "two"

    play(scene)


def test_p11_a_session_with_a_running_turn_stays_on_stage() -> None:
    async def scene() -> None:
        clock, script = ManualClock(), Script()
        async with greenroom.Runtime(script, clock=clock, idle_s=60.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "think")

            await clock.advance(500.0)

            assert runtime.resident == 1
            script.cue("s", 1, "done", None)
            assert (await turn.result()).text == "done"

    play(scene)
