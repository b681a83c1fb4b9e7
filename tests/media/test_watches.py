"""What a watch holds for its reader, on the loop and on threads of their own (spec V20, V26)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from house import GUARD_S, FifoDispatcher
from media.pictures import frame, numbers

from greenroom.actors.errors import NotMember
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.session.watch import FrameBuffer
from greenroom.supervisor.watch import FrameWatch


def buffer(size: int = 2) -> FrameBuffer:
    return FrameBuffer(FifoDispatcher(), "ann", size)


def drain(held: FrameBuffer) -> list[int]:
    """All that may be pulled without waiting."""
    frames = []
    while not isinstance(found := held.pull(), Reply) and found is not None:
        frames.append(found)
    return numbers(frames)


def test_v26_a_full_buffer_drops_the_new_frame_and_counts_it() -> None:
    held = buffer(2)

    assert [held.offer(frame(number)) for number in (1, 2, 3, 4)] == [True, True, False, False]

    assert held.dropped == 2
    assert drain(held) == [1, 2]
    assert held.offer(frame(5)) is True
    assert drain(held) == [5]


def test_a_reader_that_waits_is_woken_by_a_frame_and_by_the_end() -> None:
    held = buffer()
    wanted = held.pull()
    assert isinstance(wanted, Reply)
    assert held.pull() is wanted

    held.offer(frame(1))
    assert wanted.done
    assert numbers([held.pull()]) == [1]
    wanted = held.pull()
    assert isinstance(wanted, Reply)
    assert not wanted.done

    held.end()
    assert wanted.done
    assert held.pull() is None
    assert held.pull() is None


def test_what_is_held_at_the_end_may_still_be_pulled() -> None:
    held = buffer()
    held.offer(frame(1))

    held.end()
    held.end()

    assert numbers([held.pull()]) == [1]
    assert held.pull() is None


def test_v20_closing_is_idempotent_and_frees_what_is_held() -> None:
    held = buffer()
    held.offer(frame(1))

    held.close()
    held.close()

    assert held.ended
    assert held.pull() is None
    held.offer(frame(2))  # the session has not noticed yet
    assert held.pull() is None


def test_the_error_that_ended_it_is_raised_once_and_the_first_one_counts() -> None:
    held = buffer()

    held.end(NotMember("s", "ann"))
    held.end(ValueError())

    with pytest.raises(NotMember):
        held.pull()
    assert held.pull() is None


def test_closing_forgets_the_error() -> None:
    held = buffer()
    held.end(NotMember("s", "ann"))

    held.close()

    assert held.pull() is None


def watch_of(held: FrameBuffer) -> FrameWatch:
    begun: Reply[None] = Reply()
    begun.set(None)
    return FrameWatch(begun, held)


@pytest.mark.parametrize("attempt", range(5))
def test_v20_v26_a_reader_on_its_own_thread_gets_each_frame_or_it_is_counted(attempt: int) -> None:
    held = buffer(4)
    watch = watch_of(held)
    pulled: list[int] = []
    reader = threading.Thread(target=lambda: pulled.extend(numbers(watch)), daemon=True)
    reader.start()

    for number in range(1, 5001):
        held.offer(frame(number, data=b""))
    held.end()
    reader.join(GUARD_S)

    assert not reader.is_alive()
    assert pulled == sorted(set(pulled))
    assert len(pulled) + watch.dropped == 5000
    assert {1, 2, 3, 4} <= set(pulled)


@pytest.mark.parametrize("attempt", range(20))
def test_v20_closing_from_another_thread_ends_a_reader_that_waits(attempt: int) -> None:
    watch = watch_of(buffer())
    ended = threading.Event()

    def read(found: Any = None) -> None:
        for found in watch:
            raise AssertionError(found)
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    watch.close()

    assert ended.wait(GUARD_S), "the reader was never told of the end"
    reader.join(GUARD_S)
