"""P20: whoever is not a member reads nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rooms.hall import Ear, come, refused, room, said
from theatre import ManualClock, play, settle, take

import greenroom

READING = {
    "history": lambda session, user: session.history(user),
    "transcript": lambda session, user: session.transcript(user),
    "snapshot": lambda session, user: session.snapshot(user),
    "require_member": lambda session, user: session.require_member(user),
    "subscribe": lambda session, user: session.subscribe(user, print),
    "events": lambda session, user: anext(session.events(user)),
    "events from the start": lambda session, user: anext(
        session.events(user, after=greenroom.START)
    ),
    "replay": lambda session, user: anext(session.replay(user)),
}


@pytest.mark.parametrize("how", READING)
def test_p20_only_members_read(how: str) -> None:
    """Neither strangers, nor who waits for approval, nor who was denied, nor who has left."""

    async def scene() -> None:
        async with room(require_approval=True) as session:
            for user in ("waits", "denied", "left"):
                await come(session, user)
            await session.deny("ann", "denied")
            await session.approve("ann", "left")
            await session.leave("left")
            await session.post("ann", "a secret")

            for user in ("stranger", "waits", "denied", "left"):
                await refused(READING[how](session, user), greenroom.NotMember, user=user)

    play(scene)


def test_p20_a_leaver_reads_what_came_before_leaving_and_nothing_after() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            slow = session.events("bob")
            for number in range(100):  # more than one batch
                await session.post("ann", f"{number}")
            assert said(await take(slow, 1)) == ["0"]

            await session.leave("bob")
            await session.post("ann", "behind his back")

            rest = [item async for item in slow]
            assert [item.revision for item in rest] == list(range(3, 103))
            assert type(rest[-1].event).__name__ == "Left"

    play(scene)


def test_p20_what_waits_in_a_stalled_callback_ends_with_the_leaving() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            gate, heard = asyncio.Event(), list[Any]()

            async def stalled(item: Any) -> None:
                heard.append(item)
                await gate.wait()

            await session.subscribe("bob", stalled)
            await session.post("ann", "one")
            await settle()
            await session.leave("bob")
            for text in ("two", "three"):
                await session.post("ann", text)
            gate.set()
            await settle()

            assert [item.revision for item in heard] == [2, 3]

    play(scene)


def test_p20_a_leaver_who_fell_behind_the_log_is_healed_with_nothing_from_after() -> None:
    async def scene() -> None:
        async with greenroom.Runtime(live_events=8) as runtime:
            session = await runtime.create(user="ann")
            await session.join("bob")
            slow = session.events("bob")
            for number in range(100):
                await session.post("ann", f"{number}")
            assert said(await take(slow, 1)) == ["0"]
            await session.leave("bob")
            for number in range(100):
                await session.post("ann", f"behind his back {number}")

            rest = [item async for item in slow]

            revisions = [item.revision for item in rest if not isinstance(item, greenroom.Gap)]
            assert max(revisions, default=0) <= 102

    play(scene)


def test_p20_membership_is_that_of_now_not_of_the_cursor() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            before = (await session.snapshot("bob")).cursor
            await session.leave("bob")
            await session.post("ann", "behind his back")

            await refused(anext(session.events("bob", after=before)), greenroom.NotMember)
            await session.join("bob")

            items = await take(session.events("bob", after=before), 3)
            assert [item.revision for item in items] == [2, 3, 4]

    play(scene)


def test_p20_ephemera_are_for_members_too() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock) as session:
            ear = await Ear.of(session, "bob")
            await session.leave("bob")
            session.present("ann", cursor="secret")
            session.present("bob", cursor="not there")
            await clock.advance(1.0)

            assert ear.kinds == ["participant.left"]
            assert list((await session.snapshot("ann")).presence) == ["ann"]

    play(scene)


def test_p20_membership_survives_a_restart(store: Any) -> None:
    async def scene() -> None:
        async with room("bob", "cem", journal=store()) as session:
            await session.leave("cem")
            await session.post("ann", "hello")
        async with greenroom.Runtime(journal=store()) as runtime:
            session = runtime.session("s")
            for how in READING.values():
                await refused(how(session, "cem"), greenroom.NotMember)
            assert len((await session.history("bob")).events) == 4

    play(scene)
