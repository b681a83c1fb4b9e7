from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from session.cast import room

from greenroom.actors.errors import (
    Fenced,
    GreenroomError,
    JournalFailed,
    NotMember,
    NotWritten,
    OutcomeUnknown,
    Rejected,
    SessionClosed,
)
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import Commit, End
from greenroom.actors.session import events as happened
from greenroom.actors.session.events import Event
from greenroom.actors.session.live import LiveLog
from greenroom.actors.session.messages import Committed
from greenroom.actors.session.outbox import Held, Outbox
from greenroom.actors.session.stage import Stats
from greenroom.actors.session.state import decode_state

POSTED = happened.SessionPaused(by="ann")
TEXT = happened.TextStreamed(1, "x")


class Slate:
    """A journal that answers when the test says so."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.snapshots: list[tuple[int, bytes]] = []
        self.released: list[tuple[int, End | None]] = []

    def append(self, session: str, events: Sequence[bytes], **_: Any) -> Commit:
        self.commits.append(Reply())
        return self.commits[-1]

    def snapshot(self, session: str, state: bytes, *, epoch: int, revision: int) -> Commit:
        self.snapshots.append((revision, state))
        return Reply()

    def release(self, session: str, *, epoch: int, end: End | None) -> Commit:
        self.released.append((epoch, end))
        return Reply()


class Desk:
    """An outbox, and a note of everything that leaves it."""

    def __init__(self, snapshot_bytes: int = 1000, claimed: Reply[None] | None = None) -> None:
        self.journal, self.stats, self.state = Slate(), Stats(), room()
        self.live = LiveLog("s")
        self.live.open(incarnation="cafe", epoch=7, revision=0, end=None)
        self.mailbox = SimpleNamespace(signal=lambda message: self.signals.append(message))
        self.signals: list[Any] = []
        self.notes: list[str] = []
        stage: Any = SimpleNamespace(
            journal=self.journal,
            clock=SimpleNamespace(monotonic=lambda: 0.0),
            stats=self.stats,
            snapshot_bytes=snapshot_bytes,
        )
        self.outbox = Outbox(
            stage,
            self.live,
            self.mailbox,  # type: ignore[arg-type]
            7,
            self,
            claimed=claimed,
        )

    def append(self, *sizes: int) -> Commit:
        return self.outbox.append([b"x" * size for size in sizes], self.state, after=0)

    def hold(self, name: str, *events: Event, **more: Any) -> Reply[Any]:
        """Put one decision, and note when it is answered."""
        reply: Reply[Any] = Reply()
        reply.on_done(lambda reply: self.notes.append(f"{name}: {_outcome(reply)}"))
        answer = more.pop("answer", "done")
        self.outbox.put(Held(events, 5, reply=reply, answer=answer, **more))
        return reply

    @property
    def published(self) -> list[int]:
        return [item.position for item in self.live.read(0, 100) or ()]

    def on_event(self, event: Event) -> None:
        self.notes.append(f"effect of {type(event).__name__}")


def _outcome(reply: Reply[Any]) -> str:
    return str(reply.result()) if reply.error is None else type(reply.error).__name__


# --- letting out ---------------------------------------------------------------------------------


def test_what_waits_for_nothing_is_let_out_at_once_publication_first() -> None:
    desk = Desk()

    desk.hold("post", POSTED, TEXT, then=lambda: desk.notes.append(f"then {desk.published}"))

    assert desk.notes == [
        "post: done", "then [1, 2]", "effect of SessionPaused", "effect of TextStreamed",
    ]  # fmt: skip
    assert not desk.outbox
    assert desk.stats.published == 2


def test_a_commit_that_is_done_already_holds_nothing_up() -> None:
    desk, commit = Desk(), Commit()
    commit.set(1)

    desk.hold("post", POSTED, commit=commit)

    assert desk.published == [1]
    assert desk.signals == []


def test_p07_a_decision_waits_for_its_commit() -> None:
    desk = Desk()
    commit = desk.append(1)

    desk.hold("post", POSTED, commit=commit)
    assert (desk.notes, desk.published, bool(desk.outbox)) == ([], [], True)
    commit.set(1)
    assert desk.signals == [Committed(7)]
    assert desk.notes == []
    assert desk.outbox.on_committed() is None

    assert desk.notes == ["post: done", "effect of SessionPaused"]
    assert not desk.outbox


def test_p07_what_needs_no_commit_waits_for_those_before_it() -> None:
    desk = Desk()
    desk.hold("post", POSTED, commit=desk.append(1))

    desk.hold("text", TEXT)
    desk.hold("question", answer="the state after it")
    desk.hold("refusal", answer=NotMember("s", "bob"))
    assert desk.notes == []
    desk.journal.commits[0].set(1)
    desk.outbox.on_committed()

    assert [note for note in desk.notes if ":" in note] == [
        "post: done", "text: done", "question: the state after it", "refusal: NotMember",
    ]  # fmt: skip
    assert desk.published == [1, 2]


def test_p07_a_commit_lets_out_no_more_than_is_durable() -> None:
    desk = Desk()
    for name in ("one", "two", "three"):
        desk.hold(name, POSTED, commit=desk.append(1))
    first, second, third = desk.journal.commits

    second.set(2)
    assert desk.outbox.on_committed() is None
    assert desk.notes == []
    first.set(1)
    desk.outbox.on_committed()
    assert desk.published == [1, 2]
    third.set(3)
    desk.outbox.on_committed()

    assert [note for note in desk.notes if ":" in note] == ["one: done", "two: done", "three: done"]


def test_p15_nothing_is_published_under_an_epoch_that_could_be_given_out_once_more() -> None:
    claimed: Reply[None] = Reply()
    desk = Desk(claimed=claimed)

    desk.hold("read")
    desk.hold("typing", TEXT)
    desk.hold("read after")
    assert (desk.notes, desk.published) == (["read: done"], [])

    claimed.set()
    assert desk.signals == [Committed(7)]
    assert desk.outbox.on_committed() is None
    desk.hold("typing", TEXT)
    assert desk.notes[1:] == [
        "typing: done", "effect of TextStreamed", "read after: done",
        "typing: done", "effect of TextStreamed",
    ]  # fmt: skip
    assert desk.published == [1, 2]


def test_what_is_durable_under_an_epoch_need_not_wait_for_its_claim() -> None:
    desk = Desk(claimed=Reply())
    commit = desk.append(3)
    desk.hold("post", POSTED, commit=commit)

    commit.set(1)

    assert desk.outbox.on_committed() is None
    assert desk.notes == ["post: done", "effect of SessionPaused"]


@pytest.mark.parametrize("first", [True, False])
def test_a_claim_that_does_not_get_to_the_disk_is_a_failure_once_it_matters(first: bool) -> None:
    claimed: Reply[None] = Reply()
    desk = Desk(claimed=claimed)
    if first:
        claimed.set_error(JournalFailed("io"))
    desk.hold("read")
    assert (desk.notes, desk.signals) == (["read: done"], [])

    desk.hold("typing", TEXT)
    if not first:
        claimed.set_error(JournalFailed("io"))

    assert desk.signals == [Committed(7)]
    assert isinstance(desk.outbox.on_committed(), JournalFailed)
    assert desk.published == []


def test_one_message_tells_of_a_whole_group_commit() -> None:
    desk = Desk()
    for name in ("one", "two", "three"):
        desk.hold(name, POSTED, commit=desk.append(1))

    for commit in desk.journal.commits:
        commit.set(1)
    assert desk.signals == [Committed(7)]
    desk.outbox.on_committed()
    desk.hold("four", POSTED, commit=desk.append(1))
    desk.journal.commits[-1].set(1)

    assert desk.signals == [Committed(7)] * 2


def test_durable_events_are_numbered_and_text_has_the_revision_it_follows() -> None:
    desk = Desk()
    desk.hold("turn", POSTED, POSTED)

    desk.hold("text", TEXT)
    desk.hold("more", TEXT, POSTED)

    items = desk.live.read(0, 100)
    assert items is not None
    assert [item.revision for item in items] == [1, 2, 2, 2, 3]
    assert {item.at_ms for item in items} == {5}


def test_r17_nothing_that_follows_in_the_same_step_is_read_by_who_has_left() -> None:
    desk = Desk()
    limits: list[int] = []
    reader: Any = SimpleNamespace(user="bob", expel=lambda: limits.append(desk.live.next_index))
    desk.live.add(reader)

    desk.hold(
        "leave",
        happened.Left(user="bob", name="Bob"),
        happened.HostChanged(host="ann", previous="bob"),
        commit=None,
    )

    assert desk.published == [1, 2]
    assert limits == [1]


# --- commits that fail ---------------------------------------------------------------------------


def told_after(error: GreenroomError) -> tuple[Desk, list[str]]:
    """Three decisions and a question are held when the first commit fails with `error`."""
    desk = Desk()
    for name in ("one", "two"):
        desk.hold(name, POSTED, commit=desk.append(1))
    desk.hold("question")
    desk.journal.commits[0].set_error(error)

    assert desk.signals == [Committed(7)]
    assert desk.outbox.on_committed() is error
    assert desk.notes == []
    desk.outbox.void(error)
    return desk, desk.notes


@pytest.mark.parametrize("error", [NotWritten("full"), Rejected("s", size=9, limit=8)])
def test_only_the_write_that_was_surely_refused_is_told_so(error: GreenroomError) -> None:
    desk, notes = told_after(error)

    assert notes == [
        f"one: {type(error).__name__}", "two: OutcomeUnknown", "question: OutcomeUnknown",
    ]  # fmt: skip
    assert desk.published == []
    assert not desk.outbox


def test_a_journal_that_fails_leaves_every_outcome_unknown() -> None:
    _, notes = told_after(JournalFailed("no answer"))

    assert notes == ["one: OutcomeUnknown", "two: OutcomeUnknown", "question: OutcomeUnknown"]


def test_a_fenced_session_tells_its_callers_that_nothing_was_done() -> None:
    _, notes = told_after(Fenced("s", epoch=7))

    assert notes == ["one: SessionClosed", "two: SessionClosed", "question: SessionClosed"]


def test_what_was_durable_before_the_failure_is_let_out() -> None:
    desk = Desk()
    for name in ("one", "two"):
        desk.hold(name, POSTED, commit=desk.append(1))
    error = JournalFailed("no answer")

    desk.journal.commits[0].set(1)
    desk.journal.commits[1].set_error(error)
    assert desk.outbox.on_committed() is error
    desk.outbox.void(error)

    assert [note for note in desk.notes if ":" in note] == ["one: done", "two: OutcomeUnknown"]
    assert desk.published == [1]


def test_a_commit_that_has_failed_when_it_is_put_is_told_like_any_other() -> None:
    desk, commit = Desk(), Commit()
    commit.set_error(NotWritten("full"))

    reply = desk.hold("post", POSTED, commit=commit)

    assert desk.signals == [Committed(7)]
    assert not reply.done
    error = desk.outbox.on_committed()
    assert isinstance(error, NotWritten)
    desk.outbox.void(error)
    assert reply.error is error


def test_voiding_what_nobody_asked_for_is_quiet() -> None:
    desk = Desk()
    desk.outbox.put(Held((POSTED,), 5, commit=desk.append(1)))
    asked = desk.hold("asked")

    desk.outbox.void(NotWritten("full"))

    assert isinstance(asked.error, OutcomeUnknown)
    assert not isinstance(asked.error, SessionClosed)


# --- snapshots and leaving -----------------------------------------------------------------------


def test_a_snapshot_follows_when_the_events_outweigh_the_limit() -> None:
    desk = Desk(snapshot_bytes=100)
    desk.append(60, 40)
    desk.outbox.snapshot_if_due(desk.state)
    assert desk.journal.snapshots == []

    desk.append(1)
    desk.outbox.snapshot_if_due(desk.state)

    ((revision, body),) = desk.journal.snapshots
    assert (revision, decode_state(body)) == (desk.state.revision, desk.state)


def test_a_snapshot_follows_no_sooner_than_the_events_outweigh_the_last_one() -> None:
    desk = Desk(snapshot_bytes=10)
    desk.append(11)
    desk.outbox.snapshot_if_due(desk.state)
    size = len(desk.journal.snapshots[0][1])

    desk.append(size)
    desk.outbox.snapshot_if_due(desk.state)
    assert len(desk.journal.snapshots) == 1
    desk.append(1)
    desk.outbox.snapshot_if_due(desk.state)

    assert len(desk.journal.snapshots) == 2


def test_a_state_that_the_journal_has_is_not_written_again() -> None:
    desk = Desk()
    desk.outbox.snapshot(desk.state)
    desk.append(1)

    desk.outbox.snapshot(desk.state)
    desk.outbox.snapshot(desk.state)

    assert len(desk.journal.snapshots) == 1


def test_a_clean_leave_records_where_publishing_stopped() -> None:
    desk = Desk()
    desk.hold("post", POSTED, TEXT)

    desk.outbox.release()

    assert desk.journal.released == [(7, End(7, 2))]
