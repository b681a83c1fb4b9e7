from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from house import FifoDispatcher, Gate
from theatre import play, settle

from greenroom.actors import sinks
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.sinks import CallbackSink, IteratorSink


@pytest.fixture(autouse=True)
def _waits_with_the_first_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test says otherwise, an iterator takes one batch at a time."""
    monkeypatch.setattr(sinks, "HOLD", 1)


def iterator() -> IteratorSink:
    return IteratorSink(FifoDispatcher())


def give(sink: IteratorSink, *items: Any) -> Reply[None]:
    pulled = sink.deliver(items)
    assert isinstance(pulled, Reply)
    return pulled


def wanted(sink: IteratorSink) -> Reply[bool]:
    """What a reader waits for that has read everything."""
    reply = sink.pull()
    assert isinstance(reply, Reply)
    return reply


# --- an iterator ---------------------------------------------------------------------------------


def test_a_batch_is_pulled_in_order_and_done_with_its_last_item() -> None:
    sink = iterator()
    pulled = give(sink, 1, 2, 3)

    assert [sink.pull(), sink.pull()] == [1, 2]
    assert not pulled.done
    assert sink.pull() == 3

    assert pulled.done


def test_a_reader_that_was_faster_is_woken_by_the_next_batch() -> None:
    sink = iterator()
    reply = wanted(sink)
    assert not reply.done

    give(sink, 1)

    assert reply.done
    assert sink.pull() == 1
    assert not wanted(sink).done


def test_an_iterator_takes_batches_until_it_holds_as_many_as_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sinks, "HOLD", 4)
    sink = iterator()

    assert sink.deliver([1, 2]) is None
    assert sink.deliver([3]) is None
    pulled = give(sink, 4, 5, 6)
    assert [sink.pull() for _ in range(5)] == [1, 2, 3, 4, 5]
    assert not pulled.done
    assert sink.pull() == 6

    assert pulled.done
    assert sink.deliver([7]) is None


def test_a_reader_that_waits_twice_waits_for_the_same() -> None:
    sink = iterator()

    assert wanted(sink) is wanted(sink)


def test_many_batches_are_pulled_without_a_reader_left_behind() -> None:
    sink = iterator()

    for number in range(100):
        reply = wanted(sink)
        pulled = give(sink, number)
        assert reply.done
        assert (sink.pull(), pulled.done) == (number, True)


def test_a_closed_sink_ends_when_all_is_pulled() -> None:
    sink = iterator()
    give(sink, 1, 2)

    sink.close(None)

    assert [sink.pull(), sink.pull(), sink.pull(), sink.pull()] == [1, 2, None, None]


def test_closing_wakes_a_reader_that_waits() -> None:
    sink = iterator()
    reply = wanted(sink)

    sink.close(None)

    assert reply.done
    assert sink.pull() is None


def test_what_broke_a_subscription_is_raised_once_after_what_was_delivered() -> None:
    sink = iterator()
    give(sink, 1)

    sink.close(ValueError("broken"))

    assert sink.pull() == 1
    with pytest.raises(ValueError, match="broken"):
        sink.pull()
    assert sink.pull() is None


def test_a_last_batch_that_comes_with_the_end_while_a_thread_looks_is_pulled() -> None:
    class Raced(IteratorSink):
        """Its writer delivers and closes between two steps of a reader's `pull`."""

        looked = False

        @property
        def _batch(self) -> Any:
            if not self.looked:
                self.looked = True
                self.deliver([1])
                self.close(None)
                return deque()
            return self.held

        @_batch.setter
        def _batch(self, batch: Any) -> None:
            self.held = batch

    sink = Raced(FifoDispatcher())
    sink.looked = False

    found = []
    while (item := sink.pull()) is not None:
        found += [] if isinstance(item, Reply) else [item]

    assert found == [1]


def test_a_thread_pulls_what_another_one_delivers() -> None:
    sink, got, done = iterator(), [], Gate("the reader's end")

    def read() -> None:
        while (item := sink.pull()) is not None:
            if isinstance(item, Reply):
                item.get(timeout=20)
            else:
                got.append(item)
        done.open()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    for number in range(0, 300, 3):
        taken = Gate(f"the end of batch {number}")
        give(sink, number, number + 1, number + 2).on_done(lambda _, taken=taken: taken.open())
        taken.passed()
    sink.close(None)
    done.passed()

    assert got == list(range(300))


# --- a function ----------------------------------------------------------------------------------


def called(callback: Callable[[Any], Any], *items: Any) -> list[Exception | None]:
    """Deliver `items` in one batch, let all of it happen, and close."""
    closed: list[Exception | None] = []

    async def scene() -> None:
        sink = CallbackSink(callback, closed.append)
        done = sink.deliver(items)
        if done is not None:
            await done
        sink.close(None)

    play(scene)
    return closed


def test_a_function_is_called_with_each_item_in_order() -> None:
    got: list[int] = []

    closed = called(got.append, 1, 2, 3)

    assert got == [1, 2, 3]
    assert closed == [None]


def test_a_coroutine_function_is_awaited_before_the_next_item() -> None:
    got: list[str] = []

    async def callback(item: int) -> None:
        got.append(f"begin {item}")
        await settle(3)
        got.append(f"end {item}")

    called(callback, 1, 2)

    assert got == ["begin 1", "end 1", "begin 2", "end 2"]


def test_rx20_what_a_callable_object_returns_is_awaited() -> None:
    got: list[int] = []

    class Callback:
        async def __call__(self, item: int) -> None:
            await settle(1)
            got.append(item)

    called(Callback(), 1, 2, 3)

    assert got == [1, 2, 3]


def test_a_function_that_sometimes_returns_something_to_await_is_awaited_then() -> None:
    got: list[int] = []

    async def later(item: int) -> None:
        await settle(1)
        got.append(item)

    def callback(item: int) -> Any:
        return later(item) if item % 2 else got.append(item)

    called(callback, 1, 2, 3, 4)

    assert got == [1, 2, 3, 4]


ERRORS = [ValueError("no"), asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt()]


@pytest.mark.parametrize("shape", ["plain", "later"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_p17_a_callback_that_raises_is_counted_and_called_again(
    error: BaseException, shape: str
) -> None:
    got: list[int] = []
    before = CallbackSink.failures.count

    def plain(item: int) -> None:
        got.append(item)
        raise error

    async def later(item: int) -> None:
        await settle(1)
        plain(item)

    called(plain if shape == "plain" else later, 1, 2, 3)

    assert got == [1, 2, 3]
    assert CallbackSink.failures.count - before == 3


def test_a_callback_that_raises_is_called_again_even_if_that_cannot_be_logged() -> None:
    got: list[int] = []

    def broken(*_: Any) -> Any:
        raise OSError("the disk is full")

    def callback(item: int) -> None:
        got.append(item)
        raise ValueError("no")

    before = structlog.get_config()
    structlog.configure(processors=[broken], wrapper_class=structlog.BoundLogger)
    try:
        called(callback, 1, 2)
    finally:
        structlog.configure(**before)

    assert got == [1, 2]


def test_a_callback_that_is_cancelled_with_its_task_is_called_no_more() -> None:
    async def scene() -> None:
        got: list[int] = []

        async def callback(item: int) -> None:
            got.append(item)
            await asyncio.Event().wait()

        done = CallbackSink(callback, lambda _: None).deliver([1, 2, 3])
        assert done is not None
        task = asyncio.ensure_future(done)
        await settle()

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert got == [1]

    play(scene)
