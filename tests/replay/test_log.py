"""L01, L07, L10-L13, L16-L18, LX2, LX3, LX9, LX12: the ring of published events."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay.kit import Member, a_log, after, durable, gaps, kept, place, publish, read, shown
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.ports import Claim, End
from greenroom.actors.session.cursor import START, Cursor
from greenroom.actors.session.entry import Entry, encode_entry
from greenroom.actors.session.events import DURABLE, KINDS, SessionPaused
from greenroom.actors.session.fold import restore
from greenroom.actors.session.live import LiveLog


def test_l01_a_session_keeps_2048_events_and_120_seconds_unless_told_otherwise() -> None:
    live, config = LiveLog("s"), greenroom.Config()

    assert (config.live_events, config.live_age_s) == (2048, 120.0)
    assert (live.max_events, live.max_age_s) == (2048, 120.0)


def test_l07_every_kind_of_event_has_a_stable_lower_case_name() -> None:
    assert all(re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name) for name in KINDS)
    assert set(KINDS.values()) > DURABLE


def test_l07_turns_queues_and_commits_are_told_with_the_ids_they_concern() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            first = await session.send("ann", "one")
            second = await session.send("ann", "two")
            await second.cancel()
            script.cue("s", 1, "hm", None)
            await first.result()

            items = await read(session, START)

            told = [(shown([item])[0], item.turn, item.durable) for item in items]
            assert told == [
                ("one", 1, True),
                ("turn.started", 1, True),
                ("two", 2, True),
                ("turn.queued", 2, True),
                ("turn.ended", 2, True),
                ("~hm", 1, False),
                ("hm", 1, True),
                ("turn.ended", 1, True),
            ]

    play(scene)


def test_l10_a_publication_is_numbered_stored_and_told_to_those_who_wait() -> None:
    live, waiting = a_log(), Member()
    live.sleep(waiting)

    items = publish(live, "dtd")

    assert [item.position for item in items] == [1, 2, 3]
    assert [item.cursor for item in items] == [
        "gr1.1.1.1.cafe.s", "gr1.1.1.2.cafe.s", "gr1.1.2.3.cafe.s",
    ]  # fmt: skip
    assert live.read(0, 10) == items
    assert waiting.woken == 1


def test_l11_first_the_count_is_kept_and_then_the_age() -> None:
    live = a_log(max_events=3, max_age_s=10.0)

    publish(live, "dddd", now=0.0)
    assert kept(live) == [2, 3, 4]
    publish(live, "d", now=10.0)
    assert kept(live) == [3, 4, 5]
    publish(live, "d", now=10.5)
    assert kept(live) == [5, 6]


def test_l12_what_follows_a_cursor_is_here_or_trimmed_or_unavailable() -> None:
    live = a_log(max_events=2)
    assert after(live, START) == []
    assert after(live, "gr1.1.0.1.cafe.s") == "unavailable"

    items = publish(live, "dddd")

    assert after(live, "gr1.1.4.5.cafe.s") == "unavailable"
    assert after(live, START) == "trimmed"
    assert after(live, items[0].cursor) == "trimmed"
    assert after(live, items[1].cursor) == [3, 4]
    assert after(live, items[3].cursor) == []


def test_l12_a_freed_log_still_tells_its_end_from_what_came_before() -> None:
    live = a_log()
    items = publish(live, "ddd")

    live.clear()

    assert after(live, items[1].cursor) == "trimmed"
    assert after(live, items[2].cursor) == []


@given(what=st.text("dt", min_size=1, max_size=12), max_events=st.integers(1, 12))
def test_l13_a_replay_is_what_comes_after_the_cursor_in_order(what: str, max_events: int) -> None:
    live = a_log(max_events=max_events)
    items = publish(live, what)

    for item in items:
        following = list(range(item.position + 1, len(what) + 1))
        is_here = len(following) <= max_events
        assert after(live, item.cursor) == (following if is_here else "trimmed")


def test_l16_a_session_without_events_stands_at_its_start() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            cursor = (await session.snapshot("ann")).cursor
            await session.post("ann", "hello")

            assert (place(cursor).position, place(cursor).revision) == (0, 0)
            assert await read(session, cursor) == await read(session, START)
            with pytest.raises(greenroom.SessionNotFound):
                await runtime.session("nobody").snapshot("ann")

    play(scene)


@given(what=st.text("dt", max_size=12), max_events=st.integers(1, 12))
def test_l16_lx3_the_cursor_of_a_place_is_before_the_first_event_of_a_newer_revision(
    what: str, max_events: int
) -> None:
    live = a_log(max_events=max_events)
    publish(live, what)

    for index in range(live.first_index, live.next_index + 1):
        cursor = live.cursor_at(index)
        following = live.read(index, 100) or []

        assert after(live, str(cursor)) == [item.position for item in following]
        newer = [item.revision for item in following if item.durable]
        assert newer == list(range(cursor.revision + 1, live.revision + 1))


def test_l17_freeing_is_best_effort_and_nothing_fails_for_it() -> None:
    live = a_log()
    live.clear()
    item = publish(live, "d")[0]

    live.clear()
    live.clear()

    assert kept(live) == []
    assert after(live, item.cursor) == []
    assert [item.position for item in publish(live, "d")] == [2]


def test_l18_no_operation_of_the_log_waits_for_anything() -> None:
    methods = inspect.getmembers(LiveLog, inspect.isfunction)

    assert not any(inspect.iscoroutinefunction(method) for _, method in methods)


def test_l18_a_stalled_reader_holds_up_no_turn() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, live_events=4) as runtime:
            session = await runtime.create(user="ann", id="s")
            stalled = session.events("ann")

            script.cue("s", 1, *map(str, range(100)), None)
            result = await (await session.send("ann", "count")).result()

            assert result.status == "completed"
            assert len(kept(runtime._logs.get("s"))) == 4  # type: ignore[arg-type]
            stalled.close()

    play(scene)


# --- evidence ------------------------------------------------------------------------------------


def test_lx2_a_place_is_not_gone_on_from_when_the_session_stood_there_at_another_revision() -> None:
    live = a_log()
    publish(live, "dtd")

    assert after(live, "gr1.1.1.2.cafe.s") == [3]
    assert after(live, "gr1.1.0.2.cafe.s") == "unavailable"
    assert after(live, "gr1.1.2.2.cafe.s") == "unavailable"
    assert after(live, "gr1.1.0.3.cafe.s") == "unavailable"


def test_lx2_a_commit_that_was_never_published_is_no_clean_replay() -> None:
    async def scene() -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with greenroom.Runtime(journal=journal, clock=clock, idle_s=5.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "hello")
            last = (await read(session, START))[-1]
            await clock.advance(6.0)
            assert runtime.resident == 0

            await commit_in_secret(journal)
            gap, healed = await read(session, last.cursor)

            assert (gap.reason, gap.requested, gap.healed) == ("unavailable", last.cursor, True)
            assert (healed.revision, healed.healed) == (last.revision + 1, True)

    play(scene)


def test_lx2_a_cursor_that_claims_more_than_was_is_a_gap_and_repeats_nothing() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            session = await runtime.create(user="ann", id="s")
            for number in (1, 2, 3):
                await session.post("ann", str(number))
            first = (await read(session, START))[0]
            wrong = str(Cursor("s", first.incarnation, first.epoch, 2, first.position))

            gap, *rest = await read(session, wrong)

            assert (gap.reason, gap.requested, shown(rest)) == ("unavailable", wrong, ["3"])

    play(scene)


def test_lx2_nothing_is_claimed_of_an_activation_that_crashed_before_its_first_commit() -> None:
    live = a_log()
    start = str(live.cursor_at(0))
    publish(live, "t")

    live.open(incarnation="cafe", epoch=2, revision=0, end=None)

    assert after(live, start) == after(live, START) == "unavailable"


async def commit_in_secret(journal: GatedJournal) -> None:
    """An owner of the session that commits an event, publishes nothing, and leaves in order."""
    claim: Claim = await journal.claim("s")
    body = encode_entry(Entry(0, SessionPaused(by="ann")))
    row = restore(claim, "s").index_row(members=False)
    await journal.append("s", [body], epoch=claim.epoch, after=claim.revision, row=row)
    await journal.release("s", epoch=claim.epoch, end=claim.end)


# --- memory --------------------------------------------------------------------------------------


def timers(clock: ManualClock) -> int:
    return sum(timer.runs for _, _, timer in clock._timers)


def test_lx9_a_silent_session_does_not_keep_its_old_events() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, live_age_s=10.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "early")
            await clock.advance(6.0)
            await session.post("ann", "late")
            items = await read(session, START)
            live: Any = runtime._logs.get("s")

            await clock.advance(9.0)
            assert shown(live.read(live.first_index, 10)) != []
            await clock.advance(1.1)
            assert live.read(live.first_index, 10) == []

            assert await read(session, items[-1].cursor) == []
            gap, *rest = await read(session, items[0].cursor)
            assert (gap.reason, shown(rest)) == ("trimmed", ["late"])
            await session.post("ann", "again")
            await clock.advance(10.1)
            assert live.read(live.first_index, 10) == []

    play(scene)


def test_lx9_a_session_that_has_left_without_readers_keeps_no_events() -> None:
    """Not even until they would have been too old."""

    async def scene() -> None:
        async with greenroom.Runtime(clock=ManualClock(), live_age_s=10.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "early")
            live: Any = runtime._logs.get("s")
            assert shown(live.read(live.first_index, 10)) != []

            assert await runtime.passivate("s")

            assert live.read(live.first_index, 10) == []

    play(scene)


def test_lx9_the_events_of_a_session_that_has_left_are_freed_under_its_readers() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, live_age_s=10.0, idle_s=5.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            reader = session.events("ann")
            for number in range(200):  # more than a reader is handed at once
                await session.post("ann", str(number))
            first = await anext(reader)
            live: Any = runtime._logs.get("s")

            await clock.advance(6.0)
            assert runtime.resident == 0
            assert live.read(live.first_index, 1000) != []
            await clock.advance(5.0)
            assert live.read(live.first_index, 1000) == []

            items = [first]
            while durable(items)[-1] != 200:
                items.append(await anext(reader))
            assert durable(items) == list(range(1, 201))
            assert [gap.reason for gap in gaps(items)] == ["trimmed"]
            reader.close()

    play(scene)


def test_lx9_one_timer_looks_after_all_sessions_however_much_they_publish() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(clock=clock, live_age_s=10.0) as runtime:
            sessions = [await runtime.create(user="ann", id=f"s{n}") for n in range(5)]
            before = timers(clock)

            for _ in range(20):
                for session in sessions:
                    await session.post("ann", "hello")
                await clock.advance(0.5)

            assert timers(clock) == before + 1
            await clock.advance(10.1)
            assert timers(clock) == before
            assert all(runtime._logs.get(f"s{n}").newest_s < 0 for n in range(5))  # type: ignore[union-attr]
        await settle()

    play(scene)


@pytest.mark.parametrize("setting", ["live_events", "live_age_s"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_lx12_a_log_that_can_hold_nothing_or_everything_is_refused(
    setting: str, value: float
) -> None:
    with pytest.raises(greenroom.ConfigError) as refusal:
        greenroom.Runtime(**{setting: value})

    assert refusal.value.field == setting


def test_lx12_the_smallest_log_holds_the_newest_event() -> None:
    live = a_log(max_events=1)
    items = publish(live, "dd")

    assert after(live, items[0].cursor) == [2]
    assert live.end == End(1, 2)
