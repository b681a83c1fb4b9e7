"""Sessions over HTTP."""

from __future__ import annotations

import httpx
from theatre import play
from web.kit import house, served


def test_a_session_is_made_and_only_its_participants_see_it() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            made = await ann.post("/v1/sessions", json={"name": "ours", "id": "s1"})
            assert made.status_code == 201
            assert made.headers["location"] == "/v1/sessions/s1"
            assert made.json()["owner"] == "ann"

            seen = await ann.get("/v1/sessions/s1")
            assert (seen.status_code, seen.json()["name"]) == (200, "ours")

            refused, unknown = await bob.get("/v1/sessions/s1"), await bob.get("/v1/sessions/s2")
            assert refused.status_code == unknown.status_code == 404
            assert refused.text.replace("s1", "s2") == unknown.text

    play(scene)


def test_who_shows_nothing_is_refused() -> None:
    async def scene() -> None:
        async with house() as h, h.client() as nobody:
            refused = await nobody.get("/v1/sessions/s1")
            assert refused.status_code == 401
            assert refused.json()["code"] == "unauthenticated"
            assert refused.headers["content-type"] == "application/problem+json"

    play(scene)


def test_a_real_server_answers() -> None:
    async def scene() -> None:
        async with house() as h, served(h) as address:
            headers = {"authorization": "Bearer ann"}
            async with httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as ann:
                made = await ann.post("/v1/sessions", json={"nam": 1})
                assert made.status_code == 422
                assert made.json()["field"] == "body"
                assert made.json()["detail"] == "body: Object contains unknown field `nam`"

    play(scene)
