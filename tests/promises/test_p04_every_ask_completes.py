"""P4: every ask completes, also when a put races a close. The kernel's part."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from house import GUARD_S, FifoDispatcher, Probe, logged, loop_thread, probe

from greenroom.actors.errors import MailboxClosed, Overloaded, SessionClosed
from greenroom.actors.kernel.actor import Actor, Ref
from greenroom.actors.kernel.reply import Reply


def crash(_: Actor) -> None:
    raise ValueError("no")


def close_with_its_own_error(ref: Ref[Any]) -> None:
    ref.actor_inbox.close(lambda message: SessionClosed("s-1", returned=message))


ENDS: dict[str, Callable[[Ref[Any]], Any]] = {
    "stop": lambda ref: ref.stop(block=False),
    "stop itself": lambda ref: ref.actor_inbox.signal(lambda actor: actor.stop()),
    "crash": lambda ref: ref.actor_inbox.signal(crash),
    "close": lambda ref: ref.actor_inbox.signal(lambda actor: actor.actor_inbox.close()),
    "close with its own error": lambda ref: ref.actor_inbox.signal(
        lambda _: close_with_its_own_error(ref)
    ),
    "close as soon as it is idle": lambda ref: ref.actor_inbox.signal(
        lambda actor: actor.actor_inbox.close_if_idle()
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_p04_asks_that_wait_at_the_end_of_an_actor_are_answered(end: str) -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher)

    waiting = [ref.ask(number, block=False) for number in range(3)]
    ENDS[end](ref)
    with logged():
        dispatcher.run_until_idle()
        ENDS[end](ref)
        dispatcher.run_until_idle()
    late = ref.ask("late", block=False)

    assert all(reply.done for reply in waiting)
    assert isinstance(late.error, MailboxClosed)
    if end == "close as soon as it is idle":  # it was not: commands waited
        assert [reply.result() for reply in waiting] == [0, 1, 2]
    else:
        errors: list[Any] = [reply.error for reply in waiting]
        assert {type(error) for error in errors} <= {MailboxClosed, SessionClosed}
        assert [error.returned for error in errors] == [0, 1, 2]


def test_p04_the_ask_in_hand_is_answered_when_its_handler_crashes() -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher)

    in_hand = ref.ask(crash, block=False)
    with logged():
        dispatcher.run_until_idle()

    assert isinstance(in_hand.error, ValueError)


def test_p04_an_ask_of_a_full_mailbox_is_answered_at_once() -> None:
    _, ref = probe(FifoDispatcher(), capacity=1)
    ref.tell("fills it")

    assert isinstance(ref.ask("one", block=False).error, Overloaded)


def test_p04_asks_between_two_owners_wait_for_the_next_or_for_the_close() -> None:
    dispatcher = FifoDispatcher()
    _, ref = probe(dispatcher)
    box = ref.actor_inbox
    box.detach()
    first = ref.ask("one", block=False)
    dispatcher.run_until_idle()
    assert not first.done

    probe(mailbox=box)
    dispatcher.run_until_idle()
    assert first.result() == "one"

    box.detach()
    second = ref.ask("two", block=False)
    box.close()
    assert isinstance(second.error, MailboxClosed)


@pytest.mark.parametrize("end", ENDS)
def test_p04_asks_that_race_the_end_of_an_actor_complete(end: str) -> None:
    """Real threads, both at once, many times over; a lost ask fails as a `ReplyTimeout`."""
    rounds, askers, each = 60, 2, 5
    start = threading.Barrier(askers + 1)
    replies: list[Reply[Any]] = []

    def ask(refs: list[Ref[Any]]) -> None:
        for ref in refs:
            start.wait(GUARD_S)
            replies.extend(ref.ask(number, block=False) for number in range(each))

    with logged(), loop_thread() as beside:
        refs = beside.do(lambda: [Probe.start(beside.dispatcher) for _ in range(rounds)])
        threads = [threading.Thread(target=ask, args=[refs], daemon=True) for _ in range(askers)]
        for thread in threads:
            thread.start()
        for ref in refs:
            start.wait(GUARD_S)
            ENDS[end](ref)
        for thread in threads:
            thread.join(GUARD_S)
        completed = [completes(reply) for reply in replies]

    assert completed == [True] * (rounds * askers * each)


def completes(reply: Reply[Any]) -> bool:
    try:
        return reply.get(timeout=GUARD_S) in range(5)
    except (MailboxClosed, SessionClosed):
        return True
