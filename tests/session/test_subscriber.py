from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theatre import ManualClock, play, settle

import greenroom
from greenroom.actors import subscriber
from greenroom.actors.errors import JournalUnavailable, SessionNotFound
from greenroom.actors.kernel.dispatcher import LoopDispatcher
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import End, Page
from greenroom.actors.session.cursor import START, parse
from greenroom.actors.session.entry import Entry, encode_entry
from greenroom.actors.session.events import (
    Event,
    HostChanged,
    Left,
    SessionEnded,
    SessionPaused,
    TextStreamed,
)
from greenroom.actors.session.items import Gap, Item
from greenroom.actors.session.live import LiveLog
from greenroom.actors.sinks import CallbackSink, IteratorSink
from greenroom.actors.subscriber import BATCH, SubscriberActor


class Shelf:
    """A journal to read from: it may hold its answers back, have lost its oldest, or fail."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.oldest = 1
        self.asked: list[tuple[int, int]] = []
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def read(self, session: str, *, after: int, limit: int) -> Page:
        self.asked.append((after, limit))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        first = max(after + 1, self.oldest)
        events = self.bodies[first - 1 : first - 1 + limit]
        return Page(first=first, events=events, head=len(self.bodies))


class Heap:
    """A sink that takes everything at once."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.batches: list[int] = []
        self.closed: list[Exception | None] = []

    def deliver(self, items: Sequence[Item]) -> Awaitable[None] | None:
        self.items += items if items and not self.closed else ["wrong"]  # type: ignore[list-item]
        self.batches.append(len(items))
        return None

    def close(self, error: Exception | None) -> None:
        self.closed.append(error)


