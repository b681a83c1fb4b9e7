"""The WebSocket: commands in, events out, and nobody who harms anybody else."""

from __future__ import annotations

import asyncio
import logging
import socket as sockets
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from media.pictures import frame
from theatre import GatedJournal, ManualClock, play, settle
from web.kit import Expiring, House, house, served
from web.wire import Wire, socket, until, words
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

import greenroom
from greenroom.actors.session.events import TurnEnded
from greenroom.actors.subscriber import BATCH
from greenroom.adapters.web.streams import codes, frames
from greenroom.adapters.web.streams.follower import HOLD
from greenroom.adapters.web.streams.websocket import HASTY, IN_FLIGHT

UNLIMITED = {"requests_per_s": 1e6, "request_burst": 1_000_000}


async def opened(h: House, session: str = "s1", user: str = "ann") -> greenroom.Session:
    return await h.runtime.create(user, id=session)


def dial(address: str, user: str = "ann", query: str = "", *protocols: str) -> connect:
    return connect(
        f"ws://{address}/v1/sessions/s1/ws{query}",
        additional_headers={"authorization": f"Bearer {user}"},
        subprotocols=[Subprotocol(each) for each in protocols] or None,
        compression=None,
    )


async def heard(
    client: ClientConnection, enough: Callable[[list[frames.Frame]], bool]
) -> list[frames.Frame]:
    """Frames, until they are enough, or the other end closes."""
    told: list[frames.Frame] = []
    try:
        while not enough(told):
            message = await client.recv()
            if isinstance(message, str):
                told += frames.decode_json(message)
            else:
                told += frames.decode_msgpack(message)
    except ConnectionClosed:
        pass
    return told


def answers(told: list[frames.Frame]) -> list[frames.Ack | frames.Error]:
    return [each for each in told if isinstance(each, frames.Ack | frames.Error)]


def of(kind: type) -> Callable[[list[frames.Frame]], bool]:
    """Enough is when an event of this kind has come."""
    return lambda told: any(
        isinstance(each, frames.EventFrame) and isinstance(each.event, kind) for each in told
    )


def codes_of(told: list[frames.Frame]) -> list[str]:
    return [
        each.problem["code"] if isinstance(each, frames.Error) else "" for each in answers(told)
    ]


# --- commands ------------------------------------------------------------------------------------


def test_what_is_said_over_it_is_answered_by_the_pipeline_over_it() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            await opened(h)
            async with dial(address) as client:
                await client.send('{"do":"send","id":7,"text":"hello big world"}')
                told = await heard(client, of(TurnEnded))

            hello, *rest = told
            assert isinstance(hello, frames.Hello)
            assert (hello.session, hello.user, hello.heartbeat_s) == ("s1", "ann", 15.0)
            [ack] = answers(rest)
            assert isinstance(ack, frames.Ack)
            assert ack.id == 7
            accepted = {"type": "turn", "turn": 1, "ahead": 0, "waits_for": None}
            assert ack.result == accepted
            assert words(rest) == ["hello big world", "hello big world "]

    play(scene)


def test_commands_are_answered_in_their_order() -> None:
    """Also those that fail at once while others wait for the journal."""

    async def scene() -> None:
        journal = GatedJournal()
        async with house(journal=journal) as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            journal.holding = True
            for number in range(20):
                if number % 3 == 0:
                    wire.tell({"do": "post", "id": number, "text": 5})
                elif number % 3 == 1:
                    wire.tell({"do": "post", "id": number, "text": f"m{number}"})
                else:
                    wire.tell({"do": "delivered", "id": number, "turn": 1, "chars": 1})
            await settle()
            journal.let()
            await until(lambda: len(answers(wire.told)) == 20)

            told = answers(wire.told)
            assert [each.id for each in told] == list(range(20))
            assert [type(each) for each in told[:3]] == [frames.Error, frames.Ack, frames.Ack]
            assert words(wire.told) == [f"m{number}" for number in range(1, 20, 3)]
            await wire.leave()

    play(scene)


