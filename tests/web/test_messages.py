"""Messages over HTTP: the turns they begin, and waiting for these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from theatre import Script, echo, play, settle, texts
from web.kit import House, house


@asynccontextmanager
async def room(
    pipeline: Any = echo, **options: Any
) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    """Ann's session `s`, and ann."""
    async with house(pipeline, **options) as h, h.client("ann") as ann:
        await ann.post("/v1/sessions", json={"id": "s"})
        yield h, ann


def test_a_message_is_accepted_with_its_turn() -> None:
    async def scene() -> None:
        script = Script()
        async with room(script) as (_, ann):
            first = await ann.post("/v1/sessions/s/messages", json={"text": "one"})
            assert first.status_code == 202
            assert first.headers["location"] == "/v1/sessions/s/turns/1"
            assert first.json() == {"turn": 1, "ahead": 0, "waits_for": None}
            second = await ann.post("/v1/sessions/s/messages", json={"text": "two"})
            assert second.json() == {"turn": 2, "ahead": 1, "waits_for": "turn"}

    play(scene)


def test_waiting_for_the_answer_gives_it() -> None:
    async def scene() -> None:
        async with room() as (_, ann):
            done = await ann.post("/v1/sessions/s/messages?wait_s=20", json={"text": "a b"})
            assert done.status_code == 200
            assert (done.json()["turn"], done.json()["text"]) == (1, "a b ")
            assert done.json()["status"] == "completed"
            assert done.headers["location"] == "/v1/sessions/s/turns/1"

    play(scene)


def test_nobody_waits_longer_than_the_house_allows() -> None:
    async def scene() -> None:
        async with room(Script(), web={"wait_max_s": 0.01}) as (_, ann):
            late = await ann.post("/v1/sessions/s/messages?wait_s=inf", json={"text": "a"})
            assert (late.status_code, late.json()["turn"]) == (202, 1)
            still = await ann.get("/v1/sessions/s/turns/1?wait_s=1e9")
            assert (still.status_code, still.json()["state"]) == (202, "running")

    play(scene)


def test_who_waits_again_and_again_asks_the_session_once() -> None:
    async def scene() -> None:
        script = Script()
        async with room(script, web={"wait_max_s": 0.001}) as (h, ann):
            await ann.post("/v1/sessions/s/messages", json={"text": "a"})
            asked = h.hall.results.of("s", 1)
            for _ in range(5):
                assert (await ann.get("/v1/sessions/s/turns/1?wait_s=1")).status_code == 202
                assert h.hall.results.of("s", 1) is asked
            script.cue("s", 1, "done", None)
            await asked
            assert h.hall.results.of("s", 1) is not asked

    play(scene)


def test_what_needs_no_answer_is_posted() -> None:
    async def scene() -> None:
        async with room() as (h, ann):
            posted = await ann.post("/v1/sessions/s/messages", json={"text": "a", "answer": False})
            assert (posted.status_code, posted.json()["type"]) == (201, "receipt")
            assert "location" not in posted.headers
            info = await h.runtime.session("s").info()
            assert (info.messages, info.running_turn, info.queued_turns) == (1, None, [])
            for extra in ({"policy": "reject"}, {"answer_key": "k"}):
                body = {"text": "a", "answer": False, **extra}
                refused = await ann.post("/v1/sessions/s/messages", json=body)
                assert (refused.status_code, refused.json()["field"]) == (422, next(iter(extra)))

    play(scene)


@pytest.mark.parametrize("body", [{"text": "a"}, {"text": "a", "answer": False}])
def test_a_message_with_a_key_is_said_once(body: dict[str, Any]) -> None:
    async def scene() -> None:
        async with room() as (h, ann):
            key = {"idempotency-key": "k1"}
            first = await ann.post("/v1/sessions/s/messages", json=body, headers=key)
            again = await ann.post("/v1/sessions/s/messages", json=body, headers=key)
            assert (first.status_code, first.content) == (again.status_code, again.content)
            other = await ann.post(
                "/v1/sessions/s/messages", json={**body, "text": "b"}, headers=key
            )
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
            await settle()
            said = texts(await h.runtime.session("s").transcript("ann"))
            assert said == (["a", "a "] if "answer" not in body else ["a"])

    play(scene)


def test_a_policy_says_how_a_running_turn_is_met() -> None:
    async def scene() -> None:
        script = Script()
        async with room(script) as (_, ann):
            await ann.post("/v1/sessions/s/messages", json={"text": "one"})
            busy = await ann.post("/v1/sessions/s/messages", json={"text": "x", "policy": "reject"})
            assert (busy.status_code, busy.json()["code"]) == (409, "turn_busy")
            assert (busy.json()["turn"], busy.json()["retryable"]) == (1, True)
            unknown = await ann.post("/v1/sessions/s/messages", json={"text": "x", "policy": "?"})
            assert (unknown.status_code, unknown.json()["field"]) == (422, "policy")
            first = await ann.post(
                "/v1/sessions/s/messages", json={"text": "two", "policy": "interrupt"}
            )
            assert first.json()["turn"] == 2
            ended = await ann.get("/v1/sessions/s/turns/1")
            assert (ended.status_code, ended.json()["status"]) == (200, "superseded")

    play(scene)


def test_steering_is_a_message_with_that_policy() -> None:
    async def scene() -> None:
        async def pipeline(turn: Any) -> AsyncIterator[str]:
            if turn.id == 1:
                begun.set()
                await go_on.wait()
                for message in await turn.steering():
                    yield message.text

        begun, go_on = asyncio.Event(), asyncio.Event()
        async with room(pipeline) as (_, ann):
            await ann.post("/v1/sessions/s/messages", json={"text": "one"})
            await begun.wait()
            steered = await ann.post("/v1/sessions/s/steer", json={"text": "left"})
            assert steered.status_code == 202
            go_on.set()
            result = await ann.get(f"{steered.headers['location']}?wait_s=20")
            assert (result.status_code, result.json()["text"]) == (200, "left")

    play(scene)


def test_who_may_only_read_says_nothing() -> None:
    async def scene() -> None:
        async with room() as (h, _), h.client("bob") as bob:
            await bob.post("/v1/sessions/s/participants", json={"role": "observer"})
            for path in ("messages", "steer"):
                refused = await bob.post(f"/v1/sessions/s/{path}", json={"text": "a"})
                assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")

    play(scene)


def test_a_house_without_a_pipeline_says_so() -> None:
    async def scene() -> None:
        async with room(None) as (_, ann):
            refused = await ann.post("/v1/sessions/s/messages", json={"text": "a"})
            assert (refused.status_code, refused.json()["code"]) == (409, "no_pipeline")

    play(scene)
