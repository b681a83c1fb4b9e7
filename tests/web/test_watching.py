"""What the dashboard follows: one look a tick and filter, and a session as its journal has it."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from theatre import ManualClock, play, settle
from web.kit import house
from web.logs import logged

from greenroom.adapters.web.board import TICK_S
from greenroom.adapters.web.principal import OPERATOR, Credentials, Principal
from greenroom.adapters.web.routes.watching import LOOK_S, _recorded
from greenroom.supervisor.residents import ResidentQuery, Residents

ALL = ResidentQuery()
BETA = ResidentQuery(prefix="beta")


def test_one_look_is_made_for_all_who_watch_with_one_filter() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h:
            board = h.hall.board
            await h.runtime.create("ann", id="alpha")
            watching = [board.watch(ALL) for _ in range(5)] + [board.watch(BETA)]
            first = [json.loads(await anext(each)) for each in watching]
            assert [look["matched"] for look in first] == [1, 1, 1, 1, 1, 0]

            await h.runtime.create("ann", id="beta")
            before = board.looks
            tasks = [asyncio.ensure_future(anext(each)) for each in watching]
            await settle()
            await clock.advance(TICK_S)
            seen = [await task for task in tasks]

            assert board.looks - before == 2
            assert all(look is seen[0] for look in seen[:5])
            assert [json.loads(look)["matched"] for look in seen] == [2, 2, 2, 2, 2, 1]
            for each in watching:
                await each.aclose()
            await clock.advance(10 * TICK_S)
            assert board.looks - before == 2, "nobody watches"

    play(scene)


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h, aclosing(h.hall.board.watch(ALL)) as watching:
            await anext(watching)
            coming = asyncio.ensure_future(anext(watching))
            await settle()

            async def fails(_: ResidentQuery) -> Residents:
                raise RuntimeError("boom")

            with monkeypatch.context() as broken, logged() as lines:
                broken.setattr(h.runtime, "residents", fails)
                await clock.advance(TICK_S)
            assert [line["event"] for line in lines] == ["look_failed"]
            assert not coming.done()
            await clock.advance(TICK_S)
            assert json.loads(await coming)["ready"] is True

    play(scene)


def test_a_house_that_has_stopped_is_shown_as_such() -> None:
    async def scene() -> None:
        async with house() as h, aclosing(h.hall.board.watch(ALL)) as watching:
            assert json.loads(await anext(watching))["ready"] is True
            await h.hall.drain()
            async with aclosing(h.hall.board.watch(BETA)) as late:
                assert json.loads(await anext(late))["ready"] is False

    play(scene)


def test_a_session_is_followed_in_its_journal_and_stays_where_it_is() -> None:
    async def scene() -> None:
        clock = ManualClock()
        async with house(clock=clock) as h:
            session = await h.runtime.create("ann", id="alpha")
            await session.post("ann", "one")
            await h.runtime.passivate("alpha")
            incarnation = "cafe"
            told = _recorded(h.runtime.journal, clock, "alpha", incarnation, 0)
            async with aclosing(told):
                seen: list[Any] = [json.loads(await anext(told))]
                assert h.runtime.resident == 0
                coming = asyncio.ensure_future(anext(told))
                await settle()
                await session.post("ann", "two")
                await clock.advance(LOOK_S)
                seen.append(json.loads(await coming))

            assert [frame["revision"] for frame in seen] == [1, 2]
            assert [frame["event"]["message"]["text"] for frame in seen] == ["one", "two"]

    play(scene)


def test_who_watches_sees_nothing_more_when_the_credentials_have_expired() -> None:
    """As with the streams of sessions."""

    class Expiring:
        async def authenticate(self, _: Credentials) -> Principal:
            return Principal(user="eva", scopes=frozenset({OPERATOR}), expires_s=expires_s)

    clock = ManualClock()
    expires_s = clock.now_ms() / 1000 + 4

    async def scene() -> None:
        async with house(clock=clock, who=[Expiring()]) as h, h.client() as eva:
            await h.runtime.create("ann", id="alpha")
            paths = "/v1/admin/overview", "/v1/admin/sessions/alpha/events"
            watching = [asyncio.ensure_future(eva.get(path)) for path in paths]
            await settle()
            await clock.advance(3)
            assert len(h.hall.connections) == 2
            await clock.advance(1)
            answers = [await each for each in watching]

            assert [answer.status_code for answer in answers] == [200, 200]
            assert not any("draining" in answer.text for answer in answers)
            assert len(h.hall.connections) == 0

    play(scene)


def test_what_has_no_end_has_no_head() -> None:
    """A server sends none of its body, so that nobody would see it go on, and it would."""

    async def scene() -> None:
        async with house() as h, h.client("eva+operator", leaves=True) as eva:
            await h.runtime.create("eva", id="alpha")
            of_session = "/v1/admin/sessions/alpha/events", "/v1/sessions/alpha/replay"
            for path in ("/v1/admin/overview", *of_session):
                refused = await eva.head(path)
                assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
            assert (await eva.head("/v1/sessions/alpha")).status_code == 200

    play(scene)


def test_of_a_session_that_is_not_there_an_operator_is_told_so() -> None:
    async def scene() -> None:
        async with house() as h, h.client("eva+operator") as eva:
            refused = await eva.get("/v1/admin/sessions/nothing/events")
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")

    play(scene)