ALL: list[tuple[dict[str, Any], Any]] = [
    ({"do": "pause"}, {"type": "receipt", "revision": 2}),
    ({"do": "resume"}, {"type": "receipt", "revision": 3}),
    ({"do": "start"}, "wrong_state"),
    ({"do": "post", "text": "hi", "key": "k1"}, {"type": "receipt", "revision": 4}),
    ({"do": "post", "text": "hi", "key": "k1"}, {"type": "receipt", "revision": 4}),
    ({"do": "post", "text": "ho", "key": "k1"}, "idempotency_conflict"),
    ({"do": "join", "name": "Ann"}, {"type": "join", "status": "joined"}),
    ({"do": "act", "action": "wave", "data": {"to": ["bob"]}}, {"type": "receipt", "revision": 5}),
    ({"do": "act", "action": "wave", "data": {"action_type": 1}}, "invalid"),
    ({"do": "acknowledge", "revision": 4}, {"type": "receipt", "revision": 6}),
    ({"do": "present", "active": False, "cursor": "3:4", "focus": "map"}, None),
    ({"do": "delivered", "turn": 1, "chars": 4}, None),
    ({"do": "touch"}, {"type": "receipt", "revision": 6}),
    ({"do": "phase", "phase": "connected"}, {"phase": "connected", "taken": True}),
    ({"do": "phase", "phase": "speaking", "turn": 9}, {"phase": "connected", "taken": False}),
    ({"do": "phase", "phase": "dancing"}, "invalid"),
    ({"do": "visual_start", "source": "camera"}, True),
    ({"do": "visual_stop"}, True),
    ({"do": "interrupt"}, {"type": "cancel", "verdict": "unknown"}),
    ({"do": "interrupt", "turn": 0}, "invalid"),
    ({"do": "decide", "decisions": {"c1": True}, "approval": "1-1"}, "no_approval"),
    ({"do": "send", "text": "hi", "policy": "later"}, "invalid"),
    ({"do": "send", "text": "hi", "policy": "enqueue"}, {"type": "turn", "turn": 1, "ahead": 0}),
    ({"do": "end"}, {"type": "receipt"}),
]


@pytest.mark.parametrize("protocol", frames.PROTOCOLS)
def test_every_command_in_both_protocols(protocol: str) -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            await session.join("bob")
            encode = msgspec.json.encode if protocol == frames.JSON else msgspec.msgpack.encode
            async with dial(address, "ann", "", protocol) as client:
                assert client.subprotocol == protocol
                for number, (command, _) in enumerate(ALL):
                    data = encode({**command, "id": f"c{number}"})
                    await client.send(data.decode() if protocol == frames.JSON else data)
                told = await heard(client, lambda told: len(answers(told)) == len(ALL))

            for number, (each, (command, expected)) in enumerate(
                zip(answers(told), ALL, strict=True)
            ):
                assert each.id == f"c{number}"
                if isinstance(each, frames.Error):
                    assert each.problem["code"] == expected, command
                elif isinstance(expected, dict):
                    assert {key: each.result[key] for key in expected} == expected, command
                else:
                    assert each.result == expected, command

    play(scene)


def test_leaving_the_session_ends_the_stream() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            await session.join("bob")
            async with dial(address, "bob") as client:
                await client.send('{"do":"leave","id":1}')
                told = await heard(client, lambda _: False)

            assert [each.id for each in answers(told)] == [1]
            assert told[-1] == frames.End(reason="left")
            assert client.close_code == codes.NORMAL

    play(scene)


def test_a_binary_message_is_a_visual_frame() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            await session.start_visual("ann", "camera")
            shown = frame(3)
            header = msgspec.json.encode(
                {
                    "id": 1,
                    "source": shown.source,
                    "mime": shown.mime,
                    "width": shown.width,
                    "height": shown.height,
                    "frame_seq": 3,
                }
            )
            async with session.watch_frames("ann") as watch, dial(address) as client:
                looking = asyncio.ensure_future(anext(watch))
                await client.send(len(header).to_bytes(4, "big") + header + shown.data)
                await client.send(b"\xff\xff\xff\xff{}")
                await client.send(b"\0\0\0\2{}" + shown.data)
                told = answers(await heard(client, lambda told: len(answers(told)) == 3))
                seen = await looking

            assert told[0] == frames.Ack(id=1, result={"accepted": True, "reason": ""})
            assert codes_of([*told]) == ["", "malformed", "invalid"]
            assert (seen.data, seen.frame_seq) == (shown.data, 3)

    play(scene)


# --- what is no command --------------------------------------------------------------------------

