from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from greenroom.actors.ports import End
from greenroom.actors.session.cursor import START, Cursor, parse
from greenroom.actors.session.events import Event, SessionPaused, TextStreamed
from greenroom.actors.session.items import Published
from greenroom.actors.session.live import LiveLog


class Member:
    """A reader that notes how it is woken."""

    def __init__(self, user: str = "ann") -> None:
        self.user = user
        self.heard: list[Any] = []

    def wake(self) -> None:
        self.heard.append("wake")

    def expel(self) -> None:
        self.heard.append("expel")

    def close(self, error: Exception | None = None) -> None:
        self.heard.append(error)


def fresh(**limits: Any) -> LiveLog:
    """The log of a session that was just made."""
    live = LiveLog("s", **limits)
    reopen(live, epoch=1, end=End(0, 0))
    return live


def reopen(live: LiveLog, *, epoch: int, end: End | None = None, revision: int = -1) -> None:
    """Begin an epoch; all that was published is what the journal holds, if not told otherwise."""
    head = live.revision if revision < 0 else revision
    live.open(incarnation="cafe", epoch=epoch, revision=head, end=end)


def publish(live: LiveLog, what: str, now: float = 0.0) -> list[Published]:
    """Publish `d`urable events and pieces of `t`ext."""
    for kind in what:
        durable = kind == "d"
        event: Event = SessionPaused(by="ann") if durable else TextStreamed(1, "x")
        live.publish(event, at_ms=0, revision=live.revision + durable, now=now)
    return everything(live)


def everything(live: LiveLog) -> list[Published]:
    """What the log still holds."""
    return live.read(live.first_index, 10_000) or []


def after(live: LiveLog, cursor: Cursor | str) -> Any:
    """The positions that a reader of the log finds after `cursor`, or why it finds none."""
    where = live.locate(parse(str(cursor), "s"))
    if not isinstance(where, int):
        return where
    found = live.read(where, 10_000)
    assert found is not None
    return [item.position for item in found]


def at(epoch: int, position: int, revision: int = 0, incarnation: str = "cafe") -> Cursor:
    return Cursor("s", incarnation, epoch, revision, position)


# --- publishing and trimming ---------------------------------------------------------------------


def test_l01_a_log_keeps_2048_events_or_120_seconds() -> None:
    live = LiveLog("s")

    assert (live.max_events, live.max_age_s) == (2048, 120.0)


def test_l10_positions_count_from_1_and_each_event_carries_its_own_cursor() -> None:
    items = publish(fresh(), "dtd")

    assert [item.position for item in items] == [1, 2, 3]
    assert [item.revision for item in items] == [1, 1, 2]
    assert [item.durable for item in items] == [True, False, True]
    assert items[1].cursor == "gr1.1.1.2.cafe.s"
    assert parse(items[2].cursor, "s") == at(1, 3, revision=2)


def test_l10_positions_begin_anew_in_each_epoch() -> None:
    live = fresh()
    live.add(Member())
    publish(live, "dd")

    reopen(live, epoch=2, end=live.end)
    items = publish(live, "d")

    assert [(item.epoch, item.position) for item in items] == [(1, 1), (1, 2), (2, 1)]


def test_l10_a_publication_wakes_once_whoever_had_caught_up() -> None:
    live, asleep, awake = fresh(), Member(), Member()
    live.sleep(asleep)

    publish(live, "ddd")

    assert asleep.heard == ["wake"]
    assert awake.heard == []


def test_l11_the_oldest_go_when_there_are_too_many() -> None:
    items = publish(fresh(max_events=3), "ddddd")

    assert [item.position for item in items] == [3, 4, 5]


def test_l11_only_what_is_older_than_the_limit_goes() -> None:
    live = fresh(max_age_s=10.0)
    publish(live, "d", now=0.0)
    publish(live, "d", now=0.5)

    assert len(publish(live, "d", now=10.0)) == 3
    assert [item.position for item in publish(live, "d", now=10.5)] == [2, 3, 4]
    assert [item.position for item in publish(live, "d", now=99.0)] == [5]


