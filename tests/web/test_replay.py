"""A replay: the same frames, paced; and what ends it early."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from theatre import ManualClock, play, settle
from web.kit import House, house, served
from web.logs import logged

import greenroom
from greenroom.actors.errors import JournalUnavailable
from greenroom.adapters.web.connections import Connections
from greenroom.adapters.web.paced import Paced
from greenroom.adapters.web.settings import WebSettings

PATH = "/v1/sessions/s1/replay"


async def said(h: House, count: int) -> greenroom.Session:
    session = await h.runtime.create("ann", id="s1")
    for number in range(count):
        await session.post("ann", str(number))
    return session


def frames(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_replay_is_the_history_and_says_when_it_is_complete() -> None:
    async def scene() -> None:
        async with house(clock=ManualClock()) as h, h.client("ann") as ann:
            await said(h, 5)

            answer = await ann.get(PATH)

            assert answer.headers["content-type"].startswith("application/x-ndjson")
            assert answer.headers["cache-control"] == "no-store"
            history = (await ann.get("/v1/sessions/s1/history")).json()["events"]
            assert frames(answer.text) == [*history, {"type": "complete"}]
            later = frames((await ann.get(f"{PATH}?since=3")).text)
            assert later == [*history[3:], {"type": "complete"}]

    play(scene)


def test_it_goes_on_after_the_last_event_that_was_read() -> None:
    async def scene() -> None:
        async with house(clock=ManualClock()) as h, h.client("ann") as ann:
            await said(h, 3)
            headers = {"accept": "text/event-stream"}
            answer = await ann.get(PATH, headers=headers)
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = [event.splitlines() for event in answer.text.strip().split("\n\n")]
            assert [event[1] for event in events[:3]] == ["event: message.posted"] * 3
            assert events[3] == ["event: complete", 'data: {"type":"complete"}']

            last = events[1][0].removeprefix("id: ")
            rest = await ann.get(PATH, headers={**headers, "last-event-id": last})
            assert [event.splitlines() for event in rest.text.strip().split("\n\n")] == events[2:]
            broken = await ann.get(PATH, headers={"last-event-id": "x"})
            assert (broken.status_code, broken.json()["code"]) == (400, "invalid_cursor")

    play(scene)


def test_it_is_paced_by_the_clock() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h, h.client("ann") as ann:
            session = await said(h, 1)
            await clock.advance(1.5)
            await session.post("ann", "later")

            reading = asyncio.create_task(ann.get(f"{PATH}?speed=3"))
            await settle()
            await clock.advance(0.4)
            assert not reading.done()
            await clock.advance(0.2)
            assert len(frames((await reading).text)) == 3

    play(scene)


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "x"])
def test_a_speed_is_a_number_that_time_can_be_told_by(speed: str) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await said(h, 1)
            assert (await ann.get(f"{PATH}?speed={speed}")).status_code == 422

    play(scene)


def test_who_leaves_the_session_sees_no_more_of_it() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h, h.client("bob") as bob:
            session = await said(h, 1)
            await session.join("bob")
            await clock.advance(1.0)
            await session.post("ann", "secret")

            reading = asyncio.create_task(bob.get(PATH))
            await settle()
            await session.leave("bob")
            await clock.advance(5.0)

            *seen, last = frames((await reading).text)
            assert "secret" not in str(seen)
            assert (last["type"], last["problem"]["code"]) == ("error", "not_found")

    play(scene)


def test_a_replay_ends_when_the_server_stops() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h, h.client("ann") as ann:
            session = await said(h, 1)
            await clock.advance(1.0)
            await session.post("ann", "later")
            reading = asyncio.create_task(ann.get(PATH))
            await settle()

            h.hall.begin_drain()

            *_, last = frames((await reading).text)
            assert (last["type"], last["retry_ms"]) == ("draining", 1000)
            assert len(h.hall.connections) == 0
            refused = await ann.get(PATH)
            assert (refused.status_code, refused.json()["code"]) == (503, "draining")

    play(scene)


def test_replays_count_as_open_streams() -> None:
    async def scene() -> None:
        clock = ManualClock()
        web = {"max_connections": 1}
        async with house(clock=clock, web=web) as h, h.client("ann") as ann:
            session = await said(h, 1)
            await clock.advance(1.0)
            await session.post("ann", "later")
            reading = asyncio.create_task(ann.get(PATH))
            await settle()

            refused = await ann.get(PATH)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")

            await clock.advance(2.0)
            assert (await reading).status_code == 200
            assert (await ann.get(f"{PATH}?since=2")).status_code == 200

    play(scene)


def test_a_client_that_leaves_a_long_replay_stops_it() -> None:
    """A server takes every piece at once when nobody reads any more: nothing may spin on that."""

    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await h.runtime.create("ann", id="s1")
            text = "x" * 100_000
            for _ in range(300):
                await session.post("ann", text)
            headers = {"authorization": "Bearer ann"}
            client = httpx.AsyncClient(base_url=f"http://{address}", headers=headers)
            async with client as ann, ann.stream("GET", f"{PATH}?speed=1e9") as answer:
                assert answer.status_code == 200
                async for _ in answer.aiter_raw():
                    break
                assert len(h.hall.connections) == 1
            while len(h.hall.connections):  # the guard of the scene is its limit
                await asyncio.sleep(0)

    play(scene)


def test_no_piece_is_sent_to_a_client_that_has_left() -> None:
    async def scene() -> None:
        async with house() as h:
            await said(h, 2_000)
            sent = 0

            async def receive() -> dict[str, Any]:
                if not sent:
                    return {"type": "http.request", "body": b"", "more_body": False}
                return {"type": "http.disconnect"}

            async def send(_: Any) -> None:
                nonlocal sent
                sent += 1  # as uvicorn does once the client is gone: at once, without a turn

            headers = [(b"authorization", b"Bearer ann"), (b"host", b"localhost")]
            scope = {
                "type": "http",
                "method": "GET",
                "path": PATH,
                "raw_path": PATH.encode(),
                "query_string": b"speed=1e9",
                "headers": headers,
                "root_path": "",
                "scheme": "http",
                "server": ("localhost", 80),
                "client": ("127.0.0.1", 1),
                "http_version": "1.1",
            }
            await h.app(scope, receive, send)
            assert sent < 100

    play(scene)


def test_pieces_that_are_all_there_leave_turns_to_others() -> None:
    async def scene() -> None:
        connections = Connections(WebSettings())
        sent = 0

        async def pieces() -> AsyncGenerator[bytes, None]:
            for _ in range(100_000):
                yield b"x"

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            nonlocal sent
            sent += 1

        left: list[str] = []
        place = ExitStack()
        place.callback(left.append, "left")
        answer = Paced(
            pieces(),
            "text/plain",
            notice=b"",
            connections=connections,
            place=place,
            clock=ManualClock(),
            expires_s=None,
        )
        await answer({"type": "http"}, receive, send)

        assert sent < 1000
        assert (left, len(connections)) == (["left"], 0)

    play(scene)


class Blocked:
    """A client that takes the head of an answer and nothing more, until it is let go on."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self.takes = asyncio.Event()
        self.left: list[str] = []
        place = ExitStack()
        place.callback(self.left.append, "left")
        self.connections = Connections(WebSettings())
        self.answer = Paced(
            pieces,
            "text/plain",
            notice=b"bye",
            connections=self.connections,
            place=place,
            clock=ManualClock(),
            expires_s=None,
        )

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(self, message: Any) -> None:
        if message.get("body") not in (None, b"bye"):
            await self.takes.wait()

    async def run(self) -> None:
        await self.answer({"type": "http"}, self.receive, self.send)


def test_pieces_are_closed_also_where_nobody_takes_them() -> None:
    async def scene() -> None:
        closed: list[str] = []

        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                while True:
                    yield b"x"
            finally:
                closed.append("closed")

        client = Blocked(pieces())
        running = asyncio.ensure_future(client.run())
        await settle()
        client.connections.begin_drain()
        await running

        assert (client.left, closed) == (["left"], ["closed"])

    play(scene)


def test_pieces_that_fail_are_logged() -> None:
    async def scene() -> None:
        async def pieces() -> AsyncGenerator[bytes, None]:
            raise JournalUnavailable("s1", why="disk I/O error")
            yield b""

        client = Blocked(pieces())
        with logged() as logs:
            await client.run()

        assert [(each["event"], "disk" in each["error"]) for each in logs] == [
            ("stream_failed", True)
        ]

    play(scene)
