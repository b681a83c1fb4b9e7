"""Which rooms a user is in, and how much there is of everything (spec R35, R36)."""

from __future__ import annotations

from typing import Any

from theatre import play

import greenroom


async def rooms_of(runtime: greenroom.Runtime, user: str) -> list[str]:
    return [row.id for row in await runtime.sessions_of(user)]


def test_r35_the_rooms_of_a_user_in_the_order_of_joining(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            made = {
                name: await runtime.create(user="ann", id=name, start=name != "created")
                for name in ("one", "two", "three", "created", "over")
            }
            for name in ("three", "over", "one", "created", "two"):
                await made[name].join("bob")
            await made["one"].pause("ann")
            await made["over"].end("ann")
            await made["one"].join("bob")  # once more: neither twice nor later

            assert await rooms_of(runtime, "bob") == ["three", "one", "two"]
            assert await rooms_of(runtime, "ann") == ["one", "two", "three"]
            await made["three"].leave("bob")
            await made["three"].join("bob")
            await made["created"].start("ann")
            assert await rooms_of(runtime, "bob") == ["one", "created", "two", "three"]
            assert await rooms_of(runtime, "nobody") == []

        async with greenroom.Runtime(journal=store()) as runtime:
            assert await rooms_of(runtime, "bob") == ["one", "created", "two", "three"]
            await runtime.session("one").leave("bob")
            assert await rooms_of(runtime, "bob") == ["created", "two", "three"]

    play(scene)


def test_r35_whoever_only_asks_is_in_no_room(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            settings = greenroom.Settings(require_approval=True)
            session = await runtime.create(user="ann", id="s", settings=settings)
            await session.join("bob")
            assert await rooms_of(runtime, "bob") == []
            assert (await runtime.totals()).users == 1

            await session.approve("ann", "bob")

            assert await rooms_of(runtime, "bob") == ["s"]

    play(scene)


def test_r36_totals_count_rooms_events_and_users(store: Any) -> None:
    async def scene() -> None:
        async with greenroom.Runtime(journal=store()) as runtime:
            empty = await runtime.totals()
            assert (empty.sessions, empty.active, empty.events, empty.users) == (0, 0, 0, 0)
            settings = greenroom.Settings(max_events=5)
            one = await runtime.create(user="ann", id="one", settings=settings)
            two = await runtime.create(user="ann", id="two")
            three = await runtime.create(user="cem", id="three", start=False)
            for session in (one, two):
                await session.join("bob")
            await two.pause("ann")
            for _ in range(5):
                await one.post("bob", "x")  # six events: three are retained
            await three.leave("cem")  # ended

            totals = await runtime.totals()

            assert (totals.sessions, totals.active) == (3, 1)
            assert totals.events == 3 + 2 + 2
            assert totals.users == 2  # ann and bob; cem is in no room any more
        async with greenroom.Runtime(journal=store()) as runtime:
            assert await runtime.totals() == totals
            assert runtime.resident == 0

    play(scene)