def test_l11_the_newest_event_is_always_kept() -> None:
    live = fresh(max_events=1, max_age_s=0.001)

    for now in range(3):
        assert len(publish(live, "d", now=now)) == 1


# --- resuming: spec L12 and L13, row by row ------------------------------------------------------


def test_l12_nothing_published_is_no_gap_at_the_beginning_and_unavailable_elsewhere() -> None:
    live = fresh()

    assert after(live, START) == []
    assert after(live, at(1, 0)) == []
    assert after(live, at(1, 1)) == "unavailable"
    assert after(live, at(1, 0, revision=1)) == "unavailable"


def test_l12_a_position_beyond_the_last_one_is_unavailable() -> None:
    live = fresh()
    publish(live, "ddd")

    assert after(live, at(1, 3, revision=3)) == []
    assert after(live, at(1, 4, revision=3)) == "unavailable"
    assert after(live, at(1, 2**64 - 1)) == "unavailable"
    assert after(live, at(0, 1)) == "unavailable"


def test_l12_a_position_before_the_first_kept_is_trimmed() -> None:
    live = fresh(max_events=2)
    publish(live, "ddddd")

    assert after(live, START) == "trimmed"
    assert after(live, at(1, 2, revision=2)) == "trimmed"
    assert after(live, at(1, 3, revision=3)) == [4, 5]


def test_l12_an_emptied_log_is_trimmed_before_its_end_and_no_gap_there() -> None:
    live = fresh()
    publish(live, "ddd")

    reopen(live, epoch=2, end=End(1, 3))

    assert after(live, at(1, 2, revision=2)) == "trimmed"
    assert after(live, at(1, 3, revision=3)) == []
    assert after(live, START) == "unavailable"


def test_l13_reading_goes_on_exactly_after_the_cursor() -> None:
    live = fresh()
    items = publish(live, "dtdtd")

    for count, item in enumerate(items, 1):
        assert after(live, item.cursor) == list(range(count + 1, 6))
    assert after(live, START) == [1, 2, 3, 4, 5]


def test_l13_a_limit_cuts_what_is_read_and_not_what_is_kept() -> None:
    live = fresh()
    publish(live, "ddddd")

    assert [item.position for item in live.read(1, 2) or ()] == [2, 3]
    assert live.read(5, 64) == []
    assert live.read(3, 0) == []


def test_reading_where_events_are_gone_says_so() -> None:
    live = fresh(max_events=2)
    publish(live, "ddddd")

    assert live.read(2, 64) is None
    assert live.read(3, 64) == everything(live)


def test_lx1_a_cursor_of_another_incarnation_is_unavailable() -> None:
    live = fresh()
    publish(live, "ddd")

    assert after(live, at(1, 2, incarnation="beef")) == "unavailable"
    assert after(live, at(2, 1)) == "unavailable"


def test_the_cursor_of_an_event_from_the_journal_is_a_place_while_the_event_is_here() -> None:
    live = fresh(max_events=4)
    publish(live, "dtdtdt")

    assert after(live, at(0, 0, revision=1)) == "unavailable"
    assert after(live, at(0, 0, revision=2)) == [4, 5, 6]
    assert after(live, at(0, 0, revision=3)) == [6]
    assert after(live, at(0, 0, revision=4)) == "unavailable"


def test_lx2_a_cursor_of_a_revision_that_is_not_there_is_unavailable() -> None:
    live = fresh()
    publish(live, "dd")

    assert after(live, at(1, 2, revision=3)) == "unavailable"


# --- where a new reader stands: spec L16 ---------------------------------------------------------


