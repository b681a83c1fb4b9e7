"""P2: one command at a time per session. The kernel's part."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from house import GUARD_S, FifoDispatcher, Gate, Probe, loop_thread, probe

from greenroom.actors.kernel.dispatcher import Runnable
from greenroom.actors.kernel.mailbox import Mail, Mailbox


class Jealous(Probe):
    """Counts the messages that came while another one was in hand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.overlaps = 0
        self._in_hand = threading.Lock()

    def handle(self, mail: Mail) -> None:
        if not self._in_hand.acquire(blocking=False):
            self.overlaps += 1
            return
        try:
            super().handle(mail)
        finally:
            self._in_hand.release()


class PoolDispatcher:
    """Runs mailboxes on as many threads as it is given: only the mailbox itself keeps order."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def schedule(self, box: Runnable) -> None:
        self._pool.submit(self._run, box)

    def is_current(self) -> bool:
        return False

    def _run(self, box: Runnable) -> None:
        if box.run(throughput=2):
            self.schedule(box)


def test_p02_an_actor_that_tells_itself_is_not_entered_again() -> None:
    dispatcher = FifoDispatcher()
    ref = Jealous.start(dispatcher)
    actor = ref.actor_inbox.owner
    box = ref.actor_inbox

    def busy(_: Any) -> None:
        ref.tell("told while busy")
        box.signal("signalled while busy")
        box.suspend()
        box.resume()

    for _ in range(3):
        ref.tell(busy)
    dispatcher.run_until_idle()

    assert isinstance(actor, Jealous)
    assert (actor.overlaps, len(actor.seen)) == (0, 6)


@pytest.mark.parametrize("attempt", range(3))
def test_p02_a_mailbox_is_never_run_by_two_threads_at_once(attempt: int) -> None:
    senders, each = 3, 200
    start, all_came = threading.Barrier(senders), Gate("the last of the messages")
    count = [0]

    def handled(_: Any) -> None:
        count[0] += 1  # safe for as long as the promise holds
        if count[0] == senders * each:
            all_came.open()

    with ThreadPoolExecutor(4) as pool:
        box = Mailbox(PoolDispatcher(pool), capacity=senders * each)
        actor = Jealous(mailbox=box)
        box.attach(actor)

        def send() -> None:
            start.wait(GUARD_S)
            for number in range(each):
                lane = box.put_system if number % 3 == 0 else box.put
                lane(Mail(handled))

        threads = [threading.Thread(target=send, daemon=True) for _ in range(senders)]
        for thread in threads:
            thread.start()
        all_came.passed()
        for thread in threads:
            thread.join(GUARD_S)

    assert (actor.overlaps, count[0]) == (0, senders * each)


def test_p02_all_actors_of_a_loop_run_on_its_one_thread() -> None:
    with loop_thread() as beside:
        refs = beside.do(lambda: [probe(beside.dispatcher)[1] for _ in range(20)])
        threads = {ref.ask(lambda _: threading.get_ident(), timeout=GUARD_S) for ref in refs}

        assert threads == {beside.do(threading.get_ident)}
