"""How many turns of the loop an awaited command takes."""

from __future__ import annotations

import asyncio

from theatre import GatedJournal, play, settle

import greenroom


async def turns_of(session: greenroom.Session) -> int:
    """How often the loop turns while a message is posted."""
    loop, turns, counting = asyncio.get_running_loop(), 0, True

    def turn() -> None:
        nonlocal turns
        if counting:
            turns += 1
            loop.call_soon(turn)

    loop.call_soon(turn)
    await session.post("ann", "hello")
    counting = False
    return turns


def test_a_command_takes_one_turn_of_the_loop_where_the_journal_is_done_at_once() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create("ann")
            await session.post("ann", "the first, which tells what the journal is like")

            assert await turns_of(session) == 1

    play(scene)


def test_a_command_waits_for_a_journal_that_is_not_done_at_once() -> None:
    """A turn beside the journal's thread takes longer than it spares."""

    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create("ann")
            await session.post("ann", "done at once")
            journal.holding = True
            held = session.post("ann", "not done at once")
            await settle()

            waiting = session.post("ann", "so this is waited for")
            next(awaited := waiting.__await__())
            assert waiting._callbacks
            awaited.close()
            await settle()

            journal.let()
            await held
            assert await turns_of(session) > 1
            assert await turns_of(session) == 1

    play(scene)