def test_l16_the_cursor_at_a_place_skips_nothing_and_repeats_nothing() -> None:
    live = fresh(max_events=4)
    items = publish(live, "dtdtddt")

    for index in range(live.first_index, live.next_index + 1):
        cursor = live.cursor_at(index)
        found = live.read(index, 10_000)
        assert after(live, cursor) == [item.position for item in found or ()]

    assert live.cursor_at(live.first_index) == at(1, 3, revision=2)
    assert live.cursor_at(live.next_index) == parse(items[-1].cursor, "s")


def test_lx3_the_cursor_stays_before_the_first_event_of_a_newer_revision() -> None:
    live = fresh()
    publish(live, "td")

    assert live.cursor_at(0).revision == 0
    assert live.cursor_at(1).revision == 0
    assert live.cursor_at(2).revision == 1


def test_the_cursor_of_a_session_without_events_is_the_start() -> None:
    live = fresh()

    assert live.cursor_at(0) == Cursor("s", "cafe", 0, 0, 0)
    assert after(live, live.cursor_at(0)) == []


# --- from one activation to the next -------------------------------------------------------------


def left_and_back(live: LiveLog, epoch: int) -> LiveLog:
    """The session leaves the stage, its log is freed, and it comes back."""
    end, revision = live.end, live.revision
    back = LiveLog("s")
    reopen(back, epoch=epoch, end=end, revision=revision)
    return back


def test_a_clean_leave_is_no_gap_for_a_reader_that_had_read_everything() -> None:
    live = fresh()
    last = publish(live, "dtd")[-1]

    live = left_and_back(live, epoch=2)
    assert after(live, last.cursor) == []

    publish(live, "d")
    assert after(live, last.cursor) == [1]


def test_nothing_published_after_the_cursor_is_no_gap_over_any_number_of_clean_leaves() -> None:
    live = fresh()
    last = publish(live, "dtd")[-1]

    for epoch in range(2, 6):
        live = left_and_back(live, epoch)

        assert live.end == End(1, 3)
        assert after(live, last.cursor) == []


def test_a_session_without_events_can_be_read_from_its_start_after_any_number_of_leaves() -> None:
    live = fresh()

    for epoch in range(2, 6):
        live = left_and_back(live, epoch)

        assert after(live, START) == []
    publish(live, "d")
    assert after(live, START) == [1]


def test_a_crash_is_a_gap_as_nobody_can_tell_what_was_published() -> None:
    live = fresh()
    last = publish(live, "dtd")[-1]
    back = LiveLog("s")

    reopen(back, epoch=2, end=None, revision=2)

    assert after(back, last.cursor) == "unavailable"
    assert after(back, START) == "unavailable"
    assert after(back, back.cursor_at(0)) == []


def test_a_log_with_readers_outlives_the_activation_and_loses_nothing() -> None:
    live = fresh()
    live.add(Member())
    items = publish(live, "dtd")

    for epoch in (2, 3):
        reopen(live, epoch=epoch, end=live.end)
        publish(live, "d")

    assert after(live, items[0].cursor) == [2, 3, 1, 1]
    assert after(live, START) == [1, 2, 3, 1, 1]
    assert len(everything(live)) == 5


def test_a_log_with_readers_outlives_a_crash() -> None:
    live = fresh()
    live.add(Member())
    items = publish(live, "dtd")

    reopen(live, epoch=2, end=None)
    publish(live, "t")

    assert after(live, items[1].cursor) == [3, 1]


def test_a_log_without_readers_frees_its_events_and_still_knows_its_end() -> None:
    live = fresh()
    items = publish(live, "dtd")

    reopen(live, epoch=2, end=live.end)

    assert everything(live) == []
    assert after(live, items[1].cursor) == "trimmed"
    assert after(live, items[2].cursor) == []


@pytest.mark.parametrize("leaves", [1, 2, 5])
def test_a_reader_that_holds_the_log_costs_no_other_reader_its_place(leaves: int) -> None:
    live = fresh()
    last = publish(live, "dtd")[-1]
    live = left_and_back(live, epoch=2)
    live.add(Member())

    for epoch in range(3, 3 + leaves):
        reopen(live, epoch=epoch, end=live.end)

        assert live.end == End(1, 3)
        assert after(live, last.cursor) == []
    publish(live, "d")
    assert after(live, last.cursor) == [1]


