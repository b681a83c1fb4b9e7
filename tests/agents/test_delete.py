"""Deleting a session (spec A17, V32): ended, hidden for good, and gone from the stage."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from rooms.hall import Ear, refused
from theatre import GatedJournal, ManualClock, Script, play, settle

import greenroom
from greenroom.actors.session.messages import Departure


class Tombs(GatedJournal):
    """A journal whose deletions wait while `burying` is closed, and fail when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.burying = asyncio.Event()
        self.burying.set()
        self.errors: list[Exception] = []

    async def delete(self, session: str, *, epoch: int) -> None:
        await self.burying.wait()
        if self.errors:
            raise self.errors.pop(0)
        await super().delete(session, epoch=epoch)


def test_a17_a_deleted_session_has_ended_and_is_nowhere() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script) as runtime:
            session = await runtime.create(user="ann", id="s")
            ear = await Ear.of(session, "ann")
            turns = [await session.send("ann", text) for text in ("think", "and then")]
            results = [turn.result() for turn in turns]

            assert await session.delete("ann") is True

            assert (runtime.resident, len(runtime._directory)) == (0, 0)
            ended = [await result for result in results]
            assert [(end.status, end.cause) for end in ended] == [("cancelled", "deleted")] * 2
            await settle()
            assert ear.kinds[-3:] == ["turn.ended", "turn.ended", "session.ended"]
            assert ear.ended
            await refused(session.info(), greenroom.SessionNotFound)
            await refused(session.post("ann", "hello?"), greenroom.SessionNotFound)
            await refused(runtime.create(user="ann", id="s"), greenroom.SessionExists)
            assert (await runtime.sessions()).rows == []
            assert await runtime.find("s") is None
            assert script.closed == [1]

    play(scene)


def test_a17_v32_deleting_what_is_not_there_is_no_error_of_the_runtime() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            assert await runtime.delete("nobody", "ann") is False
            await refused(runtime.session("nobody").delete("ann"), greenroom.SessionNotFound)
            await runtime.create(user="ann", id="s")

            assert await runtime.delete("s", "ann") is True
            assert await runtime.delete("s", "ann") is False

            assert runtime.resident == 0

    play(scene)


def test_a17_a_passivated_session_is_deleted_for_good(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "hello")
            assert await runtime.passivate("s")
            assert await runtime.delete("s", "ann")
            assert runtime.resident == 0
        async with greenroom.Runtime(journal=store()) as runtime:
            await refused(runtime.session("s").info(), greenroom.SessionNotFound)
            await refused(runtime.create(user="bob", id="s"), greenroom.SessionExists)
            assert (await runtime.totals()).sessions == 0

    play(scene)


def test_a17_ax12_only_the_host_or_the_owner_deletes() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for name in ("one", "two"):
                session = await runtime.create(user="ann", id=name)
                await session.join("bob")
                for user in ("bob", "eve", "dev"):
                    await refused(runtime.delete(name, user), greenroom.NotHost, user=user)
                await session.transfer_host("ann", "bob")
            assert (await session.info()).state == "active"

            assert await runtime.delete("one", "bob")  # the host
            assert await runtime.delete("two", "ann")  # the owner

            with pytest.raises(greenroom.InvalidInput):
                runtime.delete("one", "")

    play(scene)


def test_a17_the_end_hook_is_told_of_a_deletion_once_and_before_the_answer() -> None:
    async def scene() -> None:
        told = list[tuple[str, str]]()

        async def hook(final: Any, reason: str) -> None:
            told.append((final.info.state, str(reason)))

        journal = GatedJournal()
        async with greenroom.Runtime(Script(), journal=journal, on_end=hook) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.send("ann", "think")

            assert await session.delete("ann")
            assert told == [("ended", "deleted")]

            other = await runtime.create(user="ann", id="t")
            journal.holding = True
            ended, stranger = other.end("ann"), other.delete("eve")
            await settle()
            journal.let()
            await refused(stranger, greenroom.NotHost)
            await ended
            await settle()
            assert told[1:] == [("ended", "ended")]

    play(scene)


def test_a17_an_ended_session_is_deleted_without_another_event() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.end("ann")
            events = len(journal._records["s"].events)

            assert await session.delete("ann")

            assert len(journal._records["s"].events) == events

    play(scene)


