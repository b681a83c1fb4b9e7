from __future__ import annotations

import asyncio
import gc
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from house import FifoDispatcher, Interrupted, logged, unwritable
from pykka import messages

from greenroom.actors.errors import MailboxClosed, Overloaded, SessionClosed
from greenroom.actors.kernel.mailbox import RACERS, Mail, Mailbox
from greenroom.actors.kernel.reply import Reply


class Owner:
    """Notes the messages it is handed; one that can be called is called."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.contained: list[tuple[Any, BaseException]] = []

    def contain(self, mail: Mail, error: BaseException) -> None:
        self.contained.append((mail.message, error))

    def handle(self, mail: Mail) -> None:
        if callable(mail.message):
            mail.message()
        else:
            self.seen.append(mail.message)


def mailbox(
    dispatcher: FifoDispatcher | None = None, **options: Any
) -> tuple[Mailbox, Owner, FifoDispatcher]:
    dispatcher = dispatcher or FifoDispatcher()
    box, owner = Mailbox(dispatcher, **options), Owner()
    box.attach(owner)
    return box, owner, dispatcher


def put(box: Mailbox, *messages: object) -> None:
    for message in messages:
        box.put(Mail(message))


def ask(box: Mailbox, message: object, put: Callable[[Mailbox, Any], None]) -> Reply[Any]:
    reply: Reply[Any] = Reply()
    put(box, Mail(message, reply_to=reply))
    return reply


# --- order and lanes -----------------------------------------------------------------------------


def test_commands_are_handled_in_the_order_put() -> None:
    box, owner, dispatcher = mailbox()

    put(box, *range(100))
    dispatcher.run_until_idle()

    assert owner.seen == list(range(100))


def test_system_mail_overtakes_commands() -> None:
    box, owner, dispatcher = mailbox()

    put(box, "one", "two")
    box.signal("urgent")
    dispatcher.run_until_idle()

    assert owner.seen == ["urgent", "one", "two"]


def test_system_mail_is_looked_for_after_each_command() -> None:
    box, owner, dispatcher = mailbox()

    put(box, lambda: box.signal("urgent"), "one", "two")
    dispatcher.run_until_idle()

    assert owner.seen == ["urgent", "one", "two"]


def test_a_run_handles_no_more_than_its_throughput_and_asks_for_another() -> None:
    box, owner, _ = mailbox()
    put(box, *range(5))

    again = box.run(throughput=2)
    assert (again, owner.seen) == (True, [0, 1])

    again = box.run(throughput=3)
    assert (again, owner.seen) == (False, [0, 1, 2, 3, 4])


def test_mail_that_comes_with_the_last_command_of_a_run_asks_for_another() -> None:
    box, owner, _ = mailbox()
    put(box, lambda: put(box, "late"))

    assert box.run(throughput=1)
    assert not box.run(throughput=1)
    assert owner.seen == ["late"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.parametrize("lane", [Mailbox.put, Mailbox.put_system], ids=["command", "system"])
def test_whatever_a_message_raises_is_contained_and_the_next_one_handled(
    lane: Any, kind: type[BaseException]
) -> None:
    box, owner, dispatcher = mailbox()
    error = kind()

    def fail() -> None:
        raise error

    lane(box, Mail(fail))
    lane(box, Mail("one"))
    dispatcher.run_until_idle()

    assert owner.contained == [(fail, error)]
    assert owner.seen == ["one"]


# --- scheduling ----------------------------------------------------------------------------------


class Counting(FifoDispatcher):
    """Counts how often it was woken."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    def schedule(self, box: Any) -> None:
        self.woken += 1
        super().schedule(box)


def test_a_batch_wakes_the_dispatcher_once() -> None:
    box, _, dispatcher = mailbox(Counting())

    put(box, *range(100))
    box.signal("urgent")

    assert isinstance(dispatcher, Counting)
    assert dispatcher.woken == 1