def test_a_session_that_only_answers_questions_costs_no_memory() -> None:
    live = fresh()
    live.add(Member())
    publish(live, "d")

    for epoch in range(2, 100):
        reopen(live, epoch=epoch, end=live.end)

    assert len(live._spans) < 5


def test_events_that_were_committed_but_never_published_send_every_reader_past_them() -> None:
    live, asleep = fresh(), Member()
    live.add(asleep)
    items = publish(live, "dd")
    live.sleep(asleep)
    place = live.next_index

    reopen(live, epoch=2, revision=3)

    assert asleep.heard == ["wake"]
    assert live.read(place, 64) is None
    assert live.cursor_at(live.first_index).revision == 3
    assert after(live, items[-1].cursor) == "unavailable"


# --- readers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epoch", "end"), [(3, End(2, 4)), (3, None), (4, End(3, 1))])
def test_what_another_owner_may_have_published_is_no_silent_loss(
    epoch: int, end: End | None
) -> None:
    live = fresh()
    live.add(Member())
    publish(live, "dt")
    place = live.cursor_at(live.next_index)

    reopen(live, epoch=epoch, end=end)  # epoch 2, and perhaps 3, were somebody else's

    assert live.locate(place) == "unavailable"
    assert live.read(2, 10) is None, "a reader goes on as if nothing were missing"


def test_another_owner_who_has_published_nothing_is_no_gap() -> None:
    live = fresh()
    live.add(Member())
    publish(live, "dt")
    place = live.cursor_at(live.next_index)

    reopen(live, epoch=3, end=End(1, 2))

    assert live.locate(place) == 2
    assert live.read(2, 10) == []


def test_expelling_a_user_ends_each_of_its_subscriptions_and_no_other() -> None:
    live, one, two, other = fresh(), Member("bob"), Member("bob"), Member("ann")
    for reader in (one, other, two):
        live.add(reader)

    live.expel("bob")

    assert (one.heard, two.heard, other.heard) == (["expel"], ["expel"], [])


def test_the_end_of_a_session_wakes_whoever_had_read_everything() -> None:
    live, asleep = fresh(), Member()
    live.sleep(asleep)

    live.finish()

    assert live.finished
    assert asleep.heard == ["wake"]


def test_a_reader_that_has_left_is_woken_no_more() -> None:
    live, gone = fresh(), Member()
    live.add(gone)
    live.sleep(gone)

    live.remove(gone)
    live.remove(gone)
    publish(live, "d")

    assert (gone.heard, live.readers) == ([], [])


def test_closing_a_log_closes_every_reader_with_the_reason() -> None:
    live, error = fresh(), RuntimeError("stopped")
    readers = [Member(), Member()]
    for reader in readers:
        live.add(reader)

    live.close(error)

    assert [reader.heard for reader in readers] == [[error], [error]]


# --- whatever happens ----------------------------------------------------------------------------


class Reading:
    """One reader: where it stands, and what it has had."""

    def __init__(self) -> None:
        self.place: int | None = None  # in a log that it holds
        self.cursor = parse(START, "s")
        self.revisions = 0  # the durable events that it has had, each once and in order
        self.count = 0  # the events of either kind that it has had, or lost in a gap
        self.doubt = False  # a crash has hidden what was published after its cursor


