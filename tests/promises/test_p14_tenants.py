"""P14: every way on stage passes the same gate, for all, for a tenant and for a user."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rooms.hall import refused
from theatre import GatedJournal, ManualClock, Script, echo, play, settle

import greenroom


async def full_tenant(runtime: greenroom.Runtime) -> None:
    """Two users of a tenant whose limit is two."""
    await runtime.create(user="acme/ann", id="a")
    await runtime.create(user="acme/bob", id="b")


async def turned_away(reply: Any, scope: str = "per_tenant") -> greenroom.CapacityError:
    error: greenroom.CapacityError = await refused(reply, greenroom.CapacityError, scope=scope)
    return error


def test_p14_creating_counts_for_the_tenant_however_many_of_its_users_ask_at_once() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions_per_tenant=4) as runtime:
            creates = [runtime.create(user=f"acme/{number % 5}") for number in range(25)]
            outcomes = await asyncio.gather(*creates, return_exceptions=True)

            told = [error for error in outcomes if isinstance(error, greenroom.CapacityError)]
            assert len(told) == 21
            assert {(error.scope, error.limit, error.in_use, error.tenant) for error in told} == {
                ("per_tenant", 4, 4, "acme")
            }
            assert await runtime.create(user="other/ann")
            assert await runtime.create(user="ann")

    play(scene)


def test_p14_without_the_setting_nobody_has_a_tenant() -> None:
    async def scene() -> None:
        async with greenroom.Runtime() as runtime:
            for number in range(20):
                await runtime.create(user=f"acme/{number}")

            assert runtime.capacity().sessions_by_tenant == {}

    play(scene)


def test_p14_waking_and_restoring_after_a_restart_of_the_process_count_for_the_tenant() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            await full_tenant(runtime)
            await runtime.create(user="acme/eve", id="e")
        async with greenroom.Runtime(journal=journal, max_sessions_per_tenant=2) as runtime:
            await runtime.session("a").info()
            await runtime.session("b").info()

            await turned_away(runtime.session("e").info())

            assert runtime.resident == 2
            assert await runtime.passivate("a")
            await runtime.session("e").info()
            assert runtime.capacity().sessions_by_tenant["acme"].in_use == 2

    play(scene)


def test_p14_a_session_that_restarts_keeps_its_slot_and_its_tenants_too() -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        async with greenroom.Runtime(
            journal=journal, clock=clock, max_sessions_per_tenant=2
        ) as runtime:
            await full_tenant(runtime)
            journal.fail(greenroom.NotWritten("full"))
            await refused(runtime.session("a").post("acme/ann", "lost"), greenroom.NotWritten)
            await settle()

            error = await turned_away(runtime.create(user="acme/eve"))

            assert error.in_use == 2
            await clock.advance(1.0)
            assert runtime.stats.restarted == 1
            await runtime.session("a").post("acme/ann", "kept")
            await turned_away(runtime.create(user="acme/eve"))

    play(scene)


def test_p14_a_session_that_is_parked_gives_its_slot_back_in_every_scope() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(
            journal=journal, max_restarts=0, max_sessions_per_tenant=2
        ) as runtime:
            await full_tenant(runtime)
            journal.fail(greenroom.NotWritten("full"))
            await refused(runtime.session("a").post("acme/ann", "lost"), greenroom.NotWritten)
            await settle()

            assert await runtime.create(user="acme/eve")
            await turned_away(runtime.create(user="acme/eve"))

    play(scene)


@pytest.mark.parametrize("how", ["end", "delete"])
def test_p14_a_session_that_is_over_counts_for_its_tenant_no_more(how: str) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions_per_tenant=2) as runtime:
            await full_tenant(runtime)
            await turned_away(runtime.create(user="acme/eve"))

            await getattr(runtime.session("a"), how)("acme/ann")

            assert await runtime.create(user="acme/eve")
            await turned_away(runtime.create(user="acme/eve"))

    play(scene)


def test_p14_what_wakes_by_itself_passes_the_gate_and_tries_again() -> None:
    async def scene() -> None:
        script, clock = Script(), ManualClock()
        async with greenroom.Runtime(
            script, clock=clock, max_sessions_per_tenant=1, approval_expires_s=10.0
        ) as runtime:
            session = await runtime.create(user="acme/ann", id="a")
            await session.send("acme/ann", "may I?")
            call = greenroom.ToolCall(name="leap", id="c")
            script.cue("a", 1, greenroom.RequestApproval(calls=[call]))
            await settle()
            assert await runtime.passivate("a")
            await runtime.create(user="acme/bob", id="b")

            await clock.advance(11.0)

            assert [turn.attempt for turn in script.turns] == [1]
            assert runtime.capacity().sessions_by_user.keys() == {"acme/bob"}
            await runtime.session("b").end("acme/bob")
            await clock.advance(5.0)
            assert runtime.capacity().sessions_by_user.keys() == {"acme/ann"}
            script.cue("a", 1, None)
            assert (await session.result(1)).status == "completed"

    play(scene)


def test_p14_a_fork_and_whoever_gets_or_creates_pass_the_gate() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(echo, max_sessions_per_tenant=2) as runtime:
            await full_tenant(runtime)
            await runtime.session("a").join("acme/eve")

            await turned_away(runtime.session("a").fork("acme/eve", id="f"))
            await turned_away(runtime.get_or_create("acme/eve", id="g"))

            assert await runtime.session("a").info()
            await runtime.passivate("b")
            assert await runtime.session("a").fork("acme/eve", id="f")

    play(scene)


def test_p14_nobody_is_sent_away_for_a_session_that_its_own_limit_forbids() -> None:
    """Or a user at its limit could empty the house."""

    async def scene() -> None:
        limits: dict[str, int] = {"max_sessions": 3, "max_sessions_per_user": 2}
        async with greenroom.Runtime(max_sessions_per_tenant=2, **limits) as runtime:
            await full_tenant(runtime)
            await runtime.create(user="zoe", id="z")

            await turned_away(runtime.create(user="acme/ann"))
            await settle()

            assert (runtime.resident, runtime.stats.passivated) == (3, 0)
            assert await runtime.create(user="yan")
            assert runtime.stats.passivated == 1

    play(scene)


def test_p14_the_house_is_made_room_in_under_load_and_no_scope_is_exceeded() -> None:
    async def scene() -> None:
        limits = {"max_sessions": 6, "max_sessions_per_user": 2, "max_sessions_per_tenant": 3}
        async with greenroom.Runtime(echo, **limits) as runtime:
            users = [f"{tenant}/{name}" for tenant in ("acme", "emca", "x") for name in ("a", "b")]
            made = {user: await runtime.create(user=user) for user in users}

            async def talk(user: str) -> list[str]:
                said = []
                for number in range(12):
                    turn = await made[user].send(user, f"{user} {number}")
                    said.append((await turn.result()).text)
                    full = runtime.capacity()
                    assert full.sessions.in_use <= 6
                    assert all(use.in_use <= 3 for use in full.sessions_by_tenant.values())
                return said

            async def come_and_go() -> None:
                for number in range(40):
                    await settle(3)
                    await asyncio.gather(
                        runtime.create(user=f"guest{number}"), return_exceptions=True
                    )

            *said, _ = await asyncio.gather(*map(talk, users), come_and_go())

            for user, lines in zip(users, said, strict=True):
                assert lines == [f"{user} {number} " for number in range(12)]
            assert runtime.stats.passivated > 5

    play(scene)
