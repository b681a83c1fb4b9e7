"""Server-sent events: exact resumption, gaps, silence, slowness, and how a stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from theatre import ManualClock, play, settle, take
from web.kit import Expiring, House, Ticket, house, served
from web.wire import events, stream, until, words

import greenroom
from greenroom.actors.session.events import TurnEnded
from greenroom.actors.subscriber import BATCH
from greenroom.adapters.web.streams import frames
from greenroom.adapters.web.streams.follower import HOLD


async def opened(h: House, session: str = "s1", user: str = "ann") -> greenroom.Session:
    return await h.runtime.create(user, id=session)


async def say(session: greenroom.Session, *texts: str) -> None:
    for text in texts:
        await session.post("ann", text)


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"m{number}" for number in range(first, first + count)]


# --- over a real server --------------------------------------------------------------------------


async def read(address: str, path: str, word: str, **headers: str) -> tuple[httpx.Response, str]:
    """What comes until `word` has; then the connection is dropped."""
    headers["authorization"] = "Bearer ann"
    client = httpx.AsyncClient(base_url=f"http://{address}", headers=headers)
    async with client, client.stream("GET", path) as response:
        text = ""
        async for part in response.aiter_text():
            text += part
            if word in text:
                break
    return response, text


def test_a_reader_that_was_dropped_goes_on_exactly_where_it_was() -> None:
    """No event is lost or doubled, whatever the number of drops, durable or not."""

    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            path, last, seen = "/v1/sessions/s1/events?cursor=start", "", []
            for number in range(5):
                turn = await session.send("ann", f"question {number} of five")
                await turn.result()
                headers = {"last-event-id": last} if last else {}
                _, text = await read(address, path, f'"turn":{number + 1},"status"', **headers)
                told = [each for each in events(text) if each[1] != "hello"]
                seen += [each for _, _, each in told]
                last = told[-1][0]

            heard = [each async for each in until_ended(session, 5)]
            assert [frames.item(each) for each in seen] == heard  # type: ignore[arg-type]

    play(scene)


async def until_ended(session: greenroom.Session, turn: int) -> AsyncIterator[Any]:
    async for each in session.events("ann", after=greenroom.START):
        yield each
        if isinstance(each.event, TurnEnded) and each.turn == turn:
            return


def test_what_the_response_says_of_itself() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            await opened(h)
            response, text = await read(address, "/v1/sessions/s1/events", "\n\n")

            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"
            assert text.startswith("retry: 2000\nid: gr1.")

    play(scene)


def test_nothing_is_lost_between_the_answer_and_the_first_event() -> None:
    """Who is dropped before anything has happened has a cursor all the same: that of `hello`."""

    async def scene() -> None:
        async with house() as h, served(h) as address:
            session = await opened(h)
            _, text = await read(address, "/v1/sessions/s1/events", "\n\n")
            [(last, name, _)] = events(text)
            assert name == "hello"

            await say(session, "meanwhile")
            _, text = await read(
                address, "/v1/sessions/s1/events", "meanwhile", **{"last-event-id": last}
            )
            assert words([each for _, _, each in events(text)]) == ["meanwhile"]

    play(scene)


def test_a_server_that_stops_tells_every_reader_and_ends() -> None:
    """uvicorn waits for ever for open responses when it is told to stop (web.md, section 1)."""

    async def scene() -> None:
        async with house() as h, served(h) as address:
            await opened(h)
            headers = {"authorization": "Bearer ann"}
            async with httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as client:
                async with client.stream("GET", "/v1/sessions/s1/events") as response:
                    parts = response.aiter_text()
                    text = await anext(parts)
                    await h.hall.drain()
                    await h.hall.drain()
                    text += "".join([part async for part in parts])  # its end comes by itself
                assert [name for _, name, _ in events(text)] == ["hello", "draining"]
                assert len(h.hall.connections) == 0

                refused = await client.get("/v1/sessions/s1/events")
                assert (refused.status_code, refused.json()["code"]) == (503, "draining")

    play(scene)


# --- where reading begins ------------------------------------------------------------------------


def test_the_header_goes_before_the_query() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            await say(session, *numbered(3))
            async with session.events("ann", after=greenroom.START) as read:
                _, second = await take(read, 2)

            wire = stream(h.app, "s1", "ann", "cursor=start", last_event_id=second.cursor)
            await settle()

            assert words(wire.told) == ["m2"]
            await wire.leave()

    play(scene)


def test_only_the_kinds_that_are_asked_for() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann", "kinds=turn.started,turn.ended")
            await until(lambda: bool(wire.sent))
            turn = await session.send("ann", "hello you")
            await turn.result()
            await until(lambda: b"event: turn.ended" in wire.body)
            names = [name for _, name, _ in events(wire.body.decode())]

            assert names == ["hello", "turn.started", "turn.ended"]
            await wire.leave()

    play(scene)


@pytest.mark.parametrize(
    ("user", "session", "query", "status", "code"),
    [
        ("ann", "s1", "cursor=nonsense", 400, "invalid_cursor"),
        ("ann", "s1", "cursor=gr1.1.1.1.cafe.s2", 403, "wrong_session"),
        ("ann", "s1", "kinds=none.such", 422, "invalid"),
        ("ann", "s1", "presence=maybe", 422, "invalid"),
        ("ann", "s2", "", 404, "not_found"),
        ("bob", "s1", "", 404, "not_found"),
        ("", "s1", "", 401, "unauthenticated"),
        ("ann", "-s", "", 422, "invalid"),
    ],
)
def test_what_is_wrong_before_the_first_byte_is_a_problem(
    user: str, session: str, query: str, status: int, code: str
) -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            wire = stream(h.app, session, user, query)
            if not user:
                wire.scope["headers"][0] = (b"authorization", b"none")
            await wire.task

            assert wire.status == status
            assert httpx.Response(status, content=wire.body).json()["code"] == code
            assert len(h.hall.connections) == 0

    play(scene)


def test_a_stranger_cannot_tell_a_session_from_none() -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            there, nowhere = stream(h.app, "s1", "bob"), stream(h.app, "s2", "bob")
            await asyncio.gather(there.task, nowhere.task)

            assert there.body.replace(b"s1", b"s2") == nowhere.body
            assert there.status == nowhere.status == 404

    play(scene)


def test_a_place_that_was_trimmed_is_a_gap_and_then_all_that_is_durable() -> None:
    async def scene() -> None:
        config = greenroom.Config(live_events=10)
        async with house(config=config) as h:
            session = await opened(h)
            await say(session, *numbered(100))

            wire = stream(h.app, "s1", "ann", "cursor=start")
            await until(lambda: b"m99" in wire.body)

            [(last, name, gap), *rest] = events(wire.body.decode())[1:]
            assert (name, gap.healed) == ("gap", True)  # type: ignore[union-attr]
            assert last == gap.requested  # type: ignore[union-attr]
            assert words([each for _, _, each in rest]) == numbered(100)
            await wire.leave()

    play(scene)


# --- silence and slowness ------------------------------------------------------------------------


def test_a_silent_stream_says_that_it_is_alive() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock, web={"heartbeat_s": 8.0}) as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await clock.advance(5.9)
            assert b": alive" not in wire.body

            await clock.advance(2.0)
            assert wire.body.count(b": alive\n\n") == 1

            session.post("ann", "hello")
            await clock.advance(4.0)
            assert wire.body.count(b": alive\n\n") == 1  # it was not silent

            await clock.advance(80.0)
            assert 10 <= wire.body.count(b": alive\n\n") - 1 <= 14
            await wire.leave()

    play(scene)


def test_what_comes_within_the_window_goes_in_one_chunk() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock, web={"batch_ms": 10}) as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await settle()
            session.post("ann", "first")
            await clock.advance(0)
            assert words(wire.told) == ["first"]  # at once: nothing had come for a while

            before = len(wire.sent)
            for text in numbered(20):
                session.post("ann", text)
            await clock.advance(0.009)
            assert len(wire.sent) == before
            await clock.advance(0.001)
            assert len(wire.sent) == before + 1
            assert words(wire.told) == ["first", *numbered(20)]
            await wire.leave()

    play(scene)


def in_hand(h: House) -> int:
    """Of the one stream there is, what it holds."""
    [each] = h.hall.connections._open
    return len(each._out)  # type: ignore[attr-defined]


def test_a_slow_reader_costs_no_memory_and_is_told_of_the_gap() -> None:
    async def scene() -> None:
        async with house(config=greenroom.Config(live_events=200)) as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await settle()
            wire.takes.clear()
            for first in range(0, 2000, 100):
                await say(session, *numbered(100, first))
                await settle()
                assert in_hand(h) <= HOLD + BATCH
            made = len(words(wire.told))

            wire.takes.set()
            await until(lambda: wire.body.count(b"event: message.posted") >= 2000)

            assert made < HOLD + BATCH
            assert words(wire.told) == numbered(2000)  # durable: healed, none twice
            assert [each for each in wire.told if isinstance(each, frames.GapFrame)]
            await wire.leave()

    play(scene)


def test_a_reader_that_takes_nothing_for_too_long_is_cut_and_can_go_on() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock, web={"stalled_s": 30.0, "heartbeat_s": 4.0}) as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await clock.advance(0)
            wire.takes.clear()
            session.post("ann", "unheard")
            await clock.advance(29)
            assert not wire.task.done()

            await clock.advance(3)
            wire.takes.set()
            await wire.task
            assert len(h.hall.connections) == 0
            [(last, _, _)] = events(wire.body.decode())

            again = stream(h.app, "s1", "ann", last_event_id=last)
            await clock.advance(1)
            assert words(again.told) == ["unheard"]
            await again.leave()

    play(scene)


def test_a_replay_does_not_spin_after_its_reader_has_gone() -> None:
    """uvicorn's `send` returns at once then, and a loop that only sends lets nobody else run."""

    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            await say(session, *numbered(2000))
            wire = stream(h.app, "s1", "ann", "cursor=start")
            await until(lambda: bool(wire.sent))
            wire.gone = True
            wire.say({"type": "http.disconnect"})
            tries = wire.tries
            await wire.task

            assert wire.tries - tries <= 2
            assert len(h.hall.connections) == 0

    play(scene)