class Slow(Heap):
    """A sink that is at work on each batch until the test says it is `done`."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: Reply[None] | None = None

    def deliver(self, items: Sequence[Item]) -> Awaitable[None] | None:
        super().deliver(items if self.busy is None else [])
        self.busy = Reply()
        return self.busy

    async def done(self) -> None:
        busy, self.busy = self.busy, None
        assert busy is not None
        busy.set(None)
        await settle()


class Clumsy(Heap):
    """A sink that fails with every batch, in one way or another."""

    def __init__(self, error: BaseException, *, later: bool) -> None:
        super().__init__()
        self.error = error
        self.later = later

    def deliver(self, items: Sequence[Item]) -> Awaitable[None] | None:
        super().deliver(items)
        if not self.later:
            raise self.error
        return self._fail()

    async def _fail(self) -> None:
        raise self.error


class House:
    """A log and its journal, and whoever subscribes. Only to be built on a running loop."""

    def __init__(self, **limits: Any) -> None:
        self.dispatcher = LoopDispatcher(asyncio.get_running_loop())
        self.live = LiveLog("s", **limits)
        self.journal = Shelf()
        self.epoch = 0
        self.texts = 0
        self.come_back(clean=True)

    def come_back(self, *, clean: bool) -> None:
        """Passivate or crash, and activate again; without readers the log is freed."""
        end: End | None = End(0, 0)  # of a new session
        if self.epoch:
            end = self.live.end if clean else None
        if not self.live.readers:
            limits = {"max_events": self.live.max_events, "max_age_s": self.live.max_age_s}
            self.live = LiveLog("s", **limits)  # type: ignore[arg-type]
        self.epoch += 1
        self.live.open(
            incarnation="cafe", epoch=self.epoch, revision=len(self.journal.bodies), end=end
        )

    def publish(self, what: str | Event) -> None:
        """One event, or several: `d`urable, `t`ext, or `h`idden: committed, never published."""
        for kind in what if isinstance(what, str) else [what]:
            event: Event
            if kind == "t":
                self.texts += 1
                event = TextStreamed(1, str(self.texts))
            else:
                event = SessionPaused(by=str(len(self.journal.bodies) + 1))
                event = event if isinstance(kind, str) else kind
                self.journal.bodies.append(encode_entry(Entry(0, event)))
            if kind != "h":
                revision = len(self.journal.bodies)
                self.live.publish(event, at_ms=0, revision=revision, now=0.0)

    async def reads(
        self, after: str | None, sink: Any = None, user: str = "ann"
    ) -> tuple[SubscriberActor, Any]:
        """A subscriber who has read what there is to be read."""
        sink = Heap() if sink is None else sink
        reader = SubscriberActor(self.dispatcher, self.live, self.journal, user, sink)  # type: ignore[arg-type]
        reader.begin(None if after is None else parse(after, "s"))
        await settle()
        return reader, sink


def shown(items: Sequence[Item]) -> list[str]:
    """`d3` for revision 3, `h3` if it was healed, `t5` for text 5, and the reason of a gap.

    A gap is for ever if it holds durable events that are no longer retained.
    """
    return [_shown(item) for item in items]


def _shown(item: Item) -> str:
    if isinstance(item, Gap):
        return f"{item.reason}{'' if item.healed else ', for ever'}"
    if isinstance(item.event, TextStreamed):
        return f"t{item.event.text}"
    return f"{'h' if item.healed else 'd'}{item.revision}"


# --- reading live --------------------------------------------------------------------------------


def test_p15_a_reader_from_the_start_has_everything_once_in_order() -> None:
    async def scene() -> None:
        house = House()
        house.publish("dtd" * BATCH)

        _, sink = await house.reads(START)
        house.publish("td")
        await settle()

        assert [item.position for item in sink.items] == list(range(1, 3 * BATCH + 3))
        assert sink.batches == [BATCH] * 3 + [2]

    play(scene)


def test_a_reader_without_a_cursor_has_what_comes_from_now_on() -> None:
    async def scene() -> None:
        house = House()
        house.publish("dtd")

        _, sink = await house.reads(None)
        assert sink.items == []
        house.publish("td")
        await settle()

        assert shown(sink.items) == ["t2", "d3"]

    play(scene)


def test_l13_a_reader_goes_on_after_its_cursor() -> None:
    async def scene() -> None:
        house = House()
        house.publish("dtd")
        _, first = await house.reads(START)

        _, second = await house.reads(first.items[0].cursor)

        assert second.items == first.items[1:]

    play(scene)


def test_lx4_a_slow_reader_costs_the_others_nothing() -> None:
    async def scene() -> None:
        house = House()
        _, slow = await house.reads(START, Slow())
        _, fast = await house.reads(START)

        for _ in range(5):
            house.publish("d")
            await settle()

        assert len(slow.items) == 1
        assert len(fast.items) == 5
        await slow.done()
        assert slow.items == fast.items
        assert all(one is two for one, two in zip(slow.items, fast.items, strict=True))

    play(scene)


def test_the_end_of_the_session_ends_its_readers_when_they_have_read_it() -> None:
    async def scene() -> None:
        house = House()
        _, slow = await house.reads(START, Slow())
        house.publish("d")
        await settle()
        house.publish("d")

        house.live.finish()
        await settle()
        assert slow.closed == []
        await slow.done()
        await slow.done()

        assert shown(slow.items) == ["d1", "d2"]
        assert slow.closed == [None]
        assert house.live.readers == []

    play(scene)


def test_reading_a_session_that_has_ended_ends_also_when_it_is_woken_for_that() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with greenroom.Runtime(journal="memory:", clock=clock, idle_s=10.0) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.end("ann")
            await clock.advance(20.0)
            assert runtime.resident == 0

            items = [item async for item in session.events("ann", after=START)]

            assert isinstance(items[-1].event, SessionEnded)

    play(scene)


# --- gaps ----------------------------------------------------------------------------------------


def test_p15_loss_is_one_gap_then_what_the_journal_has_then_live() -> None:
    async def scene() -> None:
        house = House(max_events=3)
        house.publish("dtdtdtd")

        _, sink = await house.reads(START)
        house.publish("t")
        await settle()

        assert shown(sink.items) == ["trimmed", "h1", "h2", "d3", "t3", "d4", "t4"]
        gap = sink.items[0]
        assert gap.requested == "gr1.0.0.0..s"
        assert gap.latest == sink.items[2].cursor
        assert [item.healed for item in sink.items[1:]] == [True] * 2 + [False] * 4

    play(scene)


def test_p15_a_gap_in_which_only_text_was_lost_has_nothing_to_heal() -> None:
    async def scene() -> None:
        house = House(max_events=2)
        house.publish("d")
        _, first = await house.reads(START)
        house.publish("tttt")

        _, sink = await house.reads(first.items[0].cursor)

        assert shown(sink.items) == ["trimmed", "t3", "t4"]
        assert house.journal.asked == []

    play(scene)


def test_a_gap_is_healed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "PAGE", 2)

    async def scene() -> None:
        house = House(max_events=1)
        house.publish("dddddd")

        _, sink = await house.reads(START)

        assert shown(sink.items) == ["trimmed", "h1", "h2", "h3", "h4", "h5", "d6"]
        assert house.journal.asked == [(0, 2), (2, 2), (4, 1)]
        assert sink.batches == [1, 2, 2, 1, 1]

    play(scene)


def test_p15_the_lag_of_a_slow_reader_is_a_gap_from_what_it_read_last() -> None:
    async def scene() -> None:
        house = House(max_events=2)
        _, slow = await house.reads(START, Slow())
        house.publish("d")
        await settle()

        house.publish("tddd")
        while slow.busy is not None:
            await slow.done()

        assert shown(slow.items) == ["d1", "trimmed", "h2", "d3", "d4"]
        assert slow.items[1].requested == slow.items[0].cursor

    play(scene)


def test_p15_what_is_published_while_a_gap_is_healed_is_neither_lost_nor_repeated() -> None:
    async def scene() -> None:
        house = House(max_events=2)
        house.publish("ddd")
        house.journal.gate = asyncio.Event()
        _, sink = await house.reads(START)

        house.publish("t")
        house.live.max_events = 10
        house.publish("dtd")
        await settle()
        assert shown(sink.items) == []
        house.journal.gate.set()
        await settle()

        assert shown(sink.items[:2]) == ["trimmed", "h1"]
        durable = [item.revision for item in sink.items if not isinstance(item, Gap)]
        assert sorted(set(durable)) == [1, 2, 3, 4, 5]
        assert shown(sink.items)[-3:] == ["d4", "t2", "d5"]

    play(scene)


def test_p15_what_is_trimmed_while_a_gap_is_healed_is_a_gap_of_its_own() -> None:
    async def scene() -> None:
        house = House(max_events=1)
        house.publish("dd")
        house.journal.gate = asyncio.Event()
        _, sink = await house.reads(START)

        house.publish("dd")
        house.journal.gate.set()
        await settle()

        assert shown(sink.items) == ["trimmed", "h1", "trimmed", "h2", "h3", "d4"]

    play(scene)


def test_lx1_a_cursor_of_another_incarnation_is_healed_from_the_beginning() -> None:
    async def scene() -> None:
        house = House()
        house.publish("dtd")

        _, sink = await house.reads("gr1.1.1.2.beef.s")

        assert shown(sink.items) == ["unavailable", "d1", "t1", "d2"]

    play(scene)


@pytest.mark.parametrize("cursor", ["gr1.1.2.2.beef.s", "gr1.1.9.9.cafe.s", "gr1.0.9.0.cafe.s"])
def test_lx1_the_revision_of_a_cursor_from_elsewhere_means_nothing_here(cursor: str) -> None:
    async def scene() -> None:
        house = House(max_events=1)
        house.publish("dddd")

        _, sink = await house.reads(cursor)

        assert shown(sink.items) == ["unavailable", "h1", "h2", "h3", "d4"]

    play(scene)


def test_a_crash_is_a_gap_that_is_healed_from_the_cursor_on() -> None:
    async def scene() -> None:
        house = House()
        house.publish("dtdd")
        reader, before = await house.reads(START)
        reader.close()
        await settle()

        house.come_back(clean=False)
        house.publish("d")
        _, sink = await house.reads(before.items[1].cursor)

        assert shown(sink.items) == ["unavailable", "h2", "h3", "d4"]

    play(scene)


@pytest.mark.parametrize("clean", [True, False])
def test_a_reader_that_stays_finds_no_gap_between_two_activations(clean: bool) -> None:
    async def scene() -> None:
        house = House()
        _, sink = await house.reads(START)

        for _ in range(3):
            house.publish("dt")
            house.come_back(clean=clean)
        await settle()

        assert shown(sink.items) == ["d1", "t1", "d2", "t2", "d3", "t3"]

    play(scene)


def test_p09_commits_that_were_never_published_are_healed_for_readers_that_stay() -> None:
    async def scene() -> None:
        house = House()
        house.publish("d")
        _, sink = await house.reads(START)

        house.publish("hh")
        house.come_back(clean=False)
        house.publish("d")
        await settle()

        assert shown(sink.items) == ["d1", "unavailable", "h2", "h3", "d4"]

    play(scene)


def test_what_a_journal_has_forgotten_is_announced_and_nothing_is_repeated() -> None:
    async def scene() -> None:
        house = House(max_events=3)
        house.publish("dddddddd")
        house.journal.oldest = 4

        _, sink = await house.reads(START)

        assert shown(sink.items) == ["trimmed, for ever", "h4", "h5", "d6", "d7", "d8"]

    play(scene)


@pytest.mark.parametrize("make", [Heap, lambda: IteratorSink(LoopDispatcher(_loop()))])
def test_a_journal_that_has_forgotten_all_of_a_gap_ends_it(make: Callable[[], Any]) -> None:
    async def scene() -> None:
        house = House(max_events=3)
        house.publish("dddddddd")
        house.journal.oldest = 7

        _, sink = await house.reads(START, make())
        if isinstance(sink, IteratorSink):
            items = await pulled(sink)
        else:
            items = sink.items

        assert shown(items) == ["trimmed, for ever", "d6", "d7", "d8"]

    play(scene)


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def pulled(sink: IteratorSink) -> list[Item]:
    """Everything there is to pull now."""
    items: list[Item] = []
    while not isinstance(item := sink.pull(), Reply):
        assert item is not None
        items.append(item)
        await settle()
    return items


@pytest.mark.parametrize("error", [SessionNotFound("s"), JournalUnavailable("s", why="gone")])
def test_a_journal_that_refuses_ends_the_reader_with_its_error(error: Exception) -> None:
    async def scene() -> None:
        house = House(max_events=1)
        house.publish("ddd")
        house.journal.error = error

        _, sink = await house.reads(START)

        assert sink.items == []
        assert sink.closed == [error]
        assert house.live.readers == []

    play(scene)


def test_a_journal_that_fails_ends_the_reader_with_a_journal_error() -> None:
    async def scene() -> None:
        house = House(max_events=1)
        house.publish("ddd")
        house.journal.error = OSError("the disk is gone")

        _, sink = await house.reads(START)

        (error,) = sink.closed
        assert isinstance(error, JournalUnavailable)
        assert "the disk is gone" in error.why

    play(scene)


# --- leaving -------------------------------------------------------------------------------------


def test_r17_an_expelled_reader_ends_with_the_event_that_it_has_left() -> None:
    async def scene() -> None:
        house = House()
        _, slow = await house.reads(START, Slow(), user="bob")
        house.publish("dd")
        await settle()

        house.publish(Left(user="bob", name="Bob"))
        house.live.expel("bob")
        house.publish(HostChanged(host="ann", previous="bob"))
        house.publish("tt")
        await settle()
        while slow.busy is not None:
            await slow.done()

        assert isinstance(slow.items[-1].event, Left)
        assert slow.closed == [None]
        assert house.live.readers == []

    play(scene)


def test_r17_an_expelled_reader_that_had_read_everything_ends_at_once() -> None:
    async def scene() -> None:
        house = House()
        house.publish("d")
        _, sink = await house.reads(START)

        house.live.expel("ann")
        await settle()

        assert sink.closed == [None]

    play(scene)


def test_p20_a_reader_that_was_expelled_reads_nothing_of_a_second_membership() -> None:
    async def scene() -> None:
        house = House()
        _, slow = await house.reads(START, Slow(), user="bob")
        house.publish("d")
        await settle()

        house.live.expel("bob")
        house.publish("dddd")
        house.live.expel("bob")
        await slow.done()

        assert shown(slow.items) == ["d1"]
        assert slow.closed == [None]

    play(scene)


def test_p20_a_reader_that_lags_when_it_is_expelled_ends() -> None:
    async def scene() -> None:
        house = House(max_events=1)
        _, slow = await house.reads(START, Slow(), user="bob")
        house.publish("d")
        await settle()

        house.publish("dd")
        house.live.expel("bob")
        house.publish("dd")
        await slow.done()

        assert shown(slow.items) == ["d1"]
        assert slow.closed == [None]

    play(scene)


def test_p15_a_reader_expelled_while_a_gap_is_healed_is_shown_nothing_beyond_it() -> None:
    async def scene() -> None:
        house = House(max_events=2)
        house.publish("ddddd")
        house.journal.gate = asyncio.Event()
        _, sink = await house.reads(START, user="bob")

        house.live.expel("bob")
        house.journal.gate.set()
        await settle()

        assert sink.items == []
        assert sink.closed == [None]

    play(scene)


def test_p15_a_reader_expelled_before_its_gap_is_announced_is_shown_nothing_beyond_it() -> None:
    async def scene() -> None:
        house, sink = House(max_events=2), Heap()
        house.publish("dttt")
        reader = SubscriberActor(house.dispatcher, house.live, house.journal, "bob", sink)  # type: ignore[arg-type]

        reader.begin(parse("gr1.1.1.1.cafe.s", "s"))
        house.live.expel("bob")
        await settle()

        assert sink.items == []
        assert sink.closed == [None]

    play(scene)


@pytest.mark.parametrize("error", [None, RuntimeError("stopped")])
def test_a_reader_can_be_closed_at_any_time(error: Exception | None) -> None:
    async def scene() -> None:
        house = House(max_events=1)
        house.publish("ddd")
        house.journal.gate = asyncio.Event()
        idle, healing, busy = Heap(), Heap(), Slow()
        readers = [
            (await house.reads(None, idle))[0],
            (await house.reads(START, healing))[0],
            (await house.reads(None, busy))[0],
        ]
        house.publish("d")
        await settle()

        for reader in readers:
            reader.close(error)
            reader.close(error)
        await settle()
        house.publish("d")
        await settle()

        assert [sink.closed for sink in (idle, healing, busy)] == [[error]] * 3
        assert [len(sink.items) for sink in (idle, healing, busy)] == [1, 0, 1]
        assert house.live.readers == []

    play(scene)


def test_a_reader_closed_before_it_has_begun_delivers_nothing() -> None:
    async def scene() -> None:
        house, sinks = House(max_events=1), [Heap(), Heap()]
        house.publish("dd")

        for sink, after in zip(sinks, (START, "gr1.1.1.1.cafe.s"), strict=True):
            reader = SubscriberActor(house.dispatcher, house.live, house.journal, "ann", sink)  # type: ignore[arg-type]
            reader.begin(parse(after, "s"))
            reader.close()
        await settle()

        assert sinks[0].items == []
        assert [sink.closed for sink in sinks] == [[None], [None]]

    play(scene)


# --- sinks that fail -----------------------------------------------------------------------------

ERRORS = [ValueError("no"), asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt()]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_p17_a_sink_that_raises_gets_the_next_batch_all_the_same(
    error: BaseException, later: bool
) -> None:
    async def scene() -> None:
        house = House()
        _, clumsy = await house.reads(START, Clumsy(error, later=later))
        _, other = await house.reads(START)

        for _ in range(3):
            house.publish("d")
            await settle()

        assert clumsy.batches == [1, 1, 1]
        assert clumsy.items == other.items
        assert clumsy.closed == []

    play(scene)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_p17_a_sink_that_raises_while_a_gap_is_healed_gets_the_rest(
    error: BaseException, later: bool
) -> None:
    async def scene() -> None:
        house = House(max_events=1)
        house.publish("ddd")

        _, clumsy = await house.reads(START, Clumsy(error, later=later))

        assert shown(clumsy.items) == ["trimmed", "h1", "h2", "d3"]
        assert clumsy.closed == []

    play(scene)


def test_a_callback_that_waits_is_called_no_more_once_its_subscription_is_closed() -> None:
    async def scene() -> None:
        house, called, closed, gate = House(), [], [], asyncio.Event()

        async def callback(item: Item) -> None:
            called.append(_shown(item))
            await gate.wait()

        house.publish("ddd")
        reader, _ = await house.reads(START, CallbackSink(callback, closed.append))
        failures = CallbackSink.failures.count, SubscriberActor.sink_failures.count
        assert called == ["d1"]

        reader.close()
        await settle()
        gate.set()
        await settle()

        assert called == ["d1"]
        assert closed == [None]
        assert failures == (CallbackSink.failures.count, SubscriberActor.sink_failures.count)

    play(scene)


def test_a_callback_may_close_its_own_subscription() -> None:
    async def scene() -> None:
        house, called, closed = House(), [], []

        async def later() -> None:
            called.append("later")

        def callback(item: Item) -> Awaitable[None]:
            reader.close()
            return later()

        reader, _ = await house.reads(START, CallbackSink(callback, closed.append))
        house.publish("dd")
        await settle()

        assert called == ["later"]
        assert closed == [None]

    play(scene)


# --- from any item on ----------------------------------------------------------------------------


def durables(items: Sequence[Item]) -> list[int]:
    return [item.revision for item in items if not isinstance(item, Gap) and item.durable]


def test_p15_any_item_is_a_place_to_go_on_from() -> None:
    async def scene() -> None:
        house = House(max_events=4)
        house.publish("dtdtdtdtd")
        _, whole = await house.reads(START)
        assert shown(whole.items) == ["trimmed", "h1", "h2", "h3", "t3", "d4", "t4", "d5"]

        rests = [(await house.reads(item.cursor))[1] for item in whole.items]

        assert [shown(rest.items) for rest in rests] == [
            ["trimmed", "h1", "h2", "h3", "t3", "d4", "t4", "d5"],
            ["unavailable", "h2", "h3", "t3", "d4", "t4", "d5"],
            ["unavailable", "h3", "t3", "d4", "t4", "d5"],
            ["t3", "d4", "t4", "d5"],
            ["d4", "t4", "d5"],
            ["t4", "d5"],
            ["d5"],
            [],
        ]

    play(scene)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), max_events=st.integers(1, 8))
def test_p15_resuming_from_any_item_yields_the_rest_exactly_once(
    seed: int, max_events: int
) -> None:
    lots = random.Random(seed)

    async def scene() -> None:
        house = House(max_events=max_events)
        sinks = []
        for _ in range(lots.randrange(1, 4)):
            for _ in range(lots.randrange(1, 4)):
                house.publish("".join(lots.choices("ddtt", k=lots.randrange(4))))
                if lots.random() < 0.3:
                    house.publish("h" * (hidden := lots.randrange(2)))
                    house.come_back(clean=not hidden and lots.random() < 0.6)
            sinks.append((await house.reads(START))[1])
            if lots.random() < 0.5:
                for reader in list(house.live.readers):
                    reader.close()
            await settle()
        head = len(house.journal.bodies)
        house.come_back(clean=True)

        for sink in sinks:
            had = durables(sink.items)
            assert had == list(range(1, len(had) + 1))
            for count, item in enumerate(sink.items):
                _, rest = await house.reads(item.cursor)
                had = durables(sink.items[: count + 1])
                assert had + durables(rest.items) == list(range(1, head + 1))
                assert not any(isinstance(later, Gap) for later in rest.items[1:])

    play(scene)
