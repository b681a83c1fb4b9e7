"""P15: a subscriber resumes from a cursor with no duplicate and no silent loss."""

from __future__ import annotations

from typing import Any

import pytest
from theatre import GatedJournal, ManualClock, echo, play, settle, take

import greenroom
from greenroom.actors.session.events import TextStreamed


async def conversation(session: greenroom.Session, turns: int) -> None:
    for number in range(turns):
        await (await session.send("ann", f"say {number} words")).result()


async def everything(session: greenroom.Session, after: str | None, last: int) -> list[Any]:
    """All items after a cursor, up to the one of revision `last`."""
    items = []
    async with session.events("ann", after=after) as events:
        async for item in events:
            items.append(item)
            if not isinstance(item, greenroom.Gap) and item.revision == last and item.durable:
                return items
    raise AssertionError(f"revision {last}: never came")


def durable(items: list[Any]) -> list[int]:
    return [item.revision for item in items if not isinstance(item, greenroom.Gap) and item.durable]


def test_p15_within_the_ring_a_replay_is_exact_from_every_cursor() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo) as runtime:
            session = await runtime.create(user="ann")
            await conversation(session, 2)
            last = (await session.info()).revision
            whole = await everything(session, greenroom.START, last)

            for index, item in enumerate(whole[:-1]):
                assert await everything(session, item.cursor, last) == whole[index + 1 :]

    play(scene)


def test_p15_past_the_ring_there_is_one_gap_and_every_durable_event() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, live_events=8) as runtime:
            session = await runtime.create(user="ann")
            early = session.events("ann")
            await conversation(session, 1)
            first = (await take(early, 1))[0]
            early.close()
            await conversation(session, 5)
            last = (await session.info()).revision

            items = await everything(session, first.cursor, last)

            gap, *rest = items
            assert isinstance(gap, greenroom.Gap)
            assert (gap.reason, gap.requested, gap.healed) == ("trimmed", first.cursor, True)
            assert durable(rest) == list(range(first.revision + 1, last + 1))
            assert not any(isinstance(item, greenroom.Gap) for item in rest)

    play(scene)


@pytest.mark.parametrize("clean", [True, False], ids=["passivated", "crashed"])
def test_p15_after_another_activation_lost_ephemera_are_announced(clean: bool) -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        old = greenroom.Runtime(echo, journal=journal, clock=clock)
        await old.start()
        session = await old.create(user="ann", id="s")
        await conversation(session, 2)
        last = (await session.info()).revision
        seen = await everything(session, greenroom.START, last)
        if clean:
            await old.stop()
            await journal.open()

        new = greenroom.Runtime(echo, journal=journal, clock=clock)
        await new.start()
        session = new.session("s")
        await conversation(session, 1)
        end = (await session.info()).revision
        for index, item in enumerate(seen):
            items = await everything(session, item.cursor, end)
            gaps = [item for item in items if isinstance(item, greenroom.Gap)]
            assert durable(items) == list(range(item.revision + 1, end + 1))
            caught_up = index == len(seen) - 1
            assert len(gaps) == (0 if caught_up and clean else 1)
        await new.stop()
        if not clean:
            await old.stop()

    play(scene)


def test_p15_a_reader_that_falls_behind_finds_one_gap_and_goes_on() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, live_events=16) as runtime:
            session = await runtime.create(user="ann")
            slow = session.events("ann")
            await conversation(session, 1)
            first = (await take(slow, 1))[0]

            await conversation(session, 40)
            last = (await session.info()).revision
            items = [first]
            while durable(items)[-1] != last:
                items.append(await anext(slow))

            assert durable(items) == list(range(1, last + 1))
            assert sum(isinstance(item, greenroom.Gap) for item in items) == 1
            assert any(isinstance(item.event, TextStreamed) for item in items[-16:])

    play(scene)


def test_p15_bad_cursors_are_refused_by_name() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            other = await runtime.create(user="ann", id="t")
            events = other.events("ann")
            await other.post("ann", "hello")
            foreign = (await take(events, 1))[0].cursor

            with pytest.raises(greenroom.WrongSession, match="belongs to session t, not to s"):
                session.events("ann", after=foreign)
            for bad in ("", "gr1", "gr1.1.1", "gr1.01.1.1.x.s", "gr1.-1.1.1.x.s", "gr1.1.1.1.x."):
                with pytest.raises(greenroom.InvalidCursor):
                    session.events("ann", after=bad)
            with pytest.raises(greenroom.NotMember):
                await anext(session.events("bob"))
            await settle()

    play(scene)
