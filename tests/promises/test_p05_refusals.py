"""P5: a refused command comes back with a typed reason; a dropped one is counted and logged."""

from __future__ import annotations

from typing import Any

import pykka
import pytest
from house import FifoDispatcher, logged, probe

from greenroom.actors.errors import GreenroomError, MailboxClosed, Overloaded, WouldDeadlock
from greenroom.actors.kernel.actor import Ref
from greenroom.actors.kernel.mailbox import Mailbox


def stopped() -> Ref[Any]:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher, name="s-1")
    ref.stop(block=False)
    dispatcher.run_until_idle()
    return ref


def full() -> Ref[Any]:
    _, ref = probe(FifoDispatcher(), name="s-1", capacity=1)
    ref.tell("fills it")
    return ref


@pytest.mark.parametrize(("refusing", "reason"), [(stopped, MailboxClosed), (full, Overloaded)])
def test_p05_a_refused_ask_is_answered_with_the_reason_and_the_message(
    refusing: Any, reason: type[GreenroomError]
) -> None:
    message = object()

    reply = refusing().ask(message, block=False)

    assert type(reply.error) is reason
    assert (reply.error.name, reply.error.returned) == ("s-1", message)
    with pytest.raises(reason):
        reply.result()


@pytest.mark.parametrize(("refusing", "reason"), [(stopped, MailboxClosed), (full, Overloaded)])
def test_p05_a_refused_tell_raises_the_reason_with_the_message(
    refusing: Any, reason: type[GreenroomError]
) -> None:
    message, ref = object(), refusing()
    before = Mailbox.dropped.count

    with pytest.raises(reason) as refusal:
        ref.tell(message)

    error: Any = refusal.value
    assert (error.name, error.returned) == ("s-1", message)
    assert Mailbox.dropped.count == before, "what the caller still has is not dropped"


def test_p05_a_pykka_program_knows_the_refusal_of_a_stopped_actor() -> None:
    with pytest.raises(pykka.ActorDeadError):
        stopped().tell("late")


def test_p05_only_a_full_mailbox_says_that_trying_again_may_help() -> None:
    overloaded = full().ask("one", block=False).error
    closed = stopped().ask("one", block=False).error

    assert isinstance(overloaded, Overloaded)
    assert (overloaded.retryable, overloaded.retry_after_s > 0) == (True, True)
    assert (overloaded.depth, overloaded.capacity) == (1, 1)
    assert isinstance(closed, MailboxClosed)
    assert not closed.retryable


def test_p05_tells_that_an_actor_leaves_behind_are_counted_and_logged() -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher, name="s-1")
    before = Mailbox.dropped.count

    ref.tell("one")
    ref.tell("two")
    ref.stop(block=False)
    with logged() as lines:
        dispatcher.run_until_idle()

    assert Mailbox.dropped.count == before + 2
    assert [(line["event"], line["actor"], line["message"]) for line in lines] == [
        ("message_dropped", "s-1", "str")
    ] * 2


def test_p05_an_ask_that_would_deadlock_is_refused_before_it_is_queued() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    with pytest.raises(WouldDeadlock):
        ref.ask("blocking")

    dispatcher.run_until_idle()
    assert actor.seen == []
