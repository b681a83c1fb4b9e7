"""P9: after an unknown outcome the session replays its journal before its next command."""

from __future__ import annotations

import pytest
from theatre import GatedJournal, ManualClock, play, settle, take, texts

import greenroom


def test_p09_what_turns_out_to_be_written_is_found_and_published_after_a_gap() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            events = session.events("ann")
            journal.holding = True
            journal.fail(greenroom.JournalFailed("no answer"), written=True)

            unknown = session.post("ann", "one")
            next_one = session.post("ann", "two")
            await settle()
            journal.let(1)
            await settle()
            journal.let()
            await settle()
            await clock.advance(1.0)

            with pytest.raises(greenroom.OutcomeUnknown):
                await unknown
            with pytest.raises(greenroom.OutcomeUnknown):
                await next_one
            await session.post("ann", "three")
            said = texts(await session.transcript("ann"))
            assert said[0] == "one"
            assert said[-1] == "three"
            gap, *items = await take(events, 1 + len(said))
            assert isinstance(gap, greenroom.Gap)
            assert [item.event.message.text for item in items] == said

    play(scene)
