"""Turns over HTTP: their results and their ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from theatre import ManualClock, Script, play, settle
from web.kit import House, house

from greenroom.testing import Deaf, Gate


@asynccontextmanager
async def talking(
    *texts: str, **options: Any
) -> AsyncIterator[tuple[House, httpx.AsyncClient, Script]]:
    """Ann's session `s` in which she has said `texts`, ann, and what answers."""
    script = Script()
    async with house(script, **options) as h, h.client("ann") as ann:
        await ann.post("/v1/sessions", json={"id": "s"})
        for text in texts:
            await ann.post("/v1/sessions/s/messages", json={"text": text})
        yield h, ann, script


def test_a_turn_tells_what_it_waits_for_until_it_has_a_result() -> None:
    async def scene() -> None:
        async with talking("a", "b") as (_, ann, script):
            running, queued = [await ann.get(f"/v1/sessions/s/turns/{n}") for n in (1, 2)]
            assert running.status_code == queued.status_code == 202
            assert running.json() == {"turn": 1, "state": "running", "approval": None}
            assert queued.json()["state"] == "queued"
            script.cue("s", 1, "done", None)
            done = await ann.get("/v1/sessions/s/turns/1?wait_s=20")
            assert (done.status_code, done.json()["text"]) == (200, "done")
            script.cue("s", 2, ValueError("no"))
            failed = await ann.get("/v1/sessions/s/turns/2?wait_s=20")
            assert (failed.status_code, failed.json()["status"]) == (200, "failed")

    play(scene)


def test_there_is_no_turn_that_nobody_has_begun() -> None:
    async def scene() -> None:
        async with talking("a") as (_, ann, _):
            for path in ("turns/7", "turns/7?wait_s=20", "turns/7/stopped"):
                unknown = await ann.get(f"/v1/sessions/s/{path}")
                assert (unknown.status_code, unknown.json()["code"]) == (404, "turn_not_found")
                assert unknown.json()["turn"] == 7
            for odd in ("0", "-1", "x", "1.5", str(2**63), "9" * 5000):
                refused = await ann.get(f"/v1/sessions/s/turns/{odd}")
                assert (refused.status_code, refused.json()["field"]) == (422, "turn")

    play(scene)


def test_a_turn_is_cancelled_once() -> None:
    async def scene() -> None:
        async with talking("a", "b") as (_, ann, _):
            for turn in (2, 1):
                won = await ann.post(f"/v1/sessions/s/turns/{turn}/cancel")
                assert won.json() == {"type": "cancel", "verdict": "won", "turn": turn}
            late = await ann.post("/v1/sessions/s/turns/1/cancel")
            assert (late.status_code, late.json()["verdict"]) == (200, "already_ended")
            unknown = await ann.post("/v1/sessions/s/turns/9/cancel")
            assert (unknown.status_code, unknown.json()["verdict"]) == (200, "unknown")

    play(scene)


def test_the_running_turn_is_interrupted_whichever_it_is() -> None:
    async def scene() -> None:
        async with talking("a") as (h, ann, _), h.client("bob") as bob:
            await bob.post("/v1/sessions/s/participants", json={"role": "observer"})
            for path in ("interrupt", "turns/1/cancel"):
                refused = await bob.post(f"/v1/sessions/s/{path}")
                assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
            won = await ann.post("/v1/sessions/s/interrupt")
            assert (won.json()["verdict"], won.json()["turn"]) == ("won", 1)
            none = await ann.post("/v1/sessions/s/interrupt")
            assert (none.json()["verdict"], none.json()["turn"]) == ("unknown", None)

    play(scene)


def test_whether_a_pipeline_has_stopped_is_told_when_it_is_known() -> None:
    async def scene() -> None:
        gate, clock = Gate(), ManualClock()
        async with talking("a", clock=clock, pipeline_grace_s=5.0) as (_, ann, script):
            early = await ann.get("/v1/sessions/s/turns/1/stopped")
            assert (early.status_code, early.json()["state"]) == (202, "running")
            script.cue("s", 1, Deaf(gate))
            await settle()
            await ann.post("/v1/sessions/s/turns/1/cancel")
            unsure = await ann.get("/v1/sessions/s/turns/1/stopped?wait_s=0.001")
            assert unsure.status_code == 202
            await clock.advance(6.0)
            known = await ann.get("/v1/sessions/s/turns/1/stopped?wait_s=20")
            assert known.json() == {"turn": 1, "fact": "abandoned"}
            gate.open()

    play(scene)


def test_what_was_delivered_is_kept_of_an_interrupted_answer() -> None:
    async def scene() -> None:
        async with talking("a") as (h, ann, script), h.client("bob") as bob:
            script.cue("s", 1, "0123456789")
            await settle()
            for client, chars in ((ann, 4), (bob, 9)):
                told = await client.put("/v1/sessions/s/turns/1/delivered", json={"chars": chars})
                assert (told.status_code, told.content) == (204, b"")
            await ann.post("/v1/sessions/s/interrupt")
            said = (await h.runtime.session("s").transcript("ann"))[-1]
            assert (said.text, said.delivered) == ("0123456789", 4)

    play(scene)


def test_a_late_answer_is_placed_once_and_by_the_host() -> None:
    async def scene() -> None:
        async with talking() as (h, ann, _), h.client("bob") as bob:
            await bob.post("/v1/sessions/s/participants", json={})
            await bob.post("/v1/sessions/s/messages", json={"text": "a", "answer_key": "k"})
            await ann.post("/v1/sessions/s/interrupt")
            answer = {"key": "k", "text": "late"}
            refused = await bob.post("/v1/sessions/s/answers", json=answer)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_host")
            placed = await ann.post("/v1/sessions/s/answers", json=answer)
            assert (placed.status_code, placed.json()["type"]) == (201, "receipt")
            again = await ann.post("/v1/sessions/s/answers", json=answer)
            assert (again.status_code, again.json()["code"]) == (409, "not_expected")
            assert (await h.runtime.session("s").transcript("ann"))[-1].text == "late"

    play(scene)
