"""What a client makes of a network that fails, and of servers that come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from theatre import ManualClock, play, settle
from web.cable import cable
from web.kit import House, house, served
from web.wire import until
from websockets.asyncio.server import ServerConnection, serve

import greenroom
from greenroom.actors import errors as core
from greenroom.adapters.client import problems
from greenroom.adapters.client.problems import KINDS, Told, error_of
from greenroom.adapters.web import problems as answers
from greenroom.adapters.web.streams.frames import Draining, Error, Frame, Hello, encode_json
from greenroom.client import Client, ServerFailed, TooManyRequests, Unauthenticated, Unreachable


def steady() -> float:
    return 1.0


class Way(httpx.AsyncBaseTransport):
    """The way to an application; `trips` say what happens to each request, in turn."""

    def __init__(self, place: House, *trips: str) -> None:
        self._app = httpx.ASGITransport(place.app)
        self.trips = list(trips)
        self.taken: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trip = "whole"
        if request.url.path != "/v1/me":
            trip = self.trips.pop(0) if self.trips else trip
            self.taken.append(trip)
        if trip == "no way there":
            raise httpx.ConnectError("refused")
        if trip == "lost on the way there":
            raise httpx.WriteError("broken")
        if trip == "stopping":
            body = {"code": "draining", "detail": "the runtime is draining", "status": 503}
            return httpx.Response(503, json=body)
        if trip == "too many":
            body = {"code": "too_many_requests", "status": 429, "retry_after_s": 3.0}
            return httpx.Response(429, json=body, headers={"retry-after": "3"})
        if trip == "no proxy":
            return httpx.Response(502, text="<html>bad gateway</html>")
        response = await self._app.handle_async_request(request)
        if trip == "lost on the way back":
            raise httpx.ReadError("broken")
        return response


def client(way: Way, clock: ManualClock, **options: Any) -> Client:
    return Client(
        "http://localhost", token="ann", transport=way, clock=clock, draw=steady, **options
    )


@pytest.mark.parametrize("trip", ["lost on the way there", "lost on the way back"])
def test_p8_a_command_that_breaks_off_is_unknown_without_a_key_and_done_once_with_one(
    trip: str,
) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house() as place:
            session = await place.runtime.create(user="ann")
            way = Way(place)
            async with client(way, clock) as runtime:
                hers = runtime.session(session.id)

                way.trips = [trip]
                with pytest.raises(greenroom.OutcomeUnknown) as unknown:
                    await hers.post("ann", "without")
                assert unknown.value.session == session.id

                way.trips = [trip, trip]
                keyed = hers.post("ann", "with", key="k1")
                await until(lambda: len(way.taken) == 2 and bool(clock.pending))
                await clock.advance(0.1)
                await until(lambda: len(way.taken) == 3 and bool(clock.pending))
                await clock.advance(0.2)
                await keyed

                texts = [line.text for line in await session.transcript("ann")]
                done = ["without"] if trip == "lost on the way back" else []
                assert texts == [*done, "with"]

    play(scene)


def test_what_was_certainly_not_done_is_sent_again_in_order() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house() as place:
            session = await place.runtime.create(user="ann")
            way = Way(place)
            async with client(way, clock) as runtime:
                hers = runtime.session(session.id)
                way.trips = ["no way there", "stopping", "too many"]

                first, second = hers.post("ann", "1"), hers.post("ann", "2")
                for wait_s, taken in ((0.1, 1), (0.2, 2), (3.4, 3)):
                    await until(lambda taken=taken: len(way.taken) == taken and clock.pending)
                    await clock.advance(wait_s - 0.01)
                    assert len(way.taken) == taken
                    await clock.advance(0.0100001)
                assert ((await first).revision, (await second).revision) == (1, 2)

    play(scene)


@pytest.mark.parametrize(
    ("trip", "error"),
    [
        ("no way there", Unreachable),
        ("stopping", greenroom.RuntimeClosed),
        ("too many", TooManyRequests),
        ("no proxy", ServerFailed),
    ],
)
def test_patience_ends(trip: str, error: type[Exception]) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house() as place:
            session = await place.runtime.create(user="ann")
            way = Way(place)
            async with client(way, clock, patience_s=7) as runtime:
                way.trips = [trip] * 100
                asked = runtime.session(session.id).info()
                for _ in range(100):
                    await settle()
                    if asked.done:
                        break
                    await clock.advance(1)
                with pytest.raises(error):
                    await asked
                way.trips = []
                assert (await runtime.session(session.id).info()).id == session.id

    play(scene)


def test_what_a_proxy_says_of_a_command_is_not_sent_again() -> None:
    async def scene() -> None:
        async with house() as place:
            session = await place.runtime.create(user="ann")
            way = Way(place)
            async with client(way, ManualClock()) as runtime:
                way.trips = ["no proxy"]
                with pytest.raises(ServerFailed) as failed:
                    await runtime.session(session.id).post("ann", "x")
                assert failed.value.status == 502

    play(scene)


async def revisions(items: Any, last: int) -> list[Any]:
    """Everything up to revision `last`."""
    got = []
    async for item in items:
        got.append(item)
        if isinstance(item, greenroom.Published) and item.revision >= last:
            return got
    return got


def test_p15_a_cut_connection_loses_and_doubles_nothing() -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address, cable(address) as line:
            session = await place.runtime.create(user="ann")
            async with Client(line.address, token="ann", draw=lambda: 0.0) as runtime:
                items = runtime.session(session.id).events("ann", after="start")
                seen = []
                for n in range(4):
                    await session.post("ann", f"{n} before")
                    seen += await revisions(items, 3 * n + 1)
                    await line.cut()
                    await session.post("ann", f"{n} meanwhile")
                    line.mend()
                    await session.post("ann", f"{n} after")
                    seen += await revisions(items, 3 * n + 3)

                assert [item.revision for item in seen] == list(range(1, 13))
                assert not any(item.healed for item in seen)

    play(scene)


def test_p15_a_reader_that_was_away_for_too_long_is_told_of_the_gap() -> None:
    async def scene() -> None:
        async with (
            house(live_events=16) as place,
            served(place) as address,
            cable(address) as line,
        ):
            session = await place.runtime.create(user="ann")
            async with Client(line.address, token="ann", draw=lambda: 0.0) as runtime:
                items = runtime.session(session.id).events("ann", after="start")
                await session.post("ann", "first")
                before = await revisions(items, 1)
                await line.cut()
                for n in range(40):
                    await session.post("ann", str(n))
                line.mend()
                after = await revisions(items, 41)

                assert isinstance(after[0], greenroom.Gap)
                assert (after[0].reason, after[0].healed) == ("trimmed", True)
                assert after[0].requested == before[-1].cursor
                told = [item.revision for item in after[1:]]
                assert told == list(range(2, 42))

    play(scene)


def test_p15_another_process_on_the_same_journal_goes_on_where_the_first_one_stopped(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        journal = f"sqlite:///{tmp_path}/j.db"
        async with (
            house(journal=journal) as first,
            served(first) as address,
            cable(address) as line,
            Client(line.address, token="ann", draw=lambda: 0.0) as runtime,
        ):
            session = await runtime.create(user="ann")
            items = session.events("ann", after="start")
            turn = await session.send("ann", "one two")
            await turn.result()
            last = (await session.info()).revision
            seen = await revisions(items, last)

            await first.hall.drain(None)
            await line.cut()
            posted = session.post("ann", "while nobody is there", key="k1")
            async with house(journal=journal) as second, served(second) as other:
                line.mend(other)
                assert (await posted).revision == last + 1
                assert (await session.result(turn.id)).text == "one two "
                seen += await revisions(items, last + 1)
            durable = [item.revision for item in seen if item.durable]
            assert durable == list(range(1, last + 2))

    play(scene)


HELLO = Hello(session="s1", user="ann", cursor="gr1.1.0.0.x.s1", heartbeat_s=15)


@asynccontextmanager
async def spoken(
    clock: ManualClock, *said: Frame, code: int | None = None
) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client of a server that says this to whoever connects, and then closes, if with a code;
    and the paths that were asked for."""
    paths: list[str] = []

    async def speak(connection: ServerConnection) -> None:
        assert connection.request is not None
        paths.append(connection.request.path)
        text = b"[" + b",".join(encode_json(each) for each in (HELLO, *said)) + b"]"
        await connection.send(text, text=True)
        if code is not None:
            await connection.close(code)
        await connection.wait_closed()

    async with house() as place, serve(speak, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        made = Client(
            f"http://{host}:{port}", token="ann", transport=Way(place), clock=clock, draw=steady
        )
        async with made as runtime:
            yield runtime, paths


def test_a_connection_on_which_nothing_is_heard_is_made_again() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with spoken(clock) as (runtime, paths):
            runtime.session("s1").events("ann")
            await until(lambda: bool(clock.pending))
            await clock.advance(29)
            assert len(paths) == 1
            await clock.advance(2)
            await until(lambda: bool(clock.pending))
            await clock.advance(1)
            await until(lambda: len(paths) == 2)
            assert paths[1].endswith("?cursor=gr1.1.0.0.x.s1")

    play(scene)


def test_a_server_that_stops_says_when_to_come_back() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with spoken(clock, Draining(retry_ms=1500), code=4000) as (runtime, paths):
            runtime.session("s1").events("ann")
            await until(lambda: len(paths) == 1 and clock.last_due_s < 2)
            await until(lambda: bool(clock.pending))
            await clock.advance(1.59)
            assert len(paths) == 1
            await clock.advance(0.02)
            await until(lambda: len(paths) == 2)

    play(scene)


@pytest.mark.parametrize(
    ("code", "error"), [(4401, Unauthenticated), (4500, greenroom.SessionParked)]
)
def test_a_stream_that_cannot_go_on_tells_why(code: int, error: type[Exception]) -> None:
    async def scene() -> None:
        parked = {"code": "parked", "detail": "it is parked", "session": "s1", "status": 503}
        told = Error(id=None, problem=parked)
        async with spoken(ManualClock(), told, code=code) as (runtime, paths):
            with pytest.raises(error):
                await anext(runtime.session("s1").events("ann"))
            assert len(paths) == 1

    play(scene)


def test_a_stream_is_refused_with_the_error_of_a_runtime() -> None:
    async def scene() -> None:
        settings = {"max_subscribers": 1}
        async with house(web=settings) as place, served(place) as address:
            session = await place.runtime.create(user="ann")
            async with Client(f"http://{address}", token="ann") as runtime:
                hers = runtime.session(session.id)
                reading = await hers.subscribe("ann", lambda _: None)
                with pytest.raises(TooManyRequests):
                    await anext(hers.events("ann"))
                with pytest.raises(greenroom.SessionNotFound):
                    await anext(runtime.session("nope").events("ann"))
                reading.close()

    play(scene)


def test_every_error_that_the_network_tells_is_the_one_of_a_runtime() -> None:
    samples = [
        greenroom.SessionNotFound("s"),
        greenroom.InvalidInput("text", 5, "a string"),
        greenroom.InvalidCursor("x", "one"),
        greenroom.CapacityError("per_user", limit=3, in_use=3, retry_after_s=1.5, user="ann"),
        greenroom.NotHost("s", "ann", "bob"),
        greenroom.NotAllowed("s", "ann", "observer", "speak"),
        greenroom.SessionEnded("s", ("active",)),
        greenroom.TurnBusy("s", "7"),
        greenroom.VersionConflict("s", key="k", expected=1, version=2, value=3),
        greenroom.IdempotencyConflict("s", "k1"),
        greenroom.SessionParked("s", restarts=3, window_s=60, error="boom"),
        greenroom.RuntimeClosed("draining"),
        core.SessionClosed("s"),
    ]
    for error in samples:
        problem = answers.problem_of(error)

        back = error_of(problems.read(msgspec.json.encode(problem), 500), "ann")

        assert type(back) is type(error)
        assert (str(back), back.code) == (problem.detail, error.code)
        for name in ("session", "field", "limit", "in_use", "scope", "turn", "state", "key"):
            assert getattr(back, name, None) == getattr(error, name, None)
        assert set(vars(error)) <= set(vars(back)) | {"restarts", "window_s", "error", "value"}
        assert getattr(back, "user", "ann") == "ann"


def test_every_code_of_the_server_has_its_class_and_others_are_told_too() -> None:
    assert answers.STATUS.keys() - KINDS.keys() == set()
    strange = error_of(Told(code="new_one", detail="something new", status=418), "ann")
    assert isinstance(strange, ServerFailed)
    assert (strange.code, strange.status) == ("new_one", 418)
    assert ServerFailed.code == "server_failed"