NONSENSE: list[tuple[str | bytes, str, Any]] = [
    ("", "malformed", None),
    ("{", "malformed", None),
    ("null", "invalid", None),
    ("[]", "invalid", None),
    ('"post"', "invalid", None),
    ("{}", "invalid", None),
    ('{"id":1}', "invalid", 1),
    ('{"id":2,"do":"dance"}', "invalid", 2),
    ('{"id":3,"do":"post"}', "invalid", 3),
    ('{"id":4,"do":"post","text":["a"]}', "invalid", 4),
    ('{"id":"x5","do":"post","text":"a","extra":1}', "invalid", "x5"),
    ('{"id":[],"do":"post","text":"a"}', "invalid", None),
    ('{"id":99999999999999999999999,"do":"touch"}', "invalid", None),
    ("[" * 100_000, "invalid", None),
    ('{"id":6,"do":"post","text":"\\ud800"}', "malformed", None),
    (b"", "malformed", None),
    (b"\0\0\0", "malformed", None),
    (b"\xff" * 1000, "malformed", None),
    ("x" * 2000, "malformed", None),
]


def test_what_is_no_command_is_answered_and_harms_nobody() -> None:
    async def scene() -> None:
        async with house(web={"max_message_bytes": 100_500}) as h, served(h) as address:
            await opened(h)
            async with dial(address) as neighbour, dial(address) as client:
                for message, *_ in NONSENSE:
                    await client.send(message)
                await client.send("é" * 60_000)
                await client.send('{"do":"post","id":"last","text":"still here"}')
                enough = len(NONSENSE) + 2
                told = answers(await heard(client, lambda told: len(answers(told)) == enough))
                beside = await heard(neighbour, lambda told: words(told) != [])

            for (message, code, name), each in zip(NONSENSE, told, strict=False):
                assert isinstance(each, frames.Error), message
                assert (each.problem["code"], each.id) == (code, name), message
            assert codes_of([*told])[-2:] == ["too_large", ""]
            assert words(beside) == ["still here"]

    play(scene)


@pytest.mark.parametrize(
    ("message", "code", "name"),
    [
        ('{"do":"touch","id":1}', "malformed", 1),
        (msgspec.msgpack.encode({"do": "dance", "id": 2}), "invalid", 2),
        (b"\xc1", "malformed", None),
        (b"\x91" * 5000, "invalid", None),
    ],
)
def test_what_is_no_command_in_msgpack(message: str | bytes, code: str, name: Any) -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            await opened(h)
            async with dial(address, "ann", "", frames.MSGPACK) as client:
                await client.send(message)
                [each] = answers(await heard(client, lambda told: bool(answers(told))))

            assert isinstance(each, frames.Error)
            assert (each.problem["code"], each.id) == (code, name)

    play(scene)


def test_no_more_is_read_than_can_be_answered() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with house(journal=journal, web=UNLIMITED) as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            journal.holding = True
            for number in range(300):
                wire.tell({"do": "post", "id": number, "text": "m"})
            await settle()
            assert wire.received == 1 + IN_FLIGHT

            journal.let()
            await until(lambda: len(answers(wire.told)) == 300)
            assert [each.id for each in answers(wire.told)] == list(range(300))
            await wire.leave()

    play(scene)


def test_who_takes_no_answers_is_not_read_any_more() -> None:
    """Ten thousand messages that nobody reads the answers to are not kept here."""

    async def scene() -> None:
        async with house(web=UNLIMITED) as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            await settle()
            wire.takes.clear()
            for number in range(10_000):
                wire.tell({"do": "dance", "id": number})
            await until(lambda: wire.received > IN_FLIGHT)
            for _ in range(20):
                await settle()
            [stream] = h.hall.connections._open
            assert wire.received <= 1 + 3 * IN_FLIGHT
            assert len(stream._out) <= IN_FLIGHT  # type: ignore[attr-defined]

            wire.takes.set()
            await until(lambda: wire.received == 10_001 and len(answers(wire.told)) == 10_000)
            await wire.leave()

    play(scene)


def test_more_commands_than_one_may_send_are_refused_and_at_last_closed() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock, web={"requests_per_s": 1.0, "request_burst": 3}) as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")  # is the first of the three
            for number in range(5):
                wire.tell({"do": "post", "id": number, "text": f"m{number}"})
            await clock.advance(1)
            assert codes_of(wire.told) == ["", "", *["too_many_requests"] * 3]
            wire.tell({"do": "post", "id": 5, "text": "m5"})
            await clock.advance(1)
            assert words(wire.told) == ["m0", "m1", "m5"]

            for number in range(HASTY + 1):
                wire.tell({"do": "post", "id": number, "text": "m"})
            await clock.advance(0.1)
            await wire.task
            assert wire.code == codes.TOO_MANY
            assert answers(wire.told)[-1].id == HASTY

    play(scene)


# --- slow readers, and those who leave -----------------------------------------------------------


