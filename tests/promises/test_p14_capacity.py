"""P14: nothing exceeds a capacity limit, and nothing leaks a slot."""

from __future__ import annotations

import asyncio

import pytest
from theatre import GatedJournal, Script, play, settle

import greenroom


def test_p14_the_least_recently_active_idle_session_makes_room() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions=2) as runtime:
            first, second = [await runtime.create(user=user) for user in ("ann", "bob")]
            await first.post("ann", "I was here last")

            await runtime.create(user="eve")
            await settle()

            assert runtime.resident == 2
            assert runtime.stats.passivated == 1
            activated = runtime.stats.activated
            await first.post("ann", "and was not asked to leave")
            assert runtime.stats.activated == activated
            await second.post("bob", "but I was")
            assert runtime.stats.activated == activated + 1

    play(scene)


def test_p14_when_all_are_at_work_the_caller_is_told_the_limit() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(script, max_sessions=2) as runtime:
            for user in ("ann", "bob"):
                await (await runtime.create(user=user, id=user)).send(user, "work")
            await settle()

            with pytest.raises(greenroom.CapacityError) as refused:
                await runtime.create(user="eve", id="eve")

            error = refused.value
            assert (error.scope, error.limit, error.in_use) == ("global", 2, 2)
            assert error.retry_after_s is None
            with pytest.raises(greenroom.CapacityError):
                await runtime.session("eve").info()
            for user in ("ann", "bob"):
                script.cue(user, 1, None)
            await settle()
            assert await runtime.create(user="eve", id="eve")

    play(scene)


def test_p14_25_concurrent_creates_of_one_user_against_a_limit_of_10() -> None:
    """Spec AX1: the source system let all 25 in."""

    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal, max_sessions_per_user=10) as runtime:
            creates = [runtime.create(user="ann") for _ in range(25)]
            outcomes = await asyncio.gather(*creates, return_exceptions=True)

            refused = [error for error in outcomes if isinstance(error, greenroom.CapacityError)]
            assert len(refused) == 15
            assert {(error.scope, error.limit, error.user) for error in refused} == {
                ("per_user", 10, "ann")
            }
            assert runtime.resident == 10
            assert await runtime.create(user="bob")

    play(scene)


def test_p14_a_failed_create_gives_its_slot_back() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(max_sessions=1) as runtime:
            for _ in range(3):
                with pytest.raises(greenroom.SessionNotFound):
                    await runtime.session("nobody").info()
                assert runtime.resident == 0
            await runtime.create(user="ann", id="s")
            with pytest.raises(greenroom.SessionExists):
                await runtime.create(user="bob", id="s")

            assert runtime.resident == 1

    play(scene)


def test_p14_a_wake_counts_against_its_owner() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with greenroom.Runtime(journal=journal) as runtime:
            for name in ("one", "two"):
                await runtime.create(user="ann", id=name)
        async with greenroom.Runtime(journal=journal, max_sessions_per_user=1) as runtime:
            await runtime.session("one").info()

            with pytest.raises(greenroom.CapacityError) as refused:
                await runtime.session("two").info()

            assert (refused.value.scope, refused.value.in_use) == ("per_user", 1)
            assert runtime.resident == 1

    play(scene)