def test_a_mailbox_that_ran_dry_is_scheduled_anew() -> None:
    box, owner, dispatcher = mailbox()

    for number in range(3):
        put(box, number)
        dispatcher.run_until_idle()

    assert owner.seen == [0, 1, 2]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("lane", [Mailbox.put, Mailbox.put_system], ids=["command", "system"])
def test_mail_that_comes_as_a_mailbox_goes_idle_is_not_forgotten(lane: Any, moment: str) -> None:
    """The lost wake-up: it is seen by the last look, or schedules the mailbox anew."""
    box, owner, dispatcher = mailbox()
    put(box, "one")

    box._lock = Interrupted(**{moment: lambda: lane(box, Mail("two"))})
    dispatcher.run_until_idle()

    assert owner.seen == ["one", "two"]


def test_an_idle_mailbox_keeps_no_lane() -> None:
    box, _, dispatcher = mailbox()
    put(box, "one")
    box.signal("urgent")

    dispatcher.run_until_idle()

    assert not [held for held in gc.get_referents(box) if isinstance(held, deque)]


# --- bounds --------------------------------------------------------------------------------------


def test_a_full_mailbox_hands_the_command_back() -> None:
    box, owner, dispatcher = mailbox(name="s-1", capacity=2)
    put(box, "one", "two")

    with pytest.raises(Overloaded) as refusal:
        put(box, "three")

    error = refusal.value
    assert (error.name, error.depth, error.capacity, error.returned) == ("s-1", 2, 2, "three")
    assert error.retryable
    dispatcher.run_until_idle()
    assert owner.seen == ["one", "two"]


def test_a_mailbox_takes_commands_again_once_it_has_room() -> None:
    box, owner, dispatcher = mailbox(capacity=1)
    put(box, "one")
    dispatcher.run_until_idle()

    put(box, "two")
    dispatcher.run_until_idle()

    assert owner.seen == ["one", "two"]


class Contested(deque[Mail]):
    """A lane of which another thread takes a place as soon as somebody has looked at it."""

    meanwhile: Callable[[], None] | None = None

    def __len__(self) -> int:
        seen = super().__len__()
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return seen


@pytest.mark.parametrize("capacity", [1, RACERS, RACERS + 1, 2 * RACERS])
def test_p05_who_races_for_the_last_place_is_not_let_in_beside_another(capacity: int) -> None:
    box, _, _ = mailbox(capacity=capacity)
    lane = box._user = Contested(Mail("waits") for _ in range(capacity - 1))
    lane.meanwhile = lambda: box.put(Mail("the last one"))

    with pytest.raises(Overloaded):
        box.put(Mail("one more"))

    assert box.depth == capacity


def test_system_mail_is_not_bounded() -> None:
    box, owner, dispatcher = mailbox(capacity=1)
    put(box, "command")

    for number in range(3):
        box.signal(number)
    dispatcher.run_until_idle()

    assert owner.seen == [0, 1, 2, "command"]


def test_depth_counts_the_commands_that_wait() -> None:
    box, _, dispatcher = mailbox(name="s-1")
    assert box.depth == 0

    put(box, "one", "two")
    box.signal("urgent")
    assert (box.depth, repr(box)) == (2, "<Mailbox s-1: 2 waiting>")

    dispatcher.run_until_idle()
    assert box.depth == 0


# --- owners come and go --------------------------------------------------------------------------


def test_mail_waits_for_the_first_owner() -> None:
    dispatcher = FifoDispatcher()
    box, owner = Mailbox(dispatcher), Owner()
    put(box, "one", "two")
    box.signal("urgent")
    dispatcher.run_until_idle()

    box.attach(owner)
    dispatcher.run_until_idle()

    assert box.owner is owner
    assert owner.seen == ["urgent", "one", "two"]


def test_mail_waits_from_one_owner_to_the_next() -> None:
    box, first, dispatcher = mailbox()
    put(box, "one", box.detach, "two", "three")
    dispatcher.run_until_idle()
    put(box, "four")
    dispatcher.run_until_idle()
    assert (box.owner, first.seen, box.depth) == (None, ["one"], 3)

    box.attach(second := Owner())
    dispatcher.run_until_idle()

    assert second.seen == ["two", "three", "four"]