def test_a_slow_reader_costs_no_memory_and_misses_nothing_durable() -> None:
    async def scene() -> None:
        async with house(config=greenroom.Config(live_events=200)) as h:
            session = await opened(h)
            slow, quick = await socket(h.app, "s1", "ann"), await socket(h.app, "s1", "ann")
            slow.takes.clear()
            for number in range(2000):
                await session.post("ann", f"m{number}")
                if number % 100 == 0:
                    await settle()
                    held = [len(each._out) for each in h.hall.connections._open]  # type: ignore[attr-defined]
                    assert max(held) <= HOLD + BATCH
            slow.takes.set()

            for wire in (quick, slow):
                await until(lambda wire=wire: bool(wire.sent) and "m1999" in str(wire.sent[-1]))  # type: ignore[misc]
                assert words(wire.told) == [f"m{number}" for number in range(2000)]
            assert any(isinstance(each, frames.GapFrame) for each in slow.told)
            assert not any(isinstance(each, frames.GapFrame) for each in quick.told)
            await slow.leave()
            await quick.leave()

    play(scene)


def test_ten_thousand_unread_messages_harm_no_other_reader() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            async with dial(address) as deaf, dial(address) as client:
                deaf.transport.pause_reading()
                posts = [session.post("ann", f"m{number:05}" + "x" * 200) for number in range(200)]
                for post in posts:
                    await post
                for number in range(200, 10_000):
                    await session.post("ann", f"m{number:05}" + "x" * 200)
                said = words(await heard(client, lambda told: told and "m09999" in str(told[-1])))  # type: ignore[arg-type, return-value]

                assert [text[:6] for text in said] == [f"m{number:05}" for number in range(10_000)]
                held = [len(each._out) for each in h.hall.connections._open]  # type: ignore[attr-defined]
                assert max(held) <= HOLD + BATCH
                deaf.transport.abort()

    play(scene)


def test_a_reader_that_takes_nothing_for_too_long_is_cut() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock, web={"stalled_s": 30.0}) as h:
            session = await opened(h)
            wire = await socket(h.app, "s1", "ann")
            await clock.advance(0)
            wire.takes.clear()
            session.post("ann", "unheard")
            await clock.advance(29)
            assert not wire.task.done()
            await clock.advance(8)
            wire.takes.set()
            await wire.task

            assert wire.code == codes.TOO_SLOW
            assert len(h.hall.connections) == 0

    play(scene)


def test_a_reader_that_was_dropped_goes_on_exactly_where_it_was() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            cursor, seen = greenroom.START, []
            for number in range(5):
                await (await session.send("ann", f"question {number} of five")).result()
                async with dial(address, "ann", f"?cursor={cursor}") as client:
                    told = (await heard(client, of(TurnEnded)))[1:]
                    client.transport.abort()
                seen += told
                cursor = told[-1].cursor  # type: ignore[union-attr]

            positions = [(each.epoch, each.position) for each in seen]  # type: ignore[union-attr]
            assert positions == [(1, position) for position in range(1, len(seen) + 1)]
            said = [text for n in range(5) for text in (f"question {n} of five",) * 2]
            assert [text.strip() for text in words(seen)] == said

    play(scene)


def test_who_leaves_without_a_word_is_noticed_and_nothing_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            clients = [await dial(address) for _ in range(20)]
            await until(lambda: len(h.hall.connections) == 20)
            for number, client in enumerate(clients):
                session.post("ann", "x" * 1000)
                if number % 2:
                    client.transport.abort()
                else:
                    # Half-closed: this end will say nothing more, and could still hear.
                    client.transport.get_extra_info("socket").shutdown(sockets.SHUT_WR)
                session.post("ann", "x" * 1000)
            await until(lambda: len(h.hall.connections) == 0)
            for client in clients:
                client.transport.abort()

    with caplog.at_level(logging.WARNING):
        play(scene)

    assert [record.getMessage() for record in caplog.records] == []


def test_who_cancels_a_stream_leaves_nothing_behind() -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            before = asyncio.all_tasks()
            wire = await socket(h.app, "s1", "ann")
            wire.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wire.task
            await settle()

            assert len(h.hall.connections) == 0
            assert asyncio.all_tasks() == before

    play(scene)


def drained(wire: Wire) -> bool:
    """Whether it was told that the server is about to stop."""
    return any(isinstance(each, frames.Draining) for each in wire.told)


# --- how it begins and ends ----------------------------------------------------------------------