def test_a17_whoever_waits_for_it_is_told_that_it_is_not_there() -> None:
    async def scene() -> None:
        journal = Tombs()
        async with greenroom.Runtime(journal=journal) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.burying.clear()
            journal.holding = True
            deleted = [runtime.delete("s", "ann") for _ in range(2)]
            await settle()
            journal.let()
            await settle()
            waiting = [session.post("ann", "hello?"), session.info(), runtime.delete("s", "ann")]
            await settle()
            assert not any(reply.done for reply in (*deleted, *waiting))

            journal.burying.set()

            assert [await reply for reply in (*deleted, waiting[2])] == [True, False, False]
            for reply in waiting[:2]:
                await refused(reply, greenroom.SessionNotFound)
            assert runtime.resident == 0

    play(scene)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (greenroom.NotWritten("full"), greenroom.NotWritten),
        (greenroom.JournalFailed("no answer"), greenroom.OutcomeUnknown),
        (OSError("broken"), greenroom.OutcomeUnknown),
        (greenroom.Fenced("s", epoch=1), greenroom.SessionClosed),
    ],
)
def test_a17_what_has_ended_and_is_not_hidden_can_be_deleted_again(
    error: Exception, told: type[Exception]
) -> None:
    async def scene() -> None:
        journal, clock = Tombs(), ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.errors.append(error)

            with pytest.raises(told):
                await runtime.delete("s", "ann")
            await clock.advance(1.0)

            assert (await session.info()).state == "ended"
            assert await runtime.delete("s", "ann") is True
            assert runtime.resident == 0

    play(scene)


def test_a17_a_deletion_whose_end_is_not_durable_has_not_happened() -> None:
    async def scene() -> None:
        journal, clock = Tombs(), ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.fail(greenroom.NotWritten("full"))

            with pytest.raises(greenroom.NotWritten):
                await session.delete("ann")
            await clock.advance(1.0)

            assert (await session.info()).state == "active"

    play(scene)


def test_a17_a_crash_while_it_is_hidden_answers_the_caller() -> None:
    async def scene() -> None:
        journal, clock = Tombs(), ManualClock()
        async with greenroom.Runtime(journal=journal, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            journal.burying.clear()
            deleted = session.delete("ann")
            await settle()
            actor = runtime._directory.get("s").owner  # type: ignore[union-attr]
            assert actor is not None
            actor._crash(Departure.CRASHED, RuntimeError("x"))  # type: ignore[attr-defined]

            assert deleted.done, "nobody has answered whoever deletes it"
            with pytest.raises(greenroom.OutcomeUnknown):
                await deleted
            await clock.advance(1.0)
            assert (await session.info()).state == "ended"
            journal.burying.set()
            await settle()  # the older activation's attempt comes too late: it is fenced
            assert (await session.info()).state == "ended"
            assert await session.delete("ann") is True

    play(scene)


def test_a17_a_runtime_that_stops_answers_whoever_deletes() -> None:
    async def scene() -> None:
        journal, clock = Tombs(), ManualClock()
        runtime = greenroom.Runtime(journal=journal, clock=clock)
        await runtime.start()
        session = await runtime.create(user="ann", id="s")
        journal.burying.clear()
        deleted = session.delete("ann")
        await settle()

        stopping = asyncio.get_running_loop().create_task(runtime.stop(budget_s=1.0))
        await clock.advance(5.0)

        assert (await stopping).left == ["s"]
        assert deleted.done, "nobody has answered whoever deletes it"
        with pytest.raises(greenroom.OutcomeUnknown):
            await deleted
        journal.burying.set()
        await settle()

    play(scene)


def test_ax16_nothing_of_a_deleted_session_stays() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(Script()) as runtime:
            session = await runtime.create(user="ann", id="s")
            ear = await Ear.of(session, "ann")
            await session.send("ann", "think")
            await settle()
            box = runtime._directory.get("s")
            assert box is not None
            watched = weakref.ref(box.owner)  # type: ignore[arg-type]
            del box

            await session.delete("ann")
            await settle()
            gc.collect()

            assert ear.ended
            assert watched() is None
            assert (len(runtime._logs), len(runtime._directory), runtime.resident) == (0, 0, 0)

    play(scene)