def test_an_owner_that_is_replaced_within_a_command_gets_no_further_one() -> None:
    box, first, dispatcher = mailbox()
    second = Owner()

    put(box, "one", lambda: box.attach(second), "two")
    dispatcher.run_until_idle()

    assert (first.seen, second.seen) == (["one"], ["two"])


def test_a_suspended_mailbox_handles_only_system_mail() -> None:
    box, owner, dispatcher = mailbox()
    put(box, "one", box.suspend, "two")
    dispatcher.run_until_idle()

    put(box, "three")
    box.signal("urgent")
    dispatcher.run_until_idle()
    assert owner.seen == ["one", "urgent"]

    box.resume()
    dispatcher.run_until_idle()
    assert owner.seen == ["one", "urgent", "two", "three"]


def test_a_system_message_can_resume_its_own_mailbox() -> None:
    box, owner, dispatcher = mailbox()
    box.suspend()
    put(box, "one")

    box.signal(box.resume)
    dispatcher.run_until_idle()

    assert owner.seen == ["one"]


def test_resuming_a_mailbox_without_an_owner_does_nothing() -> None:
    box = Mailbox(FifoDispatcher())

    box.resume()

    assert box.owner is None


# --- closing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", [Mailbox.put, Mailbox.put_system], ids=["command", "system"])
def test_a_closed_mailbox_hands_the_message_back(lane: Any) -> None:
    box, _, _ = mailbox(name="s-1")
    box.close()

    with pytest.raises(MailboxClosed) as refusal:
        lane(box, Mail("late"))

    assert (refusal.value.name, refusal.value.returned) == ("s-1", "late")
    assert box.closed


@pytest.mark.parametrize("lane", [Mailbox.put, Mailbox.put_system], ids=["command", "system"])
def test_closing_answers_every_ask_that_waits(lane: Any) -> None:
    box, owner, dispatcher = mailbox(name="s-1")
    replies = [ask(box, number, lane) for number in range(3)]

    box.close()

    errors = [reply.error for reply in replies]
    assert [type(error) for error in errors] == [MailboxClosed] * 3
    assert [error.returned for error in errors if isinstance(error, MailboxClosed)] == [0, 1, 2]
    dispatcher.run_until_idle()
    assert owner.seen == []


def test_closing_answers_with_the_error_it_is_given() -> None:
    box, _, _ = mailbox()
    reply = ask(box, "one", Mailbox.put)

    box.close(lambda message: SessionClosed("s-1", returned=message))

    assert isinstance(reply.error, SessionClosed)
    assert reply.error.returned == "one"


def test_closing_within_a_command_leaves_the_rest_unhandled() -> None:
    box, owner, dispatcher = mailbox()
    put(box, "one", box.close)
    reply = ask(box, "two", Mailbox.put)

    dispatcher.run_until_idle()

    assert owner.seen == ["one"]
    assert isinstance(reply.error, MailboxClosed)


def test_tells_left_behind_are_counted_and_logged() -> None:
    box, _, _ = mailbox(name="s-1")
    put(box, "one", 2)
    before = Mailbox.dropped.count

    with logged() as logs:
        box.close()

    assert Mailbox.dropped.count == before + 2
    assert [(entry["event"], entry["actor"], entry["message"]) for entry in logs] == [
        ("message_dropped", "s-1", "str"),
        ("message_dropped", "s-1", "int"),
    ]


def test_a_signal_to_a_closed_mailbox_is_none_of_the_senders_business() -> None:
    box, _, _ = mailbox()
    box.close()
    before = Mailbox.dropped.count

    box.signal("nobody is left to care")

    assert Mailbox.dropped.count == before


@pytest.mark.parametrize("lane", [Mailbox.put, Mailbox.put_system], ids=["command", "system"])
def test_a_close_just_before_a_put_refuses_it(lane: Any) -> None:
    box, _, _ = mailbox()

    box._lock = Interrupted(before=box.close)

    with pytest.raises(MailboxClosed):
        ask(box, "late", lane)


