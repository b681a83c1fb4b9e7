"""Sessions over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from theatre import Script, play
from web.kit import house, served

from greenroom.adapters.journals.sqlite import SqliteJournal

KEY = "3d2f0a51-7a0c-4a0e-9d0c-b6f5a2a5f6a1"


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


def test_what_a_session_begins_with_is_kept() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            body = {
                "id": "s",
                "user_name": "Ann B.",
                "start": False,
                "settings": {"max_participants": 3, "mode": "omni", "roles": {"guest": ["speak"]}},
                "context": {"a": [1, None]},
                "memories": ["m1"],
            }
            made = (await ann.post("/v1/sessions", json=body)).json()
            assert (made["state"], made["mode"]) == ("created", "omni")
            assert made["participants"]["ann"]["name"] == "Ann B."
            snapshot = await h.runtime.session("s").snapshot("ann")
            assert (snapshot.context, snapshot.memories) == ({"a": [1, None]}, ["m1"])

    play(scene)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": "a b"}, "session id"),
        ({"id": "s\x00"}, "session id"),
        ({"id": ""}, "session id"),
        ({"name": "x" * 1000}, "name"),
        ({"user_name": "\x07"}, "user_name"),
        ({"memories": [""]}, "memories"),
        ({"context": {"a": 2**64}}, "context.a"),
        ({"settings": {"max_participants": 0}}, "settings"),
        ({"settings": {"max_particpants": 5}}, "settings"),
        ({"settings": {"policy": "shout"}}, "settings.policy"),
        ({"settings": {"roles": {"host": []}}}, "settings"),
        ({"if_exists": "maybe"}, "if_exists"),
        ({"nam": "x"}, "body"),
    ],
)
def test_what_no_session_begins_with_is_refused_by_name(body: dict[str, Any], field: str) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            refused = await ann.post("/v1/sessions", json=body)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
            assert refused.json()["field"] == field
            assert (await h.runtime.sessions()).rows == []

    play(scene)


def test_an_id_is_used_once_unless_what_there_is_will_do() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            first = await ann.post("/v1/sessions", json={"id": "s", "if_exists": "return"})
            assert first.status_code == 201
            again = await ann.post("/v1/sessions", json={"id": "s", "if_exists": "return"})
            assert (again.status_code, again.headers["location"]) == (200, "/v1/sessions/s")

            for client, mode in ((ann, "raise"), (bob, "raise"), (bob, "return")):
                taken = await client.post("/v1/sessions", json={"id": "s", "if_exists": mode})
                assert (taken.status_code, taken.json()["code"]) == (409, "exists")

    play(scene)


def test_a_key_makes_one_session_also_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        body = {"name": "n", "context": {"a": 1}, "settings": {"max_events": 7}}
        headers = {"idempotency-key": KEY}
        ids = set()
        for _ in range(2):
            journal = SqliteJournal(tmp_path / "j")
            async with house(journal=journal) as h, h.client("ann") as ann:
                for _ in range(2):
                    made = await ann.post("/v1/sessions", json=body, headers=headers)
                    assert made.status_code == 201
                    ids.add(made.json()["id"])
                other = await ann.post("/v1/sessions", json={"name": "m"}, headers=headers)
                assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
                async with h.client("bob") as bob:
                    bobs = await bob.post("/v1/sessions", json=body, headers=headers)
                    assert bobs.json()["owner"] == "bob"
                assert len((await h.runtime.sessions()).rows) == 2
        assert len(ids) == 1

    play(scene)


def test_a_key_compares_what_was_asked_for_and_not_what_came_of_it() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            headers = {"idempotency-key": KEY}
            made = await ann.post("/v1/sessions", json={"context": {"a": 1}}, headers=headers)
            session = h.runtime.session(made.json()["id"])
            await session.update_context("ann", {"a": 2})
            again = await ann.post("/v1/sessions", json={"context": {"a": 1}}, headers=headers)
            assert (again.status_code, again.json()["id"]) == (201, session.id)
            other = await ann.post("/v1/sessions", json={"context": {"a": 2}}, headers=headers)
            assert other.json()["code"] == "idempotency_conflict"

    play(scene)


def test_a_key_with_an_id_has_a_repeat_find_the_session() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            headers = {"idempotency-key": "k"}
            for _ in range(2):
                made = await ann.post("/v1/sessions", json={"id": "s"}, headers=headers)
                assert made.status_code == 201
            other = await ann.post("/v1/sessions", json={"id": "s", "name": "x"}, headers=headers)
            foreign = await bob.post("/v1/sessions", json={"id": "s"}, headers=headers)
            assert other.json()["code"] == foreign.json()["code"] == "exists"

    play(scene)


@pytest.mark.parametrize("key", ["", "short", "x" * 129, "tab\tin it, and long enough"])
def test_a_key_that_others_could_guess_makes_no_session(key: str) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            refused = await ann.post("/v1/sessions", json={}, headers={"idempotency-key": key})
            assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")

    play(scene)


def test_a_listing_is_read_page_by_page() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            for number in range(5):
                await ann.post("/v1/sessions", json={"id": f"s{number}"})
            await bob.post("/v1/sessions", json={"id": "b"})
            found, path = [], "/v1/sessions?limit=2&role=owner&state=active"
            for rows in (2, 2, 1):
                page = await ann.get(path)
                assert len(page.json()["rows"]) == rows
                found += [row["id"] for row in page.json()["rows"]]
                assert ("next" in page.links) is (page.json()["next"] is not None)
                path = page.links.get("next", {}).get("url", "")
            assert path == ""
            assert sorted(found) == [f"s{number}" for number in range(5)]
            assert {row["id"] for row in (await bob.get("/v1/sessions")).json()["rows"]} == {"b"}

    play(scene)


def test_a_listing_of_what_the_caller_takes_part_in() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            for number in range(3):
                await ann.post("/v1/sessions", json={"id": f"s{number}"})
                await bob.post(f"/v1/sessions/s{number}/participants", json={})
            await ann.post("/v1/sessions/s1/pause")
            path: str | None = "/v1/sessions?role=member&limit=1"
            found = []
            while path:
                page = await bob.get(path)
                found += [row["id"] for row in page.json()["rows"]]
                path = page.links.get("next", {}).get("url")
            assert sorted(found) == ["s0", "s1", "s2"]
            paused = await bob.get("/v1/sessions?role=member&state=paused")
            assert [row["id"] for row in paused.json()["rows"]] == ["s1"]
            assert (await bob.get("/v1/sessions")).json() == {"rows": [], "next": None}

    play(scene)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("state=gone", "state"),
        ("role=all", "role"),
        ("after=", "after"),
        ("after=%00", "after"),
        ("after=WzEsIi4uIl0", "after"),
        ("after=Wy0xLCJzIl0", "after"),
        (f"after={'A' * 600}", "after"),
    ],
)
def test_a_listing_refuses_what_it_does_not_know(query: str, field: str) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            refused = await ann.get(f"/v1/sessions?{query}")
            assert (refused.status_code, refused.json()["field"]) == (422, field)

    play(scene)


def test_its_host_leads_a_session_through_its_life() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "s", "start": False})
            await bob.post("/v1/sessions/s/participants", json={})
            for step, state in (
                ("start", "active"), ("pause", "paused"), ("resume", "active"), ("end", "ended"),
            ):  # fmt: skip
                refused = await bob.post(f"/v1/sessions/s/{step}")
                assert (refused.status_code, refused.json()["code"]) == (403, "not_host")
                done = await ann.post(f"/v1/sessions/s/{step}")
                assert (done.status_code, done.json()["type"]) == (200, "receipt")
                assert (await ann.get("/v1/sessions/s")).json()["state"] == state
            late = await ann.post("/v1/sessions/s/pause")
            assert (late.status_code, late.json()["state"]) == (409, "ended")

    play(scene)


def test_a_session_is_shut_down_with_grace() -> None:
    async def scene() -> None:
        script = Script()
        async with house(script) as h, h.client("ann") as ann:
            await ann.post("/v1/sessions", json={"id": "s"})
            turn = (await ann.post("/v1/sessions/s/messages", json={"text": "a"})).json()["turn"]
            assert (await ann.post("/v1/sessions/s/shutdown", json={"grace_s": -1})).is_error
            accepted = await ann.post("/v1/sessions/s/shutdown", json={"grace_s": 60})
            assert accepted.status_code == 202
            late = await ann.post("/v1/sessions/s/messages", json={"text": "b"})
            assert (late.status_code, late.json()["code"]) == (409, "ended")
            script.cue("s", turn, "done", None)
            result = await ann.get(f"/v1/sessions/s/turns/{turn}?wait_s=20")
            assert (result.json()["status"], result.json()["text"]) == ("completed", "done")
            assert (await ann.get("/v1/sessions/s")).json()["state"] == "ended"

    play(scene)


def test_a_session_is_deleted_by_its_host_or_owner() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "s"})
            hidden, unknown = [await bob.delete(f"/v1/sessions/{name}") for name in ("s", "t")]
            assert hidden.status_code == 404
            assert hidden.text.replace("session s", "session t").replace('"s"', '"t"') == (
                unknown.text
            )
            await bob.post("/v1/sessions/s/participants", json={})
            assert (await bob.delete("/v1/sessions/s")).json()["code"] == "not_host"
            await ann.put("/v1/sessions/s/host", json={"host": "bob"})
            await ann.delete("/v1/sessions/s/participants/me")

            gone = await ann.delete("/v1/sessions/s?archive=false")
            assert (gone.status_code, gone.content) == (204, b"")
            assert (await bob.get("/v1/sessions/s")).status_code == 404
            assert (await ann.delete("/v1/sessions/s")).status_code == 404
            again = await ann.post("/v1/sessions", json={"id": "s"})
            assert again.json()["code"] == "exists"

    play(scene)


def test_a_full_house_says_whose_limit_it_is_and_when_to_come_again() -> None:
    async def scene() -> None:
        limits = {"max_sessions": 2, "max_sessions_per_user": 1}
        async with (
            house(Script(), **limits) as h,
            h.client("ann") as ann,
            h.client("bob") as bob,
            h.client("cid") as cid,
        ):
            for client, status, scope in ((ann, 429, "per_user"), (bob, 503, "global")):
                made = await client.post("/v1/sessions", json={})
                await client.post(f"{made.headers['location']}/messages", json={"text": "a"})
                full = await (ann if client is ann else cid).post("/v1/sessions", json={})
                assert (full.status_code, full.json()["scope"]) == (status, scope)
                assert (full.json()["code"], full.json()["retryable"]) == ("capacity", True)

    play(scene)


def test_a_mounted_application_tells_where_things_are_from_outside() -> None:
    async def scene() -> None:
        async with house() as h:
            outer = Starlette(routes=[Mount("/rooms", app=h.app)])
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(outer),
                base_url="http://localhost",
                headers={"authorization": "Bearer ann"},
            ) as ann:
                for name in ("s", "t"):
                    made = await ann.post("/rooms/v1/sessions", json={"id": name})
                    assert made.headers["location"] == f"/rooms/v1/sessions/{name}"
                    assert (await ann.get(made.headers["location"])).status_code == 200
                page = await ann.get("/rooms/v1/sessions?limit=1")
                assert page.links["next"]["url"].startswith("/rooms/v1/sessions?")
                assert (await ann.get(page.links["next"]["url"])).json()["next"] is None
                described = await ann.get("/rooms/v1/openapi.json")
                assert described.json()["servers"] == [{"url": "/rooms"}]

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
