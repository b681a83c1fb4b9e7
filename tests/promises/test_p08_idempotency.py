"""P8: the same idempotency key twice gives the first answer, once, also after a restart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rooms.hall import refused, room
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom

ADDING: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "join": (lambda s, k: s.join("dan", key=k), lambda s, k: s.join("eve", key=k)),
    "post": (lambda s, k: s.post("bob", "a", key=k), lambda s, k: s.post("bob", "b", key=k)),
    "act": (
        lambda s, k: s.act("bob", "wave", {"x": 1, "y": 2}, key=k),
        lambda s, k: s.act("bob", "wave", {"x": 1, "y": 3}, key=k),
    ),
    "update_context": (
        lambda s, k: s.update_context("bob", {"a": 1}, key=k),
        lambda s, k: s.update_context("bob", {"a": 1}, if_absent=True, key=k),
    ),
    "add_memory": (
        lambda s, k: s.add_memory("bob", "m", key=k),
        lambda s, k: s.add_memory("bob", "n", key=k),
    ),
}


@pytest.mark.parametrize("kind", ADDING)
def test_p08_the_second_copy_is_given_the_first_answer(kind: str, store: Any) -> None:
    async def scene() -> None:
        command, other = ADDING[kind]
        async with room("bob", journal=store()) as session:
            first = await command(session, "k")
            revision = (await session.info()).revision
            await session.post("ann", "meanwhile")

            assert await command(session, "k") == first
            await refused(
                other(session, "k"),
                greenroom.IdempotencyConflict,
                code="idempotency_conflict",
                key="k",
            )
            assert (await session.info()).revision == revision + 1
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            assert await command(session, "k") == first
            await refused(other(session, "k"), greenroom.IdempotencyConflict)
            assert (await session.info()).revision == revision + 1

    play(scene)


def test_p08_a_turn_is_started_once() -> None:
    async def scene() -> None:
        script = Script()
        async with room("bob", pipeline=script) as session:
            first = await session.send("bob", "work", key="k")
            again = await session.send("bob", "work", key="k")
            await settle()

            assert (again.id, again.ahead) == (first.id, first.ahead) == (1, 0)
            assert len(script.turns) == 1
            await refused(
                session.send("bob", "work", policy="interrupt", key="k"),
                greenroom.IdempotencyConflict,
            )
            await refused(session.post("bob", "work", key="k"), greenroom.IdempotencyConflict)
            script.cue("s", 1, None)
            assert await again.result() == await first.result()

    play(scene)


def test_p08_a_command_that_was_refused_leaves_its_key_unused() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            await session.pause("ann")
            await refused(session.post("bob", "hi", key="k"), greenroom.WrongState)
            await session.resume("ann")

            receipt = await session.post("bob", "other words", key="k")

            assert receipt.revision == 4

    play(scene)


def test_p08_a_command_that_changed_nothing_leaves_its_key_unused() -> None:
    async def scene() -> None:
        async with room("bob", memories=("m",)) as session:
            before = await session.add_memory("bob", "m", key="k")
            assert await session.add_memory("bob", "m", key="k") == before

            assert (await session.add_memory("bob", "n", key="k")).revision == before.revision + 1
            await refused(session.add_memory("bob", "m", key="k"), greenroom.IdempotencyConflict)

    play(scene)


def test_p08_a_pending_join_answers_as_it_did() -> None:
    async def scene() -> None:
        async with room(require_approval=True) as session:
            first = await session.join("bob", key="k")
            await session.approve("ann", "bob")

            assert await session.join("bob", key="k") == first
            assert first.status == "pending"
            assert (await session.join("bob")).status == "joined"

    play(scene)


def test_p08_two_copies_at_once_are_one() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with room("bob", journal=journal) as session:
            journal.holding = True
            both = [session.post("bob", "once", key="k") for _ in range(2)]
            await settle()
            assert not any(reply.done for reply in both)  # the second waits for the first's commit
            journal.let()

            assert await both[0] == await both[1]
            assert (await session.info()).messages == 1

    play(scene)


def test_p08_a_copy_after_an_unknown_outcome_tells_what_became_of_the_first() -> None:
    async def scene(written: bool) -> None:
        clock, journal = ManualClock(), GatedJournal()
        async with room("bob", clock=clock, journal=journal) as session:
            journal.fail(greenroom.JournalFailed("no answer"), written=written)
            await refused(session.post("bob", "once", key="k"), greenroom.OutcomeUnknown)
            await clock.advance(1.0)

            again = await session.post("bob", "once", key="k")

            assert again.revision == 2
            info = await session.info()
            assert (info.messages, info.revision) == (1, 2)

    for written in (True, False):
        play(lambda written=written: scene(written))


def test_p08_a_key_is_kept_for_its_time_and_no_longer(store: Any) -> None:
    async def scene() -> None:
        clock = ManualClock()
        journal = store()
        async with room("bob", clock=clock, journal=journal, key_ttl_ms=60_000) as session:
            first = await session.post("bob", "once", key="k")
            await clock.advance(60.0)
            await session.post("bob", "x", key="other")
            assert await session.post("bob", "once", key="k") == first

            await clock.advance(0.001)
            await session.post("bob", "y", key="a third")  # forgets what is too old

            assert (await session.post("bob", "new", key="k")).revision == 5
        clock = ManualClock()
        async with greenroom.Runtime(journal=store(), clock=clock) as runtime:
            session = runtime.session("s")
            await refused(session.post("bob", "once", key="k"), greenroom.IdempotencyConflict)
            assert (await session.post("bob", "new", key="k")).revision == 5

    play(scene)


@pytest.mark.parametrize("key", ["", "x" * 129, 7, "tab\t"])
def test_p08_a_key_is_a_name(key: Any) -> None:
    async def scene() -> None:
        async with room() as session:
            with pytest.raises(greenroom.InvalidInput, match="key"):
                session.post("ann", "hi", key=key)

    play(scene)