@pytest.mark.parametrize("lane", [Mailbox.put, Mailbox.put_system], ids=["command", "system"])
def test_a_close_just_after_a_put_answers_it(lane: Any) -> None:
    box, owner, dispatcher = mailbox()

    box._lock = Interrupted(after=box.close)
    reply = ask(box, "just in time", lane)
    dispatcher.run_until_idle()

    assert isinstance(reply.error, MailboxClosed)
    assert owner.seen == []


def test_a_put_just_before_a_close_is_answered() -> None:
    box, _, _ = mailbox()
    replies: list[Reply[Any]] = []

    box._lock = Interrupted(before=lambda: replies.append(ask(box, "one", Mailbox.put)))
    box.close()

    assert isinstance(replies[0].error, MailboxClosed)


def test_a_put_just_before_a_close_if_idle_keeps_the_mailbox_open() -> None:
    box, owner, dispatcher = mailbox()

    box._lock = Interrupted(before=lambda: put(box, "one"))
    assert not box.close_if_idle()

    dispatcher.run_until_idle()
    assert owner.seen == ["one"]


# --- putting without the lock --------------------------------------------------------------------


class Lane(deque[Mail]):
    """A lane in which somebody else acts just before mail is appended, just after it, or between
    being taken off a mailbox and being looked into once more."""

    def __init__(self, box: Mailbox, **acts: Callable[[], Any]) -> None:
        super().__init__(box._user or ())
        self.box, self.acts = box, acts
        box._user = self

    def act(self, moment: str) -> None:
        self.acts.pop(moment, bool)()

    def append(self, mail: Mail) -> None:
        self.act("before")
        super().append(mail)
        self.act("after")

    def remove(self, mail: Mail) -> None:
        assert self.box._user is not self, "its mail is being handled without the lock"
        super().remove(mail)

    def __len__(self) -> int:
        if self.box._user is not self:
            self.act("off")
        return super().__len__()


@pytest.fixture(autouse=True)
def _with_the_interpreters_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.kernel.mailbox._ONE_AT_A_TIME", True)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_mail_for_a_lane_that_is_run_dry_meanwhile_is_handled_once(moment: str) -> None:
    box, owner, dispatcher = mailbox()
    put(box, "one")

    Lane(box, **{moment: dispatcher.run_until_idle})
    put(box, "two")
    put(box, "three")
    dispatcher.run_until_idle()

    assert owner.seen == ["one", "two", "three"]


@pytest.mark.parametrize("back", [False, True], ids=["handled", "waiting"])
def test_mail_for_a_lane_that_is_just_taken_off_puts_it_on_again(back: bool) -> None:
    """The mail is there, and whoever put it has not looked yet whether the lane is."""
    box, owner, dispatcher = mailbox()
    put(box, "one")
    lane = Lane(box, off=lambda: deque.append(lane, late))
    late = Mail("late")

    assert box.run(1)  # it was taken off, and put on again
    assert box._user is lane
    if not back:
        dispatcher.run_until_idle()
    box._put_again(late, lane)
    dispatcher.run_until_idle()

    assert owner.seen == ["one", "late"]


def test_mail_for_a_lane_that_close_has_emptied_is_refused() -> None:
    box, _, _ = mailbox()
    put(box, "one")
    Lane(box, before=box.close)

    with pytest.raises(MailboxClosed) as refusal:
        ask(box, "late", Mailbox.put)

    assert refusal.value.returned == "late"


@pytest.mark.parametrize("moment", ["after", "off"])
def test_mail_for_a_lane_that_close_empties_is_answered_once(moment: str) -> None:
    box, owner, dispatcher = mailbox()
    put(box, "one")
    reply: Reply[Any] = Reply()
    mail = Mail("late", reply)
    before = Reply.late_sets.count

    if moment == "after":
        Lane(box, after=box.close)
        box.put(mail)
    else:
        lane = Lane(box, off=lambda: deque.append(lane, mail))
        box.close()
        box._put_again(mail, lane)
    dispatcher.run_until_idle()

    assert isinstance(reply.error, MailboxClosed)
    assert (owner.seen, Reply.late_sets.count) == ([], before)


