"""Several people in each session: they come and go, and each hears every event once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from recorded import dialogue, host, host_and_verify, run_at_once

import greenroom
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.load.report import Counters
from greenroom.adapters.load.room import Guest, MissedOrRepeated
from greenroom.adapters.load.verify import verify


def test_rooms_are_hosted_as_recorded() -> None:
    shown = [dialogue(n, exchanges=8) for n in range(6)]

    counters, verdict = run_at_once(host_and_verify(shown, rooms=4))

    assert verdict.mismatches == []
    assert counters.error_texts == []
    assert counters.joins > 6 * 3
    assert counters.leaves
    assert counters.reconnects


def test_rooms_share_little_space() -> None:
    shown = [dialogue(n, exchanges=6) for n in range(20)]

    counters, verdict = run_at_once(host_and_verify(shown, rooms=3, max_sessions=5))

    assert verdict.mismatches == []
    assert counters.error_texts == []
    assert counters.retries


def test_the_lines_are_said_by_whoever_is_in_the_room() -> None:
    async def scene() -> set[str | None]:
        journal = MemoryJournal()
        await host([dialogue(0, exchanges=8)], journal, rooms=3)
        assert not (await verify(journal, [dialogue(0, exchanges=8)])).mismatches
        async with greenroom.Runtime(journal=journal) as runtime:
            said = await runtime.session("d-0").transcript("user-0")
        return {line.author for line in said if isinstance(line, greenroom.Message)}

    authors = run_at_once(scene())

    assert authors > {None, "user-0"}


async def room() -> tuple[greenroom.Runtime, greenroom.Session, Guest, Counters]:
    runtime, counters = greenroom.Runtime(), Counters()
    await runtime.start()
    session = await runtime.create(user="ann", id="s")
    guest = Guest(session, "guest", counters)
    await guest.join()
    return runtime, session, guest, counters


def test_a_guest_resumes_where_its_connection_was_lost() -> None:
    async def scene() -> None:
        runtime, session, guest, counters = await room()
        await session.post("ann", "one")
        guest.drop()  # before it had a cursor
        await session.post("ann", "two")
        await guest.hear(3)
        guest.drop()
        await session.post("ann", "three")

        await guest.hear(4)

        assert (counters.joins, counters.reconnects, counters.gaps) == (1, 2, 0)
        await runtime.stop()

    asyncio.run(scene())


@pytest.mark.parametrize("skew", [-1, 1], ids=["repeated", "missed"])
def test_a_guest_that_hears_something_else_says_so(skew: int) -> None:
    async def scene() -> None:
        runtime, session, guest, _ = await room()
        await session.post("ann", "one")
        await session.post("ann", "two")
        await guest.hear(2)
        guest._last += skew

        with pytest.raises(MissedOrRepeated, match=r"guest in session s heard revision 3"):
            await guest.hear(5)

        await runtime.stop()

    asyncio.run(scene())


def test_a_guest_that_is_no_member_hears_nothing() -> None:
    async def scene() -> Any:
        runtime, session, guest, _ = await room()
        await guest.leave()
        await session.post("ann", "among ourselves")

        with pytest.raises(greenroom.NotMember):
            await guest.hear(9)

        await runtime.stop()

    asyncio.run(scene())


def test_a_guest_who_heard_nothing_before_a_gap_begins_at_the_beginning() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "before")
            counters = Counters()
            guest = Guest(session, "guest-1", counters)
            await guest.join()
            guest.drop()
            await runtime.passivate("s")

            await guest.hear((await session.post("ann", "after")).revision)

            assert counters.gaps == 1

    run_at_once(scene())
