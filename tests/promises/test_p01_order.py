"""P1: commands from one sender to one session are handled in the order sent. The kernel's part."""

from __future__ import annotations

import threading
from typing import Any

from house import GUARD_S, FifoDispatcher, Gate, loop_thread, probe

from greenroom.actors.kernel.dispatcher import THROUGHPUT
from greenroom.actors.kernel.mailbox import Mailbox


def test_p01_commands_are_handled_in_the_order_sent_however_they_are_sent() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)
    proxy: Any = ref.proxy()

    for number in range(0, 3 * THROUGHPUT, 3):
        ref.tell(number)
        ref.ask(number + 1, block=False)
        proxy.on_receive(number + 2)
    dispatcher.run_until_idle()

    assert actor.seen == list(range(3 * THROUGHPUT))


def test_p01_order_survives_suspension_and_system_mail() -> None:
    dispatcher = FifoDispatcher()
    actor, ref = probe(dispatcher)
    box = ref.actor_inbox

    for number in range(10):
        ref.tell(number)
        if number == 3:
            ref.tell(lambda _: box.suspend())
    dispatcher.run_until_idle()
    box.signal(lambda _: ref.tell(10))
    dispatcher.run_until_idle()
    box.signal(lambda _: box.resume())
    dispatcher.run_until_idle()

    assert actor.seen == list(range(11))


def test_p01_order_survives_a_change_of_owner() -> None:
    dispatcher = FifoDispatcher()
    box = Mailbox(dispatcher)
    actors = [probe(mailbox=box)[0]]
    ref = actors[0].actor_ref

    for number in range(9):
        ref.tell(number)
        if number % 3 == 2:
            ref.tell(lambda _: box.detach())
    for _ in range(2):
        dispatcher.run_until_idle()
        actors.append(probe(mailbox=box)[0])
    dispatcher.run_until_idle()

    assert [actor.seen for actor in actors] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_p01_every_thread_keeps_its_own_order() -> None:
    senders, each = 3, 300
    start, all_came = threading.Barrier(senders), Gate("the last of the messages")

    with loop_thread() as beside:
        actor, ref = beside.do(lambda: probe(beside.dispatcher, capacity=senders * each + senders))

        def send(sender: int) -> None:
            start.wait(GUARD_S)
            for number in range(each):
                ref.tell((sender, number))

        threads = [threading.Thread(target=send, args=[n], daemon=True) for n in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GUARD_S)
        ref.tell(lambda _: all_came.open())
        all_came.passed()

    for sender in range(senders):
        assert [number for name, number in actor.seen if name == sender] == list(range(each))
