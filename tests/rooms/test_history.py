"""What a room retains of what has happened (spec R26, R27, R31, RX13, RX15, RX19)."""

from __future__ import annotations

from typing import Any

import pytest
from rooms.hall import Ear, come, refused, room
from theatre import play, settle, take

import greenroom
from greenroom.actors.session.wire import room_event


async def post(session: greenroom.Session, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        await session.post("ann", f"{number}")


def revisions(page: greenroom.HistoryPage) -> list[int]:
    return [event.revision for event in page.events]


def test_r26_numbers_are_contiguous_and_ids_are_unique_across_restarts(store: Any) -> None:
    async def scene() -> None:
        ids: list[str] = []
        for begin in range(3):
            async with greenroom.Runtime(journal=store()) as runtime:
                if begin == 0:
                    await runtime.create(user="ann", id="s")
                    await runtime.create(user="ann", id="t")
                for name in ("s", "t"):
                    session = runtime.session(name)
                    ear = await Ear.of(session, "ann")
                    await post(session, 2)
                    session.present("ann", cursor=str(begin))
                    await settle()
                    assert ear.revisions[:2] == [2 * begin + 1, 2 * begin + 2]
                    ids += [event.id for event in ear.wire]
                    if begin == 2:
                        page = await session.history("ann")
                        assert revisions(page) == [1, 2, 3, 4, 5, 6]
                        assert {room_event(event).id for event in page.events} <= set(ids)

        assert len(ids) == len(set(ids)) == 18

    play(scene)


def test_r26_a_room_made_anew_has_other_ids() -> None:
    async def scene() -> None:
        ids = []
        for _ in range(2):
            async with room() as session:
                ear = await Ear.of(session, "ann")
                await post(session, 1)
                await settle()
                ids.append(ear.wire[0].id)

        assert ids[0] != ids[1]

    play(scene)


def test_r27_the_1001st_event_leaves_500() -> None:
    async def scene() -> None:
        async with room() as session:
            await post(session, 1000)
            page = await session.history("ann", limit=1000)
            assert (revisions(page), page.truncated) == (list(range(1, 1001)), False)

            await post(session, 1)

            page = await session.history("ann", limit=1000)
            assert revisions(page) == list(range(502, 1002))
            assert (page.oldest, page.last, page.truncated) == (502, 1001, True)
            assert (await session.info()).events == 500

    play(scene)


@pytest.mark.parametrize(("limit", "kept"), [(1, 1), (2, 1), (3, 2), (5, 3), (10, 5)])
def test_r27_one_too_many_leaves_the_newest_half_rounded_up(limit: int, kept: int) -> None:
    async def scene() -> None:
        async with room(max_events=limit) as session:
            await post(session, limit)
            assert (await session.info()).events == limit

            await post(session, 1)

            last = limit + 1
            page = await session.history("ann")
            assert revisions(page) == list(range(last - kept + 1, last + 1))
            assert (await session.info()).events == kept

    play(scene)


def test_r27_what_was_cut_stays_cut_after_a_restart(store: Any) -> None:
    async def scene() -> None:
        async with room(journal=store(), max_events=5) as session:
            await post(session, 6)
            before = await session.history("ann")
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert await session.history("ann") == before
            assert revisions(before) == [4, 5, 6]
            assert (await runtime.totals()).events == 3

            await post(session, 3)
            assert revisions(await session.history("ann")) == [7, 8, 9]

    play(scene)


def test_r31_participants_page_through_the_history() -> None:
    async def scene() -> None:
        async with room("eve*", max_events=500) as session:
            await post(session, 250)

            assert revisions(await session.history("eve")) == list(range(1, 101))
            assert revisions(await session.history("eve", since=245)) == list(range(246, 252))
            assert revisions(await session.history("eve", since=10, limit=2)) == [11, 12]
            assert revisions(await session.history("eve", since=251)) == []
            assert revisions(await session.history("eve", since=10**6)) == []
            none = await session.history("eve", limit=0)
            assert (none.events, none.last, none.truncated) == ((), 251, False)
            await refused(session.history("bob"), greenroom.NotMember)

    play(scene)


def test_r31_acknowledgements_are_by_participant() -> None:
    async def scene() -> None:
        async with room("bob", "eve*") as session:
            await post(session, 3)
            await session.acknowledge("eve", 4)
            assert (await session.acknowledge("eve", 2)).revision == 6  # no less than before
            await session.acknowledge("bob", 3)
            await refused(session.acknowledge("cem", 1), greenroom.NotMember)
            await refused(session.acknowledge("bob", 99), greenroom.InvalidInput, field="revision")

            page = await session.history("ann")

            assert page.seen == {"ann": 0, "bob": 3, "eve": 4}
            first, _, third, fourth, *_ = page.events
            assert page.acknowledged_by(first) == ["bob", "eve"]
            assert page.acknowledged_by(third) == ["bob", "eve"]
            assert page.acknowledged_by(fourth) == ["eve"]

    play(scene)


def test_rx13_no_number_of_requests_pushes_out_what_the_room_has_said() -> None:
    """Twelve requests by an outsider evicted the history of a room of ten events."""

    async def scene() -> None:
        async with room(require_approval=True, max_events=10) as session:
            await post(session, 10)
            for number in range(12):
                await session.join(f"pest {number}")
                await session.join(f"pest {number}")
            for number in range(6):
                await session.deny("ann", f"pest {number}")

            page = await session.history("ann")

            assert not page.truncated
            said = [event.event.message.text for event in page.events[:10]]
            assert said == [str(number) for number in range(1, 11)]
            assert page.last == 28
            await post(session, 1, first=11)
            page = await session.history("ann")
            assert page.oldest == 7
            assert len([event for event in page.events if hasattr(event.event, "message")]) == 5

    play(scene)


def test_rx15_a_page_tells_what_was_cut_before_it() -> None:
    """The source system began later and did not say so."""

    async def scene() -> None:
        async with room(max_events=10) as session:
            await post(session, 11)  # 7 to 11 are left

            for since, truncated in ((0, True), (1, True), (5, True), (6, False), (11, False)):
                page = await session.history("ann", since=since)
                assert (page.truncated, page.oldest) == (truncated, 7)
            assert revisions(await session.history("ann", since=1, limit=2)) == [7, 8]

    play(scene)


@pytest.mark.parametrize("limit", [-1, -100, 1001, 1.0, "1", True, None])
def test_rx15_a_limit_is_not_counted_from_the_end(limit: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput, match="limit"):
                session.history("ann", limit=limit)
            with pytest.raises(greenroom.InvalidInput, match="since"):
                session.history("ann", since=limit if limit != 1001 else -1)

    play(scene)


def test_rx19_an_unrecorded_room_is_live_only(store: Any) -> None:
    """The source system ignored `record_session`."""

    async def scene() -> None:
        async with room("bob", journal=store(), record_session=False) as session:
            live = session.events("bob")
            await post(session, 3)

            assert [item.revision for item in await take(live, 3)] == [2, 3, 4]
            page = await session.history("bob")
            assert (page.events, page.last, page.truncated) == ((), 4, True)
            assert (await session.info()).events == 0
            assert [event async for event in session.replay("bob")] == []
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            await session.post("bob", "later")
            assert (await session.history("bob")).events == ()
            assert (await session.info()).revision == 5
            assert (await runtime.totals()).events == 0

    play(scene)


def test_a_history_of_requests_alone_has_pages_for_everybody() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            await come(session, "bob")
            await session.approve("ann", "bob")
            for number in range(150):
                await session.join(f"pest {number}")
            await session.post("bob", "what a crowd")

            page = await session.history("bob")

            assert revisions(page) == [2, 153]
            assert [event.revision async for event in session.replay("bob", speed=1e9)] == [2, 153]

    play(scene)


def test_rx19_what_an_unrecorded_room_has_trimmed_is_not_read_back(store: Any) -> None:
    """A reader is told that it is gone, and reads on live."""

    async def scene() -> None:
        async with room("bob", journal=store(), record_session=False) as session:
            await post(session, 3)
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            events = session.events("bob", after=greenroom.START)
            await session.post("bob", "later")

            gap, later = await take(events, 2)

            assert isinstance(gap, greenroom.Gap)
            assert (gap.healed, gap.latest_revision) == (False, 4)
            assert (later.revision, later.healed) == (5, False)

    play(scene)
