from __future__ import annotations

import threading

import pytest
from house import FifoDispatcher, Gate

from greenroom.actors.kernel.mailbox import Mail, Mailbox
from greenroom.supervisor.directory import Directory


def box() -> Mailbox:
    return Mailbox(FifoDispatcher())


def test_a_mailbox_is_made_with_the_first_message_and_found_from_then_on() -> None:
    directory = Directory()
    assert directory.get("s") is None

    made, is_new = directory.open("s", box)

    assert is_new
    assert directory.get("s") is made
    assert directory.open("s", box) == (made, False)
    assert len(directory) == 1


def test_a_mailbox_that_is_forgotten_is_made_anew() -> None:
    directory = Directory()
    first, _ = directory.open("s", box)

    directory.forget("s", first)
    second, is_new = directory.open("s", box)

    assert is_new
    assert second is not first


def test_only_the_mailbox_that_is_listed_is_forgotten() -> None:
    directory = Directory()
    old, _ = directory.open("s", box)
    directory.forget("s", old)
    new, _ = directory.open("s", box)

    directory.forget("s", old)
    directory.forget("nobody", old)

    assert directory.get("s") is new


def test_nothing_is_listed_when_a_mailbox_cannot_be_made() -> None:
    directory = Directory()

    def fail() -> Mailbox:
        raise MemoryError

    with pytest.raises(MemoryError):
        directory.open("s", fail)

    assert len(directory) == 0
    assert directory.open("s", box)[1]


def test_the_deepest_mailbox_is_the_one_with_most_commands() -> None:
    directory = Directory()
    assert directory.deepest() == 0

    for session, depth in (("a", 2), ("b", 5), ("c", 0)):
        made, _ = directory.open(session, box)
        for _ in range(depth):
            made.put(Mail("command"))

    assert directory.deepest() == 5


def test_p01_threads_that_knock_at_once_are_given_the_same_mailbox() -> None:
    directory, threads, rounds = Directory(), 8, 200
    start = threading.Barrier(threads)
    found: list[list[tuple[Mailbox, bool]]] = [[] for _ in range(rounds)]
    done = [Gate(f"the end of thread {number}") for number in range(threads)]

    def knock(number: int) -> None:
        for count in range(rounds):
            start.wait(20)
            found[count].append(directory.open(f"s{count}", box))
        done[number].open()

    for number in range(threads):
        threading.Thread(target=knock, args=(number,), daemon=True).start()
    for gate in done:
        gate.passed()

    for answers in found:
        assert len({id(made) for made, _ in answers}) == 1
        assert [is_new for _, is_new in answers].count(True) == 1