class Stage(RuleBasedStateMachine):
    """A log through publications, trims, leaves and crashes, and two readers of it.

    One holds its place in the log, as a subscriber does; the other comes back with a cursor, as a
    client does. Neither may miss an event, or get one twice, without a gap to say so; and there
    may be no gap where nothing was lost.
    """

    @initialize(max_events=st.integers(1, 12), max_age_s=st.integers(1, 20))
    def create(self, max_events: int, max_age_s: int) -> None:
        self.limits: dict[str, Any] = {"max_events": max_events, "max_age_s": float(max_age_s)}
        self.live = fresh(**self.limits)
        self.head = self.published = self.now = 0
        self.epoch = 1
        self.holder: Reading | None = None
        self.client = Reading()
        self.member = Member()

    # --- what happens to the session ---

    @rule(what=st.text("ddt", min_size=1, max_size=6), wait=st.sampled_from([0, 0, 1, 7]))
    def publish(self, what: str, wait: int) -> None:
        self.now += wait
        publish(self.live, what, now=self.now)
        self.head = self.live.revision
        self.published += len(what)

    @rule(freed=st.booleans())
    def leave_and_come_back(self, freed: bool) -> None:
        self.open(self.live.end, freed)

    @rule(freed=st.booleans())
    def crash_and_come_back(self, freed: bool) -> None:
        self.client.doubt |= self.holder is None
        self.open(None, freed)

    @rule(hidden=st.integers(1, 2))
    def crash_with_commits_that_were_not_published(self, hidden: int) -> None:
        self.head += hidden
        for reader in self.readers:
            reader.doubt = True
        self.open(None, freed=False)

    def open(self, end: End | None, freed: bool) -> None:
        self.epoch += 1
        if freed and self.holder is None:
            self.live = LiveLog("s", **self.limits)
        reopen(self.live, epoch=self.epoch, end=end, revision=self.head)

    # --- what readers do ---

    @precondition(lambda self: self.holder is None)
    @rule()
    def hold(self) -> None:
        self.holder = copy.copy(self.client)
        self.live.add(self.member)
        self.read(self.holder, 0)

    @precondition(lambda self: self.holder is not None)
    @rule()
    def let_go(self) -> None:
        self.live.remove(self.member)
        self.holder = None

    @precondition(lambda self: self.holder is not None)
    @rule(limit=st.integers(1, 8))
    def read_on(self, limit: int) -> None:
        assert self.holder is not None
        self.read(self.holder, limit)

    @rule(limit=st.integers(1, 8))
    def come_back(self, limit: int) -> None:
        self.client.cursor = parse(str(self.client.cursor), "s")
        self.read(self.client, limit)
        self.client.place = None

    @property
    def readers(self) -> list[Reading]:
        return [self.client] if self.holder is None else [self.client, self.holder]

    def read(self, reader: Reading, limit: int) -> None:
        live = self.live
        place = live.locate(reader.cursor) if reader.place is None else reader.place
        found = live.read(place, limit) if isinstance(place, int) else None
        if found is None:
            place = self.heal(reader)
            found = live.read(place, limit)
        assert isinstance(place, int)
        assert found is not None, "one gap is enough"
        for item in found:
            self.take(reader, item)
        reader.place = place + len(found)

    def heal(self, reader: Reading) -> int:
        """What a subscriber does: durable events from the journal, up to where the log begins."""
        first = self.published - len(everything(self.live))
        assert reader.doubt or reader.count < first, "a gap where nothing was lost"
        latest = self.live.cursor_at(self.live.first_index)
        assert reader.revisions <= latest.revision <= self.head
        reader.cursor, reader.revisions = latest, latest.revision
        reader.count, reader.doubt = first, False
        return self.live.first_index

    def take(self, reader: Reading, item: Published) -> None:
        before, reader.cursor = reader.cursor, parse(item.cursor, "s")
        reader.revisions += item.durable
        reader.count += 1
        assert item.revision == reader.revisions, "a durable event was lost or repeated"
        follows = before.position + 1 if item.epoch == before.epoch else 1
        assert item.position == follows, "a piece of text was lost or repeated"

    @invariant()
    def the_log_is_within_its_limits(self) -> None:
        assert len(everything(self.live)) <= self.limits["max_events"]

    def teardown(self) -> None:
        for reader in self.readers if hasattr(self, "client") else ():
            self.read(reader, 10_000)
            assert (reader.revisions, reader.count) == (self.head, self.published)


TestStage = Stage.TestCase
TestStage.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
