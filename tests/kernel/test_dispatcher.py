from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

import pytest
from house import FifoDispatcher, Gate, LoopThread, SeededDispatcher, loop_thread, run

from greenroom.actors.kernel.dispatcher import PASS, SHARED, THROUGHPUT, LoopDispatcher


class StepLoop:
    """The two calls a dispatcher makes to its loop, noted; the test runs what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Callable[[], None], Context]] = []
        self.from_other_threads = 0

    def call_soon(self, callback: Callable[[], None], *, context: Context) -> None:
        self.asked.append((callback, context))

    def call_soon_threadsafe(self, callback: Callable[[], None], *, context: Context) -> None:
        self.from_other_threads += 1
        self.asked.append((callback, context))

    def once(self) -> None:
        """Run what was asked for until now, as one turn of the loop."""
        asked, self.asked = self.asked, []
        for callback, context in asked:
            context.run(callback)


class Box:
    """Notes each run, and asks for as many further ones as it is told to."""

    def __init__(self, act: Callable[[], Any] = lambda: None, *, again: int = 0) -> None:
        self.runs: list[int] = []
        self._act, self._again = act, again

    def run(self, throughput: int) -> bool:
        self.runs.append(throughput)
        self._act()
        self._again -= 1
        return self._again >= 0


def stepped(loop: StepLoop) -> LoopDispatcher:
    return LoopDispatcher(loop)  # type: ignore[arg-type]


def in_threads(count: int, act: Callable[[int], Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=act, args=[n], daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


def joined(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), f"{thread.name} never ended"


# --- waking --------------------------------------------------------------------------------------


def test_nothing_runs_within_schedule() -> None:
    loop, box = StepLoop(), Box()

    stepped(loop).schedule(box)
    assert box.runs == []

    loop.once()
    assert box.runs == [SHARED]


def test_the_loop_is_woken_once_for_many_mailboxes() -> None:
    loop = StepLoop()
    dispatcher = stepped(loop)
    boxes = [Box() for _ in range(10)]

    for box in boxes:
        dispatcher.schedule(box)

    assert (len(loop.asked), loop.from_other_threads) == (1, 0)
    loop.once()
    assert all(box.runs for box in boxes)


def test_another_thread_wakes_the_loop_once_for_many_mailboxes() -> None:
    loop = StepLoop()
    dispatcher = stepped(loop)

    joined(in_threads(1, lambda _: [dispatcher.schedule(Box()) for _ in range(10)]))

    assert (len(loop.asked), loop.from_other_threads) == (1, 1)


def test_two_threads_that_find_the_loop_asleep_wake_it_once() -> None:
    """A second wake would run a second pass per turn of the loop for as long as there is work."""
    both = threading.Barrier(2)

    class Slow(LoopDispatcher):
        def _arm(self) -> None:
            both.wait(20)
            super()._arm()

    loop = StepLoop()
    dispatcher = Slow(loop)  # type: ignore[arg-type]
    boxes = [Box(), Box()]

    joined(in_threads(2, lambda n: dispatcher.schedule(boxes[n])))

    assert len(loop.asked) == 1
    loop.once()
    assert [len(box.runs) for box in boxes] == [1, 1]


def test_a_mailbox_scheduled_while_others_run_is_not_forgotten() -> None:
    """The thread that appends sees the loop awake and leaves it to look again."""
    loop, late = StepLoop(), Box()
    dispatcher = stepped(loop)
    dispatcher.schedule(Box(lambda: joined(in_threads(1, lambda _: dispatcher.schedule(late)))))

    loop.once()
    assert (late.runs, loop.from_other_threads) == ([], 0)
    loop.once()

    assert len(late.runs) == 1


def test_a_dispatcher_that_ran_dry_is_woken_anew() -> None:
    loop = StepLoop()
    dispatcher = stepped(loop)

    for _ in range(3):
        dispatcher.schedule(box := Box())
        loop.once()
        assert (len(box.runs), loop.asked) == (1, [])


def test_no_mailbox_is_lost_between_threads() -> None:
    per_thread = 500
    boxes = [[Box() for _ in range(per_thread)] for _ in range(4)]
    start, left = threading.Barrier(4), [4 * per_thread]
    all_ran = Gate("the run of every mailbox")

    def ran() -> None:
        left[0] -= 1  # only the loop's thread comes here
        if not left[0]:
            all_ran.open()

    def schedule(dispatcher: LoopDispatcher, mine: list[Box]) -> None:
        start.wait(20)
        for box in mine:
            box._act = ran
            dispatcher.schedule(box)

    with loop_thread() as beside:
        joined(in_threads(4, lambda n: schedule(beside.dispatcher, boxes[n])))
        all_ran.passed()

    assert all(len(box.runs) == 1 for mine in boxes for box in mine)


# --- fairness ------------------------------------------------------------------------------------


def test_a_mailbox_with_more_to_do_goes_to_the_end_of_the_line() -> None:
    loop, order = StepLoop(), []
    dispatcher = stepped(loop)
    dispatcher.schedule(Box(lambda: order.append("busy"), again=1))
    dispatcher.schedule(Box(lambda: order.append("other")))

    loop.once()
    loop.once()

    assert order == ["busy", "other", "busy"]


@pytest.mark.parametrize(
    ("count", "each"), [(1, SHARED), (2, SHARED // 2), (SHARED // THROUGHPUT, THROUGHPUT)]
)
def test_few_mailboxes_share_what_is_handled_in_one_pass(count: int, each: int) -> None:
    loop = StepLoop()
    dispatcher = stepped(loop)
    boxes = [Box() for _ in range(count)]
    for box in boxes:
        dispatcher.schedule(box)

    loop.once()

    assert [box.runs for box in boxes] == [[each]] * count


def test_many_mailboxes_have_their_throughput_each() -> None:
    loop = StepLoop()
    dispatcher = stepped(loop)
    boxes = [Box() for _ in range(SHARED)]
    for box in boxes:
        dispatcher.schedule(box)

    loop.once()

    assert all(box.runs == [THROUGHPUT] for box in boxes)


def test_the_loop_sees_to_its_other_work_after_one_pass() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        dispatcher = LoopDispatcher(loop)
        boxes = [Box() for _ in range(PASS + 1)]
        for box in boxes:
            dispatcher.schedule(box)
        ran = []
        for _ in range(2):
            await asyncio.sleep(0)
            ran.append(sum(len(box.runs) for box in boxes))
        return ran

    assert run(main()) == [PASS, PASS + 1]


# --- threads and contexts ------------------------------------------------------------------------


def test_mailboxes_run_on_the_loops_thread() -> None:
    ran, on = Gate("the run of the mailbox"), []

    with loop_thread() as beside:
        beside.dispatcher.schedule(Box(lambda: (on.append(threading.get_ident()), ran.open())))
        ran.passed()
        assert on == [beside.do(threading.get_ident)]


def test_is_current_holds_on_the_loops_thread_only() -> None:
    with loop_thread() as beside:
        assert beside.do(beside.dispatcher.is_current)
        assert not beside.dispatcher.is_current()


def test_nothing_of_the_context_that_woke_the_loop_is_seen_by_actors() -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []
    loop = StepLoop()

    before = request.set("r-1")
    dispatcher = stepped(loop)
    dispatcher.schedule(Box(lambda: seen.append(request.get())))
    request.reset(before)
    loop.once()

    assert seen == ["none"]


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit()])
def test_a_mailbox_that_raises_does_not_put_the_others_to_sleep(error: BaseException) -> None:
    """A signal can interrupt a run anywhere, also outside of the actor that contains its own."""
    failures = [error]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    loop, interrupted, after = StepLoop(), Box(fail_once), Box()
    dispatcher = stepped(loop)
    dispatcher.schedule(interrupted)
    dispatcher.schedule(after)

    with pytest.raises(type(error)):
        loop.once()
    loop.once()
    assert (len(interrupted.runs), len(after.runs)) == (2, 1)

    dispatcher.schedule(later := Box())
    loop.once()
    assert len(later.runs) == 1


# --- the dispatchers of the tests ----------------------------------------------------------------


def test_the_same_seed_replays_the_same_order() -> None:
    def order(seed: int) -> list[int]:
        dispatcher, ran = SeededDispatcher(seed), []
        for number in range(20):
            dispatcher.schedule(Box(lambda number=number: ran.append(number), again=1))
        dispatcher.run_until_idle()
        return ran

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted([*range(20), *range(20)])


def test_a_mailbox_scheduled_twice_is_found() -> None:
    dispatcher, box = FifoDispatcher(), Box()
    dispatcher.schedule(box)
    dispatcher.schedule(box)

    with pytest.raises(AssertionError, match="scheduled again"):
        dispatcher.step()


def test_the_dispatchers_of_the_tests_belong_to_the_thread_that_made_them() -> None:
    dispatcher = SeededDispatcher(0)

    def elsewhere(beside: LoopThread) -> bool:
        return beside.do(dispatcher.is_current)

    with loop_thread() as beside:
        assert (dispatcher.is_current(), elsewhere(beside)) == (True, False)