def test_a_reader_that_leaves_while_nothing_happens_is_noticed() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await settle()
            [each] = h.hall.connections._open
            reader = each._reading.result()  # type: ignore[attr-defined]
            assert not reader.actor_inbox.closed
            await wire.leave()
            await say(session, *numbered(3))
            await settle()

            assert len(h.hall.connections) == 0
            assert reader.actor_inbox.closed
            assert wire.tries == 2  # the start, and hello

    play(scene)


def test_a_reader_that_has_left_while_it_was_slow_is_noticed() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await settle()
            wire.takes.clear()
            await say(session, *numbered(3))
            await until(lambda: wire.tries == 3)
            wire.say({"type": "http.disconnect"})  # and `send` never returns
            await wire.task

    play(scene)


def test_who_cancels_a_stream_leaves_nothing_behind() -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            before = asyncio.all_tasks()
            wire = stream(h.app, "s1", "ann")
            await settle()
            wire.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wire.task
            await settle()

            assert len(h.hall.connections) == 0
            assert asyncio.all_tasks() == before

    play(scene)


# --- how it ends ---------------------------------------------------------------------------------


def test_the_end_of_the_session_is_told_and_the_body_ends() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            wire = stream(h.app, "s1", "ann")
            await settle()
            await session.end("ann")
            await wire.task

            names = [name for _, name, _ in events(wire.body.decode())]
            assert names == ["hello", "session.ended", "end"]
            assert wire.told[-1] == frames.End(reason="ended")
            assert wire.sent[-1]["more_body"] is False

    play(scene)


