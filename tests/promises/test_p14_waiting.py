"""In a full house those who may wait are served in turn of their users, and nobody for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rooms.hall import refused
from theatre import ManualClock, Script, play, settle, texts

import greenroom


class House:
    """One slot, at work until `free`; whoever gets it next is at work at once, and noted."""

    def __init__(self, **options: Any) -> None:
        self.clock, self.script = ManualClock(), Script()
        defaults: dict[str, Any] = {"max_sessions": 1, "admission_wait_s": 10.0}
        self.runtime = greenroom.Runtime(self.script, clock=self.clock, **{**defaults, **options})
        self.served: list[str] = []
        self.replies: dict[str, Any] = {}
        self.working = ""

    def ask(self, user: str, name: str) -> Any:
        """Have `user` wish for session `name`, and work in it once it is there."""
        reply = self.replies[name] = self.runtime.create(user=user, id=name)
        reply.on_done(lambda done: done.error or self._serve(user, name))
        return reply

    def _serve(self, user: str, name: str) -> None:
        self.served.append(name)
        self.working = name
        self.runtime.session(name).send(user, "think")

    async def free(self) -> None:
        """End the work of the session that has the slot; the house looks again in time."""
        self.script.cue(self.working, 1, None)
        await self.clock.advance(0.3)

    @property
    def waiting(self) -> int:
        return self.runtime.capacity().sessions.waiting


@asynccontextmanager
async def house(**options: Any) -> AsyncIterator[House]:
    made = House(**options)
    await made.runtime.start()
    made.ask("zoe", "z")
    await settle()
    yield made
    stopping = asyncio.ensure_future(made.runtime.stop(budget_s=0.0))
    await made.clock.advance(10.0)
    await stopping
    assert made.runtime.capacity().sessions.waiting == 0


def test_who_may_wait_gets_the_slot_of_the_first_that_is_idle() -> None:
    async def scene() -> None:
        async with house() as one:
            waiting = one.ask("ann", "a")
            await one.clock.advance(5.0)
            assert not waiting.done

            await one.free()

            assert await waiting
            assert one.runtime.resident == 1

    play(scene)


def test_users_take_turns_and_of_one_user_the_first_is_served_first() -> None:
    async def scene() -> None:
        async with house(admission_wait_s=60.0) as one:
            for user, names in (("ann", "a1 a2 a3"), ("bob", "b1 b2"), ("eve", "e1")):
                for name in names.split():
                    one.ask(user, name)
            await settle()
            by_user = one.runtime.capacity().sessions_by_user
            assert {user: use.waiting for user, use in by_user.items()} == {
                "ann": 3, "bob": 2, "eve": 1, "zoe": 0
            }  # fmt: skip

            for _ in range(6):
                await one.free()

            assert one.served == ["z", "a1", "b1", "e1", "a2", "b2", "a3"]

    play(scene)


def test_who_has_waited_for_too_long_is_refused_and_no_sooner() -> None:
    async def scene() -> None:
        async with house(admission_wait_s=10.0) as one:
            first = one.ask("ann", "a")
            await one.clock.advance(4.0)
            second = one.ask("bob", "b")
            await one.clock.advance(5.9)
            assert not first.done

            await one.clock.advance(0.1)

            await refused(first, greenroom.CapacityError, scope="global", in_use=1, limit=1)
            assert not second.done
            await one.clock.advance(4.0)
            await refused(second, greenroom.CapacityError, scope="global")
            assert (one.waiting, one.runtime.stats.turned_away) == (0, 2)

    play(scene)


def test_no_more_wait_than_may() -> None:
    async def scene() -> None:
        async with house(max_waiting=2) as one:
            kept = [one.ask("ann", "a"), one.ask("bob", "b")]

            await refused(one.ask("eve", "e"), greenroom.CapacityError, scope="global")

            assert not any(reply.done for reply in kept)
            await one.free()
            assert kept[0].done

    play(scene)


def test_without_the_setting_nobody_waits() -> None:
    async def scene() -> None:
        async with house(admission_wait_s=0.0) as one:
            await refused(one.ask("ann", "a"), greenroom.CapacityError, scope="global")

            assert one.waiting == 0

    play(scene)


def test_at_a_limit_of_its_own_nobody_waits() -> None:
    async def scene() -> None:
        async with house(max_sessions=2, max_sessions_per_user=1) as one:
            await one.ask("bob", "b")

            await refused(one.ask("zoe", "y"), greenroom.CapacityError)

            assert one.waiting == 0

    play(scene)


def test_who_gives_up_waits_no_more_and_gets_nothing() -> None:
    async def scene() -> None:
        async with house(max_waiting=2) as one:

            async def wish() -> Any:
                return await one.runtime.create(user="ann", id="given-up")

            caller = asyncio.ensure_future(wish())
            other = one.ask("bob", "b")
            await settle()
            assert one.waiting == 2

            caller.cancel()
            await one.clock.advance(0.25)

            assert one.waiting == 1
            await one.free()
            assert await other
            assert await one.runtime.find("given-up") is None

    play(scene)


def test_a_wish_that_was_given_up_is_passed_over_before_the_house_looks_again() -> None:
    async def scene() -> None:
        async with house() as one:
            caller = asyncio.ensure_future(_await(one.runtime.create(user="ann", id="given-up")))
            await settle()
            caller.cancel()
            await settle()

            await one.runtime.session("z").end("zoe")
            await one.runtime.delete("z", "zoe")
            await settle()

            assert (one.waiting, one.runtime.resident) == (0, 0)

    play(scene)


async def _await(reply: Any) -> Any:
    return await reply


def test_p11_messages_to_a_session_that_waits_to_be_woken_are_kept_in_order() -> None:
    async def scene() -> None:
        async with house(max_sessions=2) as one:
            quiet = await one.runtime.create(user="ann", id="q")
            assert await one.runtime.passivate("q")
            one.ask("bob", "b")
            await settle()

            sent = [quiet.post("ann", f"{number}") for number in range(5)]
            await one.clock.advance(3.0)
            assert not any(reply.done for reply in sent)
            assert one.runtime.capacity().sessions_by_user["ann"].waiting == 1
            await one.free()

            assert all([await reply for reply in sent])
            history = await quiet.transcript("ann")
            assert texts(history) == ["0", "1", "2", "3", "4"]

    play(scene)


def test_p04_messages_to_a_session_that_is_not_woken_in_time_are_refused() -> None:
    async def scene() -> None:
        async with house(max_sessions=2) as one:
            quiet = await one.runtime.create(user="ann", id="q")
            assert await one.runtime.passivate("q")
            one.ask("bob", "b")
            await settle()
            sent = [quiet.post("ann", f"{number}") for number in range(3)]

            await one.clock.advance(10.0)

            for reply in sent:
                await refused(reply, greenroom.CapacityError, scope="global")

    play(scene)


def test_p16_who_waits_is_told_at_once_when_the_runtime_stops() -> None:
    async def scene() -> None:
        async with house() as one:
            waiting = one.ask("ann", "a")
            await settle()

            stopping = asyncio.ensure_future(one.runtime.stop(budget_s=5.0))
            await settle()

            await refused(waiting, greenroom.RuntimeClosed)
            await one.clock.advance(10.0)
            await stopping

    play(scene)


def test_all_who_wait_share_one_timer() -> None:
    async def scene() -> None:
        async with house() as one:
            before = _timers(one.clock)
            for number in range(50):
                one.ask(f"user{number}", f"s{number}")
            await one.clock.advance(2.0)

            assert one.waiting == 50
            assert _timers(one.clock) - before == 1

    play(scene)


def _timers(clock: ManualClock) -> int:
    return sum(timer.runs for _, _, timer in clock._timers if timer.call.__name__ == "<lambda>")


@pytest.mark.parametrize("wait_s", [0.0, 10.0])
def test_a_taken_id_is_told_at_once_where_one_could_wait(wait_s: float) -> None:
    async def scene() -> None:
        async with house(admission_wait_s=wait_s) as one:
            error = greenroom.SessionExists if wait_s else greenroom.CapacityError

            await refused(one.runtime.create(user="ann", id="z"), error)

    play(scene)