def test_a_mailbox_is_not_idle_if_mail_comes_as_its_lane_is_taken_off() -> None:
    box, owner, dispatcher = mailbox()
    closed: list[bool] = []
    put(box, lambda: closed.append(box.close_if_idle()))
    lane = Lane(box, off=lambda: deque.append(lane, Mail("late")))

    dispatcher.run_until_idle()

    assert (closed, owner.seen) == ([False], ["late"])


def test_mail_for_a_lane_of_a_mailbox_that_was_idle_is_refused() -> None:
    box, owner, dispatcher = mailbox()
    refused: list[MailboxClosed] = []

    def late() -> None:
        Lane(box, before=box.close_if_idle)
        with pytest.raises(MailboxClosed) as refusal:
            put(box, "late")
        refused.append(refusal.value)

    put(box, late)
    dispatcher.run_until_idle()

    assert [error.returned for error in refused] == ["late"]
    assert owner.seen == []


def test_without_the_interpreters_lock_every_put_takes_the_mailboxs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("greenroom.actors.kernel.mailbox._ONE_AT_A_TIME", False)
    box, _, _ = mailbox()
    put(box, "one")
    box._lock = Interrupted(before=box.close)

    with pytest.raises(MailboxClosed):
        put(box, "two")


def test_closing_twice_answers_nobody_twice() -> None:
    box, _, _ = mailbox()
    reply = ask(box, "one", Mailbox.put)
    before = Reply.late_sets.count

    box.close()
    box.close(lambda message: SessionClosed("s-1", returned=message))

    assert isinstance(reply.error, MailboxClosed)
    assert Reply.late_sets.count == before


def test_a_stop_that_another_stop_overtook_is_answered_true() -> None:
    """Whoever asked to stop got what was asked for."""
    box, _, _ = mailbox()
    before = Mailbox.dropped.count
    reply = ask(box, messages._ActorStop(), Mailbox.put_system)
    box.signal(messages._ActorStop())

    box.close()

    assert reply.result() is True
    assert Mailbox.dropped.count == before


def test_a_log_that_fails_leaves_no_ask_unanswered() -> None:
    box, _, _ = mailbox()
    put(box, "tell")
    reply = ask(box, "ask", Mailbox.put)

    with logged(unwritable):
        box.close()

    assert isinstance(reply.error, MailboxClosed)


def test_a_closed_mailbox_lets_its_owner_go() -> None:
    box = Mailbox(FifoDispatcher())
    box.attach(owner := Owner())
    gone = weakref.ref(owner)

    del owner
    assert gone() is not None
    box.close()

    assert gone() is None


def test_a_closed_mailbox_takes_no_new_owner() -> None:
    box, _, _ = mailbox()
    box.close()

    box.attach(Owner())

    assert box.owner is None


def test_close_if_idle_leaves_a_mailbox_open_in_which_a_command_waits() -> None:
    box, owner, dispatcher = mailbox()
    put(box, "one")

    assert not box.close_if_idle()

    dispatcher.run_until_idle()
    assert (box.closed, owner.seen) == (False, ["one"])


def test_close_if_idle_leaves_a_mailbox_open_in_which_a_question_waits() -> None:
    box, owner, dispatcher = mailbox()
    reply = ask(box, "how are you", Mailbox.put_system)

    assert not box.close_if_idle()

    dispatcher.run_until_idle()
    assert (box.closed, owner.seen) == (False, ["how are you"])
    assert not isinstance(reply.error, MailboxClosed)


def test_close_if_idle_closes_an_idle_mailbox_whatever_it_was_told() -> None:
    box, _, _ = mailbox()
    box.signal("by the way")

    assert box.close_if_idle()

    assert (box.closed, box.owner) == (True, None)
    assert box.close_if_idle()