def test_who_leaves_the_session_hears_no_more_of_it() -> None:
    async def scene() -> None:
        async with house() as h:
            session = await opened(h)
            await session.join("bob")
            wire = stream(h.app, "s1", "bob")
            await settle()
            await session.leave("bob")
            await session.post("ann", "he is gone")
            await wire.task

            assert wire.told[-1] == frames.End(reason="left")
            assert words(wire.told) == []

    play(scene)


def test_a_session_that_is_set_aside_is_an_error_after_the_first_byte() -> None:
    async def scene() -> None:
        async with house() as h:
            await opened(h)
            wire = stream(h.app, "s1", "ann")
            await settle()
            await h.runtime.park("s1", "broken")
            await wire.task

            assert wire.status == 200
            last = wire.told[-1]
            assert isinstance(last, frames.Error)
            assert last.problem["code"] == "parked"

    play(scene)


def test_a_stream_ends_when_the_credentials_do() -> None:
    async def scene() -> None:
        clock = ManualClock(1000.0)
        async with house(clock=clock) as h:
            h.hall._authenticators = (Expiring(),)
            await opened(h)
            wire = stream(h.app, "s1", "ann")
            await clock.advance(59)
            assert not wire.task.done()
            await clock.advance(1)
            await wire.task

            last = wire.told[-1]
            assert isinstance(last, frames.Error)
            assert last.problem["code"] == "unauthenticated"

    play(scene)


