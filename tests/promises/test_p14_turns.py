"""P14 for running turns: no more than may run at once, no place is lost, and nobody starves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from rooms.hall import refused
from theatre import GatedJournal, ManualClock, Script, play, settle, texts

import greenroom
from greenroom.actors.session.permits import Permit, PermitGranted


class Deaf:
    """A pipeline that does not stop until the curtain falls."""

    def __init__(self) -> None:
        self.curtain, self.turns = asyncio.Event(), list[str]()

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.turns.append(turn.session_id)
        while not self.curtain.is_set():
            with suppress(asyncio.CancelledError):
                await self.curtain.wait()
        yield ""


class Troupe:
    """A runtime whose turns a script steps; sessions `ann1`, `bob2` belong to ann, to bob."""

    def __init__(self, pipeline: Any = None, **options: Any) -> None:
        self.clock, self.script, self.journal = ManualClock(), Script(), GatedJournal()
        self.options = {"max_running_turns": 1, "idle_s": 60.0, **options}
        self.pipeline = pipeline or self.script

    async def open(self) -> None:
        """Begin, or go on in a new process, on the same journal."""
        self.runtime = greenroom.Runtime(
            self.pipeline, clock=self.clock, journal=self.journal, **self.options
        )
        await self.runtime.start()

    async def close(self, budget_s: float = 0.0) -> Any:
        stopping = asyncio.ensure_future(self.runtime.stop(budget_s=budget_s))
        await self.clock.advance(budget_s + 10.0)
        report = await stopping
        assert self.turns == (0, 0), "a place is lost"
        return report

    async def begin(self, *names: str) -> list[Any]:
        """Make sessions, and have each asked something."""
        sent = []
        for name in names:
            user = name.rstrip("0123456789")
            session = await self.runtime.create(user=user, id=name)
            sent.append(await session.send(user, f"think, {name}"))
        await settle()
        return sent

    @property
    def turns(self) -> tuple[int, int]:
        """In use, and waiting."""
        turns = self.runtime.capacity().turns
        return turns.in_use, turns.waiting

    @property
    def started(self) -> list[str]:
        return [turn.session_id for turn in self.script.turns]

    async def end(self, name: str, turn: int = 1) -> None:
        self.script.cue(name, turn, None)
        await settle()

    async def info(self, name: str) -> Any:
        return await self.runtime.session(name).info()


@asynccontextmanager
async def troupe(pipeline: Any = None, **options: Any) -> AsyncIterator[Troupe]:
    made = Troupe(pipeline, **options)
    await made.open()
    try:
        yield made
    finally:
        if isinstance(pipeline, Deaf):  # or the loop would wait for it for ever
            pipeline.curtain.set()
    await made.close()


async def ask_again(one: Troupe, name: str, text: str, **options: Any) -> Any:
    return await one.runtime.session(name).send(name.rstrip("0123456789"), text, **options)


def test_a_turn_that_finds_no_place_is_queued_durably_and_starts_when_there_is_one() -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann", "bob")

            assert (one.started, one.turns) == (["ann"], (1, 1))
            events = (await one.runtime.session("bob").history("bob")).events
            assert [type(each.event).__name__ for each in events][-1] == "TurnQueued"
            assert (await one.info("bob")).running_turn is None
            await one.end("ann")

            assert (one.started, one.turns) == (["ann", "bob"], (1, 0))
            assert (await one.info("bob")).running_turn == 1

    play(scene)


def test_without_limits_nobody_asks_for_a_place() -> None:
    async def scene() -> None:
        async with troupe(max_running_turns=None) as one:
            await one.begin("ann", "bob", "eve")

            assert len(one.started) == 3
            assert one.runtime._stage.permits is None
            assert one.turns == (0, 0)

    play(scene)


def test_users_take_turns_and_sessions_of_one_user_are_served_in_the_order_of_coming() -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("zoe", "ann1", "ann2", "ann3", "bob1", "bob2", "eve1")

            for _ in range(6):
                await one.end(one.started[-1])

            assert one.started == ["zoe", "ann1", "bob1", "eve1", "ann2", "bob2", "ann3"]

    play(scene)


def test_a_session_with_more_to_do_goes_behind_those_that_wait() -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann")
            await ask_again(one, "ann", "and then?")
            await one.begin("bob")

            await one.end("ann", 1)
            assert (one.started, one.turns) == (["ann", "bob"], (1, 1))
            await one.end("bob", 1)

            assert one.started == ["ann", "bob", "ann"]
            assert one.turns == (1, 0)

    play(scene)


def test_a_hung_turn_of_one_user_starves_no_other_one() -> None:
    async def scene() -> None:
        async with troupe(max_running_turns=3, max_running_turns_per_user=1) as one:
            await one.begin("ann1", "ann2", "ann3", "bob1", "bob2")

            assert one.started == ["ann1", "bob1"]
            for name in ("bob1", "bob2"):
                await one.end(name)
            await one.begin("eve1")

            assert one.started == ["ann1", "bob1", "bob2", "eve1"]
            by_user = one.runtime.capacity().turns_by_user
            assert (by_user["ann"].in_use, by_user["ann"].waiting, by_user["ann"].limit) == (
                1,
                2,
                1,
            )

    play(scene)


@pytest.mark.parametrize("how", ["completed", "failed", "interrupted", "ended", "deleted"])
def test_every_end_of_a_turn_gives_its_place_back(how: str) -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann", "bob")
            session = one.runtime.session("ann")
            match how:
                case "completed":
                    one.script.cue("ann", 1, "well", None)
                case "failed":
                    one.script.cue("ann", 1, ValueError("no idea"))
                case "interrupted":
                    await session.interrupt("ann")
                case "ended":
                    await session.end("ann")
                case "deleted":
                    await one.runtime.delete("ann", "ann")
            await settle()

            assert (one.started, one.turns) == (["ann", "bob"], (1, 0))
            await one.end("bob")
            assert one.turns == (0, 0)

    play(scene)


def test_a_turn_that_takes_too_long_gives_its_place_back() -> None:
    async def scene() -> None:
        async with troupe(turn_timeout_s=20.0) as one:
            await one.begin("ann", "bob")

            await one.clock.advance(20.0)

            assert one.started == ["ann", "bob"]

    play(scene)


def test_a_suspended_turn_has_no_place_and_waits_for_one_to_go_on() -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann", "bob")
            call = greenroom.ToolCall(name="leap", id="c")
            one.script.cue("ann", 1, greenroom.RequestApproval(calls=[call]))
            await settle()
            assert (one.started, one.turns) == (["ann", "bob"], (1, 0))

            await one.runtime.session("ann").decide("ann", {"c": True})
            await settle()
            assert one.turns == (1, 1)
            assert not await one.runtime.passivate("ann")
            await one.end("bob")

            assert one.started == ["ann", "bob", "ann"]
            assert one.script.turns[-1].decisions == {"c": True}

    play(scene)


def test_a_pipeline_that_does_not_stop_keeps_its_place_until_it_is_given_up_on() -> None:
    async def scene() -> None:
        deaf = Deaf()
        async with troupe(deaf, pipeline_grace_s=3.0) as one:
            await one.begin("ann", "bob")
            await one.runtime.session("ann").interrupt("ann")
            await one.clock.advance(2.9)
            assert (deaf.turns, one.turns) == (["ann"], (1, 1))

            await one.clock.advance(0.2)

            assert (deaf.turns, one.turns) == (["ann", "bob"], (1, 0))

    play(scene)


def test_an_activation_that_has_left_keeps_its_place_until_its_pipeline_has_stopped() -> None:
    async def scene() -> None:
        deaf = Deaf()
        async with troupe(deaf, pipeline_grace_s=3.0) as one:
            await one.begin("ann", "bob")
            assert await one.runtime.passivate("ann", force=True)
            await settle()
            assert (deaf.turns, one.turns) == (["ann"], (1, 1))

            await one.clock.advance(3.1)

            assert (deaf.turns, one.turns) == (["ann", "bob"], (1, 0))

    play(scene)


@pytest.mark.parametrize("waits", [False, True])
def test_an_activation_that_waits_for_its_end_hook_holds_no_place(waits: bool) -> None:
    async def scene() -> None:
        curtain = asyncio.Event()

        async def hook(*_: Any) -> None:
            await curtain.wait()

        async with troupe(on_end=hook) as one:
            await one.begin("ann", "bob", "eve")
            leaving = one.runtime.passivate("bob" if waits else "ann", force=True)
            await settle()
            assert not leaving.done

            if waits:
                await one.end("ann")
                assert one.started == ["ann", "eve"]
            else:
                assert one.started == ["ann", "bob"]
            curtain.set()
            assert await leaving

    play(scene)


def test_p12_a_session_whose_turn_waits_for_a_place_is_not_idle() -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann", "bob")

            assert not await one.runtime.passivate("bob")
            await one.clock.advance(200.0)

            assert one.runtime.resident == 2
            assert one.turns == (1, 1)

    play(scene)


@pytest.mark.parametrize("how", ["interrupted", "paused", "ended", "passivated"])
def test_who_waits_no_more_is_passed_over(how: str) -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann", "bob", "eve")
            session = one.runtime.session("bob")
            match how:
                case "interrupted":
                    receipt = await session.interrupt("bob", 1)
                    assert receipt.verdict == "won"
                case "paused":
                    await session.pause("bob")
                case "ended":
                    await session.end("bob")
                case "passivated":
                    assert await one.runtime.passivate("bob", force=True)
            assert one.turns == (1, 1)

            await one.end("ann")

            assert one.started == ["ann", "eve"]
            if how == "paused":
                await session.resume("bob")
                await one.end("eve")
                assert one.started == ["ann", "eve", "bob"]

    play(scene)


def test_a_turn_that_supersedes_another_one_takes_its_turn_like_any() -> None:
    async def scene() -> None:
        async with troupe() as one:
            await one.begin("ann", "bob")

            await ask_again(one, "ann", "no, this", policy="interrupt")
            await settle()

            assert one.started == ["ann", "bob"]
            await one.end("bob")
            assert one.started == ["ann", "bob", "ann"]
            assert one.script.turns[-1].input.text == "no, this"

    play(scene)


def test_what_a_crash_interrupts_is_not_lost_for_want_of_a_place() -> None:
    async def scene() -> None:
        async with troupe(turn_attempts=2) as one:
            await one.begin("ann", "bob")
            one.journal.fail(greenroom.NotWritten("full"))
            crash = one.runtime.session("ann").post("ann", "never written")
            await refused(crash, greenroom.NotWritten)
            await settle()
            assert one.started == ["ann", "bob"]

            await one.clock.advance(1.0)
            assert one.turns == (1, 1)
            assert not await one.runtime.passivate("ann")
            await one.end("bob")

            assert [(turn.session_id, turn.attempt) for turn in one.script.turns] == [
                ("ann", 1), ("bob", 1), ("ann", 2)
            ]  # fmt: skip

    play(scene)


def test_a_place_that_was_granted_to_an_older_activation_is_not_heard_of() -> None:
    async def scene() -> None:
        async with troupe(turn_attempts=2) as one:
            await one.begin("ann")
            box = one.runtime._directory.get("ann")
            permits = one.runtime._stage.permits
            assert box is not None
            assert permits is not None

            box.signal(PermitGranted(Permit(permits, "ann", box)))
            await settle()

            assert (one.started, one.turns) == (["ann"], (1, 0))
            assert (await one.info("ann")).running_turn == 1

    play(scene)


def test_a_turn_that_waits_to_run_again_may_be_interrupted() -> None:
    async def scene() -> None:
        async with troupe(turn_attempts=2) as one:
            await one.begin("ann", "bob")
            one.journal.fail(greenroom.NotWritten("full"))
            await refused(one.runtime.session("ann").post("ann", "lost"), greenroom.NotWritten)
            await one.clock.advance(1.0)

            await one.runtime.session("ann").interrupt("ann")
            await settle()

            assert one.turns == (1, 0)
            assert (await one.runtime.session("ann").result(1)).status == "cancelled"
            await one.end("bob")
            assert one.turns == (0, 0)

    play(scene)


def test_a_turn_that_waits_to_run_again_is_lost_when_its_resources_fail() -> None:
    async def scene() -> None:
        keepers: list[asyncio.Task[Any]] = []

        async def resources(_: Any) -> str:
            task = asyncio.current_task()
            assert task is not None
            keepers.append(task)
            return "a desk"

        async with troupe(turn_attempts=2, resources=resources) as one:
            await one.begin("ann", "bob")
            one.journal.fail(greenroom.NotWritten("full"))
            await refused(one.runtime.session("ann").post("ann", "lost"), greenroom.NotWritten)
            await one.clock.advance(1.0)
            assert one.turns == (1, 1)

            keepers[-1].cancel()
            await settle()

            assert (await one.runtime.session("ann").result(1)).status == "lost"
            assert one.turns == (1, 0)
            assert await one.runtime.passivate("ann")

    play(scene)


@pytest.mark.parametrize("attempts", [1, 2])
def test_p16_what_waits_when_the_runtime_stops_waits_in_the_next_one(attempts: int) -> None:
    async def scene() -> None:
        one = Troupe(turn_attempts=attempts)
        await one.open()
        await one.begin("ann", "bob")

        report = await one.close()
        await one.open()

        assert report.handed_back == ["ann"]
        for name in ("ann", "bob"):
            assert await one.info(name)
        await settle()
        again = ["ann", "bob", "ann"] if attempts == 2 else ["ann", "bob"]
        while len(one.started) < len(again):
            await one.end(one.started[-1], 1)
        assert sorted(one.started) == sorted(again)
        for name in ("bob", "ann"):
            await one.end(name)
        assert (await one.runtime.session("bob").result(1)).status == "completed"
        assert texts(await one.runtime.session("bob").transcript("bob")) == ["think, bob"]
        await one.close()

    play(scene)


def test_the_report_tells_what_is_in_use_who_waits_and_the_limits() -> None:
    async def scene() -> None:
        options = {"max_sessions": 9, "max_sessions_per_user": 4, "max_sessions_per_tenant": 5}
        async with troupe(max_running_turns_per_user=1, **options) as one:
            for name in ("ann", "bob"):
                session = await one.runtime.create(user=f"acme/{name}", id=name)
                await session.send(f"acme/{name}", "think")
            await settle()

            full = one.runtime.capacity()

            use = greenroom.Occupancy
            assert full.sessions == use(in_use=2, waiting=0, limit=9)
            assert full.sessions_by_tenant == {"acme": use(in_use=2, limit=5)}
            assert full.sessions_by_user["acme/ann"] == use(in_use=1, limit=4)
            assert full.turns == use(in_use=1, waiting=1, limit=1)
            assert full.turns_by_user == {
                "acme/ann": use(in_use=1, limit=1),
                "acme/bob": use(in_use=0, waiting=1, limit=1),
            }

    play(scene)


def test_there_is_no_report_of_a_runtime_that_has_not_started() -> None:
    async def scene() -> None:
        with pytest.raises(greenroom.RuntimeClosed):
            greenroom.Runtime().capacity()

    play(scene)
