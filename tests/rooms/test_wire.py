"""The layout that room clients know (spec R02-R05, R07)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from rooms.hall import Ear, come, room, told
from theatre import ManualClock, play, settle

import greenroom
from greenroom.actors.session.wire import room_event, room_info, room_participant

SEVEN = {
    *("message", "action", "state_change", "user_join", "user_leave"),
    *("memory_update", "error"),
}
KEYS = [
    *("id", "session_id", "event_type", "user_id", "timestamp"),
    *("content", "data", "sequence"),
]


async def fails(turn: greenroom.Turn) -> AsyncIterator[str]:
    yield "hm"
    raise ValueError("the tool broke")


def test_r02_everything_is_one_of_seven_types_and_failures_are_errors() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room("bob", clock=clock, pipeline=fails, started=False) as session:
            ear = await Ear.of(session, "ann")
            await session.subscribe("bob", lambda _: 1 / 0)
            await session.start("ann")
            await come(session, "cem*")
            await session.act("bob", "wave")
            await session.update_context("bob", {"a": 1})
            await session.add_memory("bob", "m")
            await session.acknowledge("bob", 1)
            session.present("bob", cursor="x")
            await (await session.send("bob", "hello")).result()
            await session.transfer_host("ann", "bob")
            await session.transfer_host("bob", "ann")
            await session.leave("bob")
            await session.pause("ann")
            await session.resume("ann")
            await session.end("ann")
            await settle()

            assert {event.event_type for event in ear.wire} == SEVEN
            errors = [event for event in ear.wire if event.event_type == "error"]
            assert [event.data for event in errors] == [
                {"delivery": True},
                {"turn": 1, "status": "failed"},
            ]
            assert "division by zero" in errors[0].content
            assert "the tool broke" in errors[1].content
            durable = [item for item in ear.items if item.durable]
            assert await told(session) == [
                *(await told(session))[:1],
                *(room_event(item) for item in durable),
            ]

    play(scene)


def test_r03_r04_an_event_as_clients_read_it() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with room(clock=clock) as session:
            ear = await Ear.of(session, "ann")
            await clock.advance(1.234)

            await session.post("ann", "hello")
            await settle()

            (event,) = ear.wire
            wire = msgspec.json.decode(msgspec.json.encode(event))
            assert list(wire) == KEYS
            assert (wire["session_id"], wire["event_type"], wire["user_id"]) == (
                *("s", "message", "ann"),
            )
            assert (wire["content"], wire["sequence"]) == ("hello", 1)
            at = datetime.fromisoformat(wire["timestamp"])
            assert at.utcoffset() == timedelta(0)
            assert at == datetime.fromtimestamp(clock.now_ms() / 1000, UTC)

    play(scene)


def test_r03_rx24_times_are_aware_utc_milliseconds() -> None:
    async def scene() -> None:
        clock = ManualClock()
        clock.now_s = 1_761_440_400.5  # 2025-10-26 01:00:00.5 UTC: summer time ends in Europe
        async with room(clock=clock) as session:
            await session.post("ann", "before")
            clock.now_s += 3600.0
            await session.post("ann", "after")

            first, second = await told(session)
            assert first.timestamp == "2025-10-26T01:00:00.500+00:00"
            gap = datetime.fromisoformat(second.timestamp) - datetime.fromisoformat(first.timestamp)
            assert gap == timedelta(hours=1)

    play(scene)


def test_r03_data_is_not_the_callers_nor_another_readers() -> None:
    async def scene() -> None:
        async with room() as session:
            ear = await Ear.of(session, "ann")
            data: dict[str, Any] = {"at": [1]}
            acting = session.act("ann", "move", data)
            data["at"].append("the caller's")
            await acting
            await settle()

            ear.wire[0].data["at"].append("a reader's")

            assert ear.wire[0].data == {"at": [1], "action_type": "move"}

    play(scene)


def test_r05_a_participant_as_clients_read_it() -> None:
    async def scene() -> None:
        async with room("eve*") as session:
            session.present("ann", active=False)
            await settle()
            snapshot = await session.snapshot("eve")

            wire = [
                room_participant(user, member, snapshot.presence.get(user))
                for user, member in snapshot.info.participants.items()
            ]

            assert wire == [
                {"user_id": "ann", "display_name": "Ann", "role": "host", "is_active": False},
                {"user_id": "eve", "display_name": "Eve", "role": "observer", "is_active": True},
            ]

    play(scene)


def test_r07_a_session_as_clients_read_it() -> None:
    async def scene() -> None:
        async with room("bob", clock=ManualClock(), max_events=5) as session:
            for number in range(5):
                await session.post("bob", f"{number}")

            assert room_info(await session.info()) == {
                "id": "s",
                "name": "a room",
                "state": "active",
                "host": "ann",
                "participants": 2,
                "events": 3,
                "created_at": "1970-01-01T00:16:40.000+00:00",
            }

    play(scene)


def test_r26_an_event_has_the_same_id_live_and_in_history() -> None:
    async def scene() -> None:
        async with room("bob") as session:
            ear = await Ear.of(session, "ann")
            await session.post("bob", "one")
            session.present("bob", cursor="x")
            await session.post("bob", "two")
            await settle()

            history = {event.sequence: event.id for event in await told(session)}

            live = {event.sequence: event.id for event in ear.wire if event.event_type == "message"}
            assert live == {number: history[number] for number in (2, 3)}
            assert len({event.id for event in ear.wire}) == 3

    play(scene)
