"""Readers of a session whose oldest events are no longer kept (L08, L12; architecture, 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conformance.retention_kit import trim
from replay.kit import durable, gaps, place, read, shown
from rooms.hall import room
from theatre import GatedJournal, play, settle, take

import greenroom
from greenroom.actors import subscriber
from greenroom.actors.ports import Journal
from greenroom.actors.session.cursor import START

Store = Callable[[], Journal]


async def counted(runtime: greenroom.Runtime, last: int) -> greenroom.Session:
    """Session `s`, in which Ann has counted to `last`."""
    session = await runtime.create(user="ann", id="s")
    for number in range(1, last + 1):
        await session.post("ann", str(number))
    return session


async def first_of(session: greenroom.Session, cursor: str, count: int) -> list[Any]:
    """So many items after `cursor`, however long the journal takes."""
    reader = session.events("ann", after=cursor)
    items = await take(reader, count)
    reader.close()
    return items


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@pytest.mark.parametrize("seen", range(1, 9))
def test_l08_a_cursor_from_before_the_base_is_told_and_a_later_one_gets_every_event(
    store: Store, seen: int
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store(), live_events=3) as runtime:
            session = await counted(runtime, 3)
            cursors = [item.cursor for item in await first_of(session, START, 3)]
            for number in range(4, 10):
                await session.post("ann", str(number))
                cursors.append((await first_of(session, cursors[-1], 1))[-1].cursor)
            await trim(runtime.journal, "s", 4)

            gap = seen < 6  # what follows is no longer in the live log
            first = max(seen, 4) + 1
            items = await first_of(session, cursors[seen - 1], gap + 10 - first)

            told = gaps(items)
            assert len(told) == gap
            assert shown(items[gap:]) == numbers(first, 9)
            if gap:
                assert [(gap.reason, gap.healed) for gap in told] == [("trimmed", seen >= 4)]
                assert told[0].requested == cursors[seen - 1]

    play(scene)


@pytest.mark.parametrize("revision", [1, 8, 9])
def test_l08_after_a_restart_a_reader_gets_what_is_kept_and_goes_on_live(
    store: Store, revision: int
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await counted(runtime, 9)
            first = (await first_of(session, START, 1))[0].cursor
            await trim(runtime.journal, "s", revision)
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")

            for cursor, healed in ((START, False), (first, revision == 1)):
                reader = session.events("ann", after=cursor)
                (gap, *rest) = await take(reader, 1 + 9 - revision)
                assert (gap.healed, gap.latest_revision) == (healed, 9)
                assert shown(rest) == numbers(revision + 1, 9)
                reader.close()
            reader = session.events("ann", after=first)
            await settle()
            await session.post("ann", "10")
            assert durable(await take(reader, 2 + 9 - revision)) == [*range(revision + 1, 11)]
            reader.close()

    play(scene)


def test_l08_the_snapshot_of_a_trimmed_session_has_a_cursor_with_nothing_between(
    store: Store,
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store(), live_events=2) as runtime:
            session = await counted(runtime, 9)
            await trim(runtime.journal, "s", 9)
            (gap, *rest) = await first_of(session, START, 3)
            assert not gap.healed
            assert shown(rest) == ["8", "9"]

            snapshot = await session.snapshot("ann")
            await session.post("ann", "10")

            assert [line.text for line in snapshot.transcript] == numbers(1, 9)  # type: ignore[union-attr]
            assert place(snapshot.cursor).revision == 9
            assert shown(await read(session, snapshot.cursor)) == ["10"]

    play(scene)


def test_l08_what_is_trimmed_while_a_gap_is_healed_is_another_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriber, "PAGE", 2)

    class Trimming(GatedJournal):
        armed = False

        async def read(self, session: str, *, after: int, limit: int) -> Any:
            page = await super().read(session, after=after, limit=limit)
            if self.armed:
                self.armed = False
                await trim(self, session, 5)
            return page

    async def scene() -> None:
        journal = Trimming()
        async with greenroom.Runtime(journal=journal, live_events=2) as runtime:
            session = await counted(runtime, 9)
            journal.armed = True

            items = await read(session, START)

            assert shown(items) == ["trimmed", "1", "2", "trimmed", *numbers(6, 9)]
            assert [gap.healed for gap in gaps(items)] == [True, False]
            assert place(gaps(items)[1].requested).revision == 2

    play(scene)


def test_sx22_a_session_of_a_forgotten_id_begins_like_any_other(store: Store) -> None:
    """Its epoch is not 1, and still nothing was published before it: there is no gap."""

    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await counted(runtime, 3)
            old = (await first_of(session, START, 3))[-1].cursor
            await session.delete("ann")
            journal = runtime.journal
            assert await journal.erase(2**62, limit=100) == 5  # with the genesis, and the end
            assert await journal.forget(2**62, limit=100) == 1

            session = await counted(runtime, 2)

            items = await first_of(session, START, 2)
            assert shown(items) == ["1", "2"]
            assert place(items[0].cursor).epoch > place(old).epoch
            gap, *rest = await first_of(session, old, 3)
            assert (gap.reason, gap.healed, shown(rest)) == ("unavailable", True, ["1", "2"])
            assert await runtime.passivate("s")
            assert shown(await first_of(session, items[0].cursor, 2))[-1] == "2"

    play(scene)


# --- room history --------------------------------------------------------------------------------


def test_r27_the_history_is_complete_from_its_oldest_event(store: Store) -> None:
    async def scene() -> None:
        async with room(journal=store(), max_events=10) as session:
            for number in range(11):
                await session.post("ann", str(number))
            before = await session.history("ann")
            assert before.oldest == 7

            (found,) = await session._runtime.journal.trimmable(least=1, limit=10)
            await trim(session._runtime.journal, "s", found.oldest - 1)

            assert found.oldest == before.oldest
            assert await session.history("ann") == before
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert await session.history("ann") == before
            assert [event.revision for event in before.events] == [7, 8, 9, 10, 11]
            assert await runtime.journal.trimmable(least=1, limit=10) == []
            replay = [event async for event in session.replay("ann", speed=1e9)]
            assert [event.revision for event in replay] == [7, 8, 9, 10, 11]

    play(scene)


@pytest.mark.parametrize("revision", [4, 9])
def test_rx15_a_history_of_which_the_journal_keeps_less_says_so(
    store: Store, revision: int
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await counted(runtime, 9)
            await trim(runtime.journal, "s", revision)

            page = await session.history("ann", since=2)

            assert (page.truncated, page.oldest) == (True, revision + 1)
            assert [event.revision for event in page.events] == [*range(revision + 1, 10)]

    play(scene)
