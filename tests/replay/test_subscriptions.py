"""L08, L09, L14, L15, L19, LX4, LX6: subscribing, lagging and resuming, in one runtime."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers
from replay.kit import durable, gaps, kept, place, publish, read, shown
from theatre import GatedJournal, LotteryDispatcher, ManualClock, Script, play, settle, take

import greenroom
from greenroom.actors.errors import JournalUnavailable
from greenroom.actors.session.cursor import START
from greenroom.actors.session.items import Published

SEEDS = integers(0, 2**32 - 1)
SCHEDULES = settings(max_examples=40, deadline=None, derandomize=True)


async def a_session(runtime: greenroom.Runtime, posts: int) -> greenroom.Session:
    """Session `s`, in which Ann has counted to `posts`."""
    session = await runtime.create(user="ann", id="s")
    await say(session, 1, posts)
    return session


async def say(session: greenroom.Session, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await session.post("ann", str(number))


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


# --- what a gap says -----------------------------------------------------------------------------


def test_l08_a_gap_names_its_session_both_cursors_the_revision_and_the_reason() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=3) as runtime:
            session = await a_session(runtime, 1)
            first = (await read(session, START))[0]
            await say(session, 2, 9)

            gap, *rest = await read(session, first.cursor)

            assert gap == greenroom.Gap(
                session="s",
                reason="trimmed",
                requested=first.cursor,
                latest=rest[4].cursor,
                latest_revision=6,
                healed=True,
            )
            assert shown(rest) == numbers(2, 9)
            assert [item.healed for item in rest] == [True] * 5 + [False] * 3
            assert place(gap.latest).revision == gap.latest_revision

    play(scene)


def test_l08_a_gap_whose_events_are_no_longer_retained_says_so() -> None:
    class Forgetful(GatedJournal):
        async def read(self, session: str, *, after: int, limit: int) -> Any:
            return await super().read(session, after=max(after, 4), limit=limit)

    async def scene() -> None:
        async with greenroom.Runtime(journal=Forgetful(), live_events=3) as runtime:
            session = await a_session(runtime, 9)

            gap, *rest = await read(session, START)
            assert not gap.healed
            assert shown(rest) == numbers(5, 9)

            snapshot = await session.snapshot("ann")
            assert [line.text for line in snapshot.transcript] == numbers(1, 9)  # type: ignore[union-attr]
            assert await read(session, snapshot.cursor) == []
            assert (await read(session, rest[0].cursor))[0].healed

    play(scene)


def test_l08_what_a_journal_forgets_while_a_gap_is_healed_is_another_gap() -> None:
    class Forgetting(GatedJournal):
        async def read(self, session: str, *, after: int, limit: int) -> Any:
            return await super().read(session, after=after + 7 * (after > 0), limit=limit)

    async def scene() -> None:
        async with greenroom.Runtime(journal=Forgetting(), live_events=3) as runtime:
            session = await a_session(runtime, 300)

            items = await read(session, START)

            assert durable(items) == [*range(1, 257), *range(264, 301)]
            assert [gap.healed for gap in gaps(items)] == [True, False]
            assert gaps(items)[1].requested == items[256].cursor

    play(scene)


# --- errors --------------------------------------------------------------------------------------


def test_l09_each_way_not_to_read_has_its_own_type() -> None:
    class Broken(GatedJournal):
        async def read(self, session: str, *, after: int, limit: int) -> Any:
            raise OSError("the disk is gone")

    async def scene() -> None:
        runtime = greenroom.Runtime(journal=Broken(), live_events=2)
        await runtime.start()
        session = await a_session(runtime, 5)
        with pytest.raises(greenroom.InvalidCursor):
            session.events("ann", after="nonsense")
        with pytest.raises(greenroom.WrongSession):
            session.events("ann", after="gr1.1.1.1.cafe.t")
        with pytest.raises(JournalUnavailable, match="the disk is gone"):
            await anext(session.events("ann", after=START))
        open_reader = session.events("ann")

        await runtime.stop()

        with pytest.raises(greenroom.RuntimeClosed):
            await anext(open_reader)
        with pytest.raises(StopAsyncIteration):
            await anext(open_reader)
        with pytest.raises(greenroom.RuntimeClosed):
            await anext(session.events("ann"))

    play(scene)


def test_l09_the_end_of_the_session_is_an_end_and_no_error() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await a_session(runtime, 1)
            reader = session.events("ann", after=START)
            await session.end("ann")

            items = [item async for item in reader]

            assert shown(items) == ["1", "session.ended"]

    play(scene)


# --- from the replay into what is live -----------------------------------------------------------


@SCHEDULES
@given(seed=SEEDS)
def test_l14_a_subscription_has_no_hole_and_no_double_between_replay_and_live(seed: int) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dispatcher=LotteryDispatcher(seed)) as runtime:
            session = await a_session(runtime, 3)
            cursor = (await read(session, START))[0].cursor
            readers = []
            for number in range(4, 16):
                readers.append(session.events("ann", after=cursor))
                session.post("ann", str(number))
                await settle(seed % 7)

            for reader in readers:
                assert shown(await take(reader, 14)) == numbers(2, 15)
                reader.close()

    play(scene)


@SCHEDULES
@given(seed=SEEDS)
def test_l14_a_subscription_from_now_begins_at_one_place(seed: int) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(dispatcher=LotteryDispatcher(seed)) as runtime:
            session = await a_session(runtime, 3)
            readers = []
            for number in range(4, 16):
                readers.append((number, session.events("ann")))
                session.post("ann", str(number))
                await settle(seed % 7)

            for number, reader in readers:
                assert shown(await take(reader, 16 - number)) == numbers(number, 15)
                reader.close()

    play(scene)


def test_l14_a_subscription_from_now_begins_after_all_that_was_asked_for_before() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await a_session(runtime, 1)
            journal.holding = True
            session.post("ann", "2")
            session.join("bob")
            readers = [session.events("ann"), session.events("bob")]
            session.post("ann", "3")
            await settle()
            assert runtime._logs.get("s").readers == []  # type: ignore[union-attr]

            journal.let()

            for reader in readers:
                assert shown(await take(reader, 1)) == ["3"]
                reader.close()

    play(scene)


def test_l13_reading_goes_on_exactly_from_a_page_of_history() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=6) as runtime:
            session = await a_session(runtime, 9)
            page = await session.history("ann")

            for event in page.events:
                rest = await read(session, event.cursor)
                assert durable(rest) == list(range(event.revision + 1, 10))
                is_here = event.revision > 3
                assert [gap.reason for gap in gaps(rest)] == ["unavailable"] * (not is_here)

    play(scene)


def test_l15_a_reader_has_what_was_then_what_is_then_the_end() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await a_session(runtime, 2)
            reader = session.events("ann", after=START)
            assert shown(await take(reader, 2)) == numbers(1, 2)
            await say(session, 3, 4)
            assert shown(await take(reader, 2)) == numbers(3, 4)

            reader.close()

            with pytest.raises(StopAsyncIteration):
                await anext(reader)

    play(scene)


def test_l15_lx4_a_reader_that_lags_recovers_by_itself_behind_one_gap() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=8) as runtime:
            session = await a_session(runtime, 0)
            slow = session.events("ann")
            await say(session, 1, 1)
            items = await take(slow, 1)

            await say(session, 2, 300)
            while durable(items)[-1] != 300:
                items.append(await anext(slow))
            await say(session, 301, 303)
            items += await take(slow, 3)

            assert durable(items) == list(range(1, 304))
            (gap,) = gaps(items)
            before = items[items.index(gap) - 1]
            assert (gap.reason, gap.requested) == ("trimmed", before.cursor)
            slow.close()

    play(scene)


def test_lx4_a_reader_may_be_as_far_behind_as_the_session_retains() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=2600) as runtime:
            session = await a_session(runtime, 1)
            slow = session.events("ann", after=START)
            items = await take(slow, 1)
            publish(runtime._logs.get("s"), "t" * 2500)  # type: ignore[arg-type]

            items += await take(slow, 2500)

            assert gaps(items) == []
            assert [item.position for item in items] == list(range(1, 2502))
            slow.close()

    play(scene)


@pytest.mark.parametrize("live_events", [1, 5, 50])
def test_lx4_what_a_reader_may_be_behind_is_what_is_configured(live_events: int) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=live_events) as runtime:
            session = await a_session(runtime, 60)
            items = await read(session, START)
            fits = 60 - live_events

            assert len(kept(runtime._logs.get("s"))) == live_events  # type: ignore[arg-type]
            for item in items[1:]:
                rest = await read(session, item.cursor)
                assert durable(rest) == list(range(item.revision + 1, 61))
                assert bool(gaps(rest)) == (item.revision < fits)

    play(scene)


def test_l19_a_resume_is_either_the_events_or_first_of_all_a_gap() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=4) as runtime:
            session = await a_session(runtime, 4)
            items = await read(session, START)
            assert all(isinstance(item, Published) for item in items)
            await say(session, 5, 6)

            for item in items:
                rest = await read(session, item.cursor)
                lost = item.revision < 2
                assert [isinstance(one, greenroom.Gap) for one in rest[:1]] == [lost]
                assert gaps(rest[1:]) == []

    play(scene)


# --- kinds ---------------------------------------------------------------------------------------


def test_l15_a_filter_leaves_out_events_and_neither_gaps_nor_places() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, live_events=8) as runtime:
            session = await runtime.create(user="ann", id="s")
            for turn in (1, 2):
                script.cue("s", turn, *"ab", None)
                await (await session.send("ann", f"turn {turn}")).result()
            wanted = {"kinds": ("message.posted",)}

            whole = await read(session, START)
            some = await read(session, START, **wanted)

            assert shown(some) == ["trimmed", "turn 1", "ab", "turn 2", "ab"]
            assert some == [one for one in whole if one in some]
            for index, item in enumerate(some[1:], 1):
                rest = await read(session, item.cursor, **wanted)
                assert [one for one in rest if not gaps([one])] == some[index + 1 :]
            with pytest.raises(greenroom.InvalidInput):
                session.events("ann", kinds=["message"])

    play(scene)


# --- membership ----------------------------------------------------------------------------------


def test_l15_p20_a_reader_is_shown_nothing_that_happens_after_its_user_has_left() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=500) as runtime:
            session = await a_session(runtime, 1)
            await session.join("bob")
            readers = {
                "idle": session.events("bob"),
                "behind": session.events("bob", after=START),
                "filtered": session.events("bob", after=START, kinds="message.posted"),
            }
            first = await take(readers["behind"], 1)
            await say(session, 2, 80)
            await session.leave("bob")
            await say(session, 81, 90)
            await session.join("bob")
            await say(session, 91, 99)

            seen = {name: [item async for item in reader] for name, reader in readers.items()}

            assert shown(seen["idle"]) == [*numbers(2, 80), "participant.left"]
            assert shown(first + seen["behind"]) == [
                "1", "participant.joined", *numbers(2, 80), "participant.left",
            ]  # fmt: skip
            assert shown(seen["filtered"]) == numbers(1, 80)
            assert runtime._logs.get("s").readers == []  # type: ignore[union-attr]

    play(scene)


def test_l15_p20_a_reader_whose_gap_is_healed_when_its_user_leaves_is_shown_no_more() -> None:
    class Slow(GatedJournal):
        gate: asyncio.Event | None = None

        async def read(self, session: str, *, after: int, limit: int) -> Any:
            if self.gate is not None:
                await self.gate.wait()
            return await super().read(session, after=after, limit=limit)

    async def scene() -> None:
        journal = Slow()
        async with greenroom.Runtime(journal=journal, live_events=3) as runtime:
            session = await a_session(runtime, 9)
            await session.join("bob")
            journal.gate = asyncio.Event()
            reader = session.events("bob", after=START)
            await settle()
            await session.leave("bob")
            await say(session, 10, 12)

            journal.gate.set()

            assert [item async for item in reader] == []
            assert runtime._logs.get("s").readers == []  # type: ignore[union-attr]

    play(scene)


# --- memory --------------------------------------------------------------------------------------


def test_lx6_cursors_of_sessions_that_do_not_exist_leave_nothing_behind() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for number in range(50):
                session = runtime.session(f"x{number}")
                with pytest.raises(greenroom.SessionNotFound):
                    await anext(session.events("ann", after=f"gr1.1.1.1.cafe.x{number}"))
            await settle()

            assert len(runtime._logs) == 0
            assert len(runtime._directory) == 0

    play(scene)


def test_lx6_a_log_is_freed_with_its_session_or_with_its_last_reader() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=5.0) as runtime:
            session = await a_session(runtime, 2)
            readers = [session.events("ann") for _ in range(2)]
            await runtime.create(user="ann", id="unread")
            await settle()

            await clock.advance(6.0)
            assert runtime.resident == 0
            assert len(runtime._logs) == 1
            for reader in readers:
                assert len(runtime._logs) == 1
                reader.close()
                await settle()
            assert len(runtime._logs) == 0

            assert shown(await read(session, None)) == []
            assert len(runtime._logs) == 1, "on stage again, and read by nobody"

    play(scene)


def test_lx6_a_reader_that_leaves_takes_no_log_from_a_session_on_stage() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, idle_s=5.0) as runtime:
            session = await a_session(runtime, 1)
            reader = session.events("ann")
            await settle()
            await clock.advance(6.0)
            assert runtime.resident == 0
            await session.info()

            reader.close()
            await settle()
            items = await read(session, START)

            assert len(runtime._logs) == 1
            assert durable(items) == [1]
            await say(session, 2, 2)
            assert shown(await read(session, items[-1].cursor)) == ["2"]

    play(scene)
