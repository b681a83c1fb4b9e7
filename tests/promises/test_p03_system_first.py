"""P3: system messages overtake queued commands; a batch delays them by at most one command."""

from __future__ import annotations

from typing import Any

import pytest
from house import GUARD_S, FifoDispatcher, Gate, loop_thread, probe

from greenroom.actors.kernel.dispatcher import THROUGHPUT


def test_p03_system_messages_overtake_all_queued_commands() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    for number in range(3 * THROUGHPUT):
        ref.tell(number)
    ref.actor_inbox.signal("first")
    ref.actor_inbox.signal("second")
    dispatcher.run_until_idle()

    assert actor.seen == ["first", "second", *range(3 * THROUGHPUT)]


@pytest.mark.parametrize("in_hand", [0, 1, THROUGHPUT - 1, THROUGHPUT, 2 * THROUGHPUT])
def test_p03_a_batch_delays_a_system_message_by_the_command_in_hand_only(in_hand: int) -> None:
    """Wherever in a batch it comes, from another thread; also at the end of one."""
    begun, hold = Gate("the command before the signal"), Gate("the release of the command")
    commands = 3 * THROUGHPUT

    def command(number: int) -> Any:
        def handle(actor: Any) -> None:
            actor.seen.append(number)
            if number == in_hand:
                begun.open()
                hold.passed()

        return handle

    with loop_thread() as beside:
        actor, ref = beside.do(lambda: probe(beside.dispatcher))
        beside.do(lambda: [ref.tell(command(number)) for number in range(commands)])
        begun.passed()
        ref.actor_inbox.signal("urgent")
        hold.open()
        ref.ask("last", timeout=GUARD_S)

    assert actor.seen.index("urgent") == in_hand + 1
    assert [seen for seen in actor.seen if seen != "urgent"] == [*range(commands), "last"]


def test_p03_a_stop_overtakes_all_queued_commands() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)

    for number in range(THROUGHPUT):
        ref.tell(number)
    stopped = ref.stop(block=False)
    dispatcher.run_until_idle()

    assert stopped.result() is True
    assert (actor.seen, actor.life) == ([], ["started", "stopped"])


def test_p03_a_full_or_suspended_mailbox_still_takes_system_messages() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher, capacity=1)

    ref.tell("command")
    ref.actor_inbox.suspend()
    ref.actor_inbox.signal("urgent")
    dispatcher.run_until_idle()

    assert actor.seen == ["urgent"]