def test_a_refusal_is_a_problem() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            await opened(h)
            found = []
            for user, query in [
                ("bob", ""),
                ("ann", "?cursor=nonsense"),
                ("ann", "?cursor=gr1.1.1.1.cafe.s2"),
            ]:
                with pytest.raises(InvalidStatus) as refused:
                    await dial(address, user, query)
                response = refused.value.response
                assert response.headers["content-type"] == "application/problem+json"
                found.append((response.status_code, msgspec.json.decode(response.body)["code"]))
            with pytest.raises(InvalidStatus) as refused:
                await dial(address, "ann", "", "some.other.protocol")
            found.append((refused.value.response.status_code, ""))

            assert found == [
                (404, "not_found"),
                (400, "invalid_cursor"),
                (403, "wrong_session"),
                (422, ""),
            ]
            assert len(h.hall.connections) == 0

    play(scene)


def test_a_refusal_where_the_server_cannot_answer() -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            wire = await socket(h.app, "s1", "bob", can_refuse=False)
            await wire.task

            [close] = wire.sent
            assert (close["type"], close["code"]) == ("websocket.close", codes.FAILED)
            assert close["reason"] == "not_found"

    play(scene)


def test_a_server_that_stops_answers_what_it_has_taken_and_says_so() -> None:
    async def scene() -> None:
        journal = GatedJournal()
        async with house(journal=journal) as h:
            await opened(h)
            busy, idle = await socket(h.app, "s1", "ann"), await socket(h.app, "s1", "ann")
            journal.holding = True
            busy.tell({"do": "post", "id": 1, "text": "just now"})
            await settle()
            draining = asyncio.ensure_future(h.hall.drain())
            await until(lambda: all(drained(wire) for wire in (idle, busy)))
            busy.tell({"do": "post", "id": 2, "text": "too late"})
            await settle()
            assert not idle.task.done()
            assert not busy.task.done()
            journal.let()
            await draining

            for wire in (idle, busy):
                assert wire.code == codes.DRAINING
                assert words(wire.told) == ["just now"]
            assert [each.id for each in answers(busy.told)] == [1, 2]
            assert codes_of(busy.told) == ["", "draining"]
            refused = await socket(h.app, "s1", "ann")
            assert refused.status == 503

    play(scene)


def test_a_server_that_stops_does_not_wait_long_for_a_journal() -> None:
    async def scene() -> None:
        journal, clock = GatedJournal(), ManualClock()
        async with house(journal=journal, clock=clock) as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            journal.holding = True
            wire.tell({"do": "post", "id": 1, "text": "just now"})
            await clock.advance(0)
            draining = asyncio.ensure_future(h.hall.drain(1))
            await clock.advance(5)
            await draining
            await wire.task
            assert wire.code == codes.DRAINING
            journal.let()

    play(scene)


def test_the_end_of_the_session() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            wire = await socket(h.app, "s1", "ann")
            await session.end("ann")
            await wire.task

            assert wire.told[-1] == frames.End(reason="ended")
            assert wire.code == codes.NORMAL

    play(scene)


def test_a_session_that_is_set_aside() -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            await h.runtime.park("s1", "broken")
            await wire.task

            assert codes_of(wire.told) == ["parked"]
            assert wire.code in (codes.BROKEN, codes.FAILED)

    play(scene)


def test_a_socket_is_closed_when_the_credentials_expire() -> None:
    async def scene() -> None:
        clock = ManualClock(1000.0)
        async with house(clock=clock) as h:
            h.hall._authenticators = (Expiring(),)
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            await clock.advance(59)
            assert not wire.task.done()
            await clock.advance(1)
            await wire.task
            assert wire.code == codes.EXPIRED

    play(scene)


def test_a_silent_socket_says_that_it_is_alive() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock, web={"heartbeat_s": 8.0}) as h:
            await opened(h)
            wire = await socket(h.app, "s1", "ann")
            await clock.advance(8.0)
            assert [each for each in wire.told if isinstance(each, frames.Alive)]
            await wire.leave()

    play(scene)


def test_an_approval_is_decided_over_it() -> None:
    async def scene() -> None:
        async def asks(turn: greenroom.Turn) -> Any:
            if turn.decisions is None:
                yield greenroom.RequestApproval(calls=[greenroom.ToolCall(name="drop", id="c1")])

        async with house(asks) as h:
            await opened(h)
            wire: Wire = await socket(h.app, "s1", "ann")
            wire.tell({"do": "send", "id": 1, "text": "delete it"})
            await until(lambda: "approval.requested" in str(wire.sent))
            wire.tell({"do": "decide", "id": 2, "decisions": {"c1": True}})
            await until(lambda: "turn.ended" in str(wire.sent))

            assert isinstance(answers(wire.told)[1], frames.Ack)
            await wire.leave()

    play(scene)
