"""P10: at most one activation can append: an older epoch is fenced out."""

from __future__ import annotations

import pytest
from theatre import GatedJournal, Script, play, settle, texts

import greenroom


def test_p10_an_older_epoch_is_fenced_out() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as old:
            stale = await old.create(user="ann", id="s")
            await stale.post("ann", "from the old one")
            new = greenroom.Runtime(journal=journal)
            await new.start()
            fresh = new.session("s")
            await fresh.post("ann", "from the new one")

            fenced = stale.post("ann", "too late")
            await settle()

            with pytest.raises(greenroom.SessionClosed):
                await fenced
            said = ["from the old one", "from the new one"]
            assert texts(await fresh.transcript("ann")) == said
            await new.stop()
            await journal.open()

    play(scene)


def test_p10_output_of_an_older_activation_is_not_listened_to() -> None:
    async def scene() -> None:
        journal, script = GatedJournal(), Script()
        async with greenroom.Runtime(script, journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "first")
            await settle()

            await session.send("ann", "second", policy="interrupt")
            await settle()
            script.cue("s", 1, "late", None)
            script.cue("s", 2, "in time", None)

            assert (await session.result(2)).text == "in time"
            assert (await session.result(1)).status == "superseded"
            assert texts(await session.transcript("ann")) == ["first", "second", "in time"]

    play(scene)


def test_p10_a_pipeline_that_ignores_its_cancellation_can_never_write() -> None:
    async def scene() -> None:
        import asyncio

        going = asyncio.Event()

        async def stubborn(turn: greenroom.Turn):  # type: ignore[no-untyped-def]
            if turn.id > 1:
                yield "heard"
                return
            yield "before "
            while not going.is_set():
                try:
                    await going.wait()
                except asyncio.CancelledError:
                    continue
            yield "after"
            yield greenroom.Message(text="still here")

        async with greenroom.Runtime(stubborn, journal=GatedJournal()) as runtime:
            session = await runtime.create(user="ann", id="s")
            turn = await session.send("ann", "hello")
            await settle()

            receipt = await turn.cancel()
            going.set()
            await settle()
            await (await session.send("ann", "again")).result()

            assert receipt.verdict == "won"
            assert texts(await session.transcript("ann")) == ["hello", "before ", "again", "heard"]

    play(scene)