def test_a_ticket_is_good_for_its_session_only() -> None:
    async def scene() -> None:
        async with house() as h:
            h.hall._authenticators = (Ticket(),)
            await opened(h, "s1")
            await opened(h, "s2")
            good, bad = stream(h.app, "s1", "ann"), stream(h.app, "s2", "ann")
            await bad.task
            await until(lambda: bool(good.sent))
            assert (good.status, bad.status) == (200, 403)
            await good.leave()

    play(scene)


# --- how many ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["max_connections", "max_subscribers"])
def test_streams_are_counted_and_given_back(limit: str) -> None:
    async def scene() -> None:
        async with house(web={limit: 1}) as h:
            await opened(h)
            first, refused = stream(h.app, "s1", "ann"), stream(h.app, "s1", "ann")
            await refused.task
            assert refused.status == 429
            assert httpx.Response(429, content=refused.body).json()["code"] == "too_many_requests"

            await first.leave()
            third = stream(h.app, "s1", "ann")
            await settle()
            assert third.status == 200
            await third.leave()

    play(scene)


def test_a_refused_stream_takes_no_place() -> None:
    async def scene() -> None:
        async with house(web={"max_connections": 1}) as h:
            await opened(h)
            await stream(h.app, "s1", "ann", "cursor=nonsense").task
            wire = stream(h.app, "s1", "ann")
            await settle()
            assert wire.status == 200
            await wire.leave()

    play(scene)


def test_one_event_is_encoded_once_for_all_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        made = []
        encode = frames.encode_json
        monkeypatch.setattr(
            "greenroom.adapters.web.streams.encodings.encode_json",
            lambda told: (made.append(told), encode(told))[1],
        )
        async with house() as h:
            session = await opened(h)
            wires = [stream(h.app, "s1", "ann") for _ in range(50)]
            await settle()
            await say(session, *numbered(5))
            await until(lambda: all(b"m4" in wire.body for wire in wires))

            assert [words(wire.told) for wire in wires] == [numbered(5)] * 50
            assert len(made) == 5
            for wire in wires:
                await wire.leave()

    play(scene)


# --- presence ------------------------------------------------------------------------------------


def shown(wire: Any) -> list[tuple[str, bool]]:
    told = [each.event for each in wire.told if isinstance(each, frames.EventFrame)]
    return [(each.user, each.active) for each in told if hasattr(each, "active")]


def test_the_room_hears_of_the_first_stream_and_of_the_last() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h:
            session = await opened(h)
            await session.join("bob")
            ann = stream(h.app, "s1", "ann")
            await clock.advance(1)
            silent = stream(h.app, "s1", "bob")
            one = stream(h.app, "s1", "bob", "presence=true")
            await clock.advance(1)
            two = stream(h.app, "s1", "bob", "presence=true")
            await clock.advance(1)
            assert shown(ann) == [("bob", True)]

            await one.leave()
            await silent.leave()
            await clock.advance(1)
            assert shown(ann) == [("bob", True)]

            await two.leave()
            await clock.advance(1)
            assert shown(ann) == [("bob", True), ("bob", False)]
            await ann.leave()

    play(scene)
