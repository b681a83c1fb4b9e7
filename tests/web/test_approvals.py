"""Approvals over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from theatre import play, settle
from web.kit import House, house

from greenroom import RequestApproval, ToolCall


async def leaper(turn: Any) -> AsyncIterator[Any]:
    """Asks before it leaps, twice, and tells what was decided."""
    if turn.decisions is None:
        calls = [ToolCall(name="leap", arguments={"far": n}, id=f"c{n}") for n in (1, 2)]
        yield RequestApproval(calls=calls)
    else:
        yield ", ".join(f"{call} {decided}" for call, decided in sorted(turn.decisions.items()))


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    """Ann's session `s`, whose first turn waits for a decision, and ann."""
    async with house(leaper) as h, h.client("ann") as ann:
        await ann.post("/v1/sessions", json={"id": "s"})
        await ann.post("/v1/sessions/s/messages", json={"text": "go"})
        await settle()
        yield h, ann


def test_what_waits_is_shown_and_decided_once() -> None:
    async def scene() -> None:
        async with asked() as (_, ann):
            (pending,) = (await ann.get("/v1/sessions/s/approvals")).json()["rows"]
            assert [call["id"] for call in pending["calls"]] == ["c1", "c2"]
            path = f"/v1/sessions/s/approvals/{pending['id']}"
            assert (await ann.get(path)).json() == pending
            turn = (await ann.get("/v1/sessions/s/turns/1")).json()
            assert turn == {"turn": 1, "state": "suspended", "approval": pending["id"]}

            decided = await ann.post(path, json={"decisions": {"c1": True, "other": True}})
            assert decided.json()["decisions"] == {"c1": True, "c2": False}
            result = (await ann.get("/v1/sessions/s/turns/1?wait_s=20")).json()
            assert result["text"] == "c1 True, c2 False"

            late = await ann.post(path, json={"decisions": {}})
            assert (late.status_code, late.json()["code"]) == (404, "no_approval")
            assert (await ann.get(path)).json()["code"] == "no_approval"
            assert (await ann.get("/v1/sessions/s/approvals")).json() == {"rows": []}

    play(scene)


def test_a_decision_with_a_key_may_be_sent_again() -> None:
    async def scene() -> None:
        async with asked() as (_, ann):
            (pending,) = (await ann.get("/v1/sessions/s/approvals")).json()["rows"]
            path, key = f"/v1/sessions/s/approvals/{pending['id']}", {"idempotency-key": "k"}
            first, again = [
                await ann.post(path, json={"decisions": {"c2": True}}, headers=key)
                for _ in range(2)
            ]
            assert first.status_code == again.status_code == 200
            assert first.content == again.content

    play(scene)


def test_a_decision_says_true_or_false_and_who_may_decide() -> None:
    async def scene() -> None:
        async with asked() as (h, ann), h.client("bob") as bob:
            (pending,) = (await ann.get("/v1/sessions/s/approvals")).json()["rows"]
            path = f"/v1/sessions/s/approvals/{pending['id']}"
            await bob.post("/v1/sessions/s/participants", json={"role": "observer"})
            assert (await bob.get(path)).json() == pending
            refused = await bob.post(path, json={"decisions": {"c1": True}})
            assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
            for body in ({}, {"decisions": {"c1": "yes"}}, {"decisions": []}, {"decision": {}}):
                assert (await ann.post(path, json=body)).status_code == 422
            wrong = await ann.post("/v1/sessions/s/approvals/1-1", json={"decisions": {}})
            assert wrong.json()["code"] == "no_approval"
            assert len((await ann.get("/v1/sessions/s/approvals")).json()["rows"]) == 1

    play(scene)
