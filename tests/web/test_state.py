"""Shared context over HTTP: versions, preconditions, and what goes beside it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from theatre import play
from web.kit import House, house

MERGE_PATCH = "application/merge-patch+json"
STATE = "/v1/sessions/s1/state"


async def patch(client: httpx.AsyncClient, body: bytes, match: str | None, **more: str) -> Any:
    headers = {"content-type": MERGE_PATCH, **more}
    if match is not None:
        headers["if-match"] = match
    return await client.patch(STATE, content=body, headers=headers)


async def made(h: House) -> httpx.AsyncClient:
    await h.runtime.create("ann", id="s1", context={"a": 1})
    return h.client("ann")


def test_the_state_has_a_version_and_is_sent_once() -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            seen = await ann.get(STATE)
            assert seen.status_code == 200
            assert (seen.json()["context"], seen.json()["version"]) == ({"a": 1}, 0)
            tag = seen.headers["etag"]
            assert tag.startswith('"')

            for header in (tag, f'"x", {tag}', f"W/{tag}", "*"):
                again = await ann.get(STATE, headers={"if-none-match": header})
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"] == tag

            await h.runtime.session("s1").post("ann", "no part of the state")
            assert (await ann.get(STATE)).headers["etag"] == tag
            await h.runtime.session("s1").add_memory("ann", "m1")
            changed = await ann.get(STATE, headers={"if-none-match": tag})
            assert (changed.status_code, changed.json()["memories"]) == (200, ["m1"])

    play(scene)


def test_a_patch_needs_the_version_that_it_is_meant_for() -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            tag = (await ann.get(STATE)).headers["etag"]

            missing = await patch(ann, b'{"b":2}', None)
            assert (missing.status_code, missing.json()["code"]) == (428, "precondition")
            done = await patch(ann, b'{"b":2,"a":null}', tag)
            assert done.status_code == 200
            now = await ann.get(STATE)
            assert now.json()["context"] == {"b": 2}
            assert now.json()["version"] == done.json()["revision"]

            for stale in (tag, '"x"', f"W/{now.headers['etag']}", ""):
                late = await patch(ann, b'{"c":3}', stale)
                assert (late.status_code, late.json()["code"]) == (412, "conflict"), stale
            assert (await ann.get(STATE)).content == now.content

            either = await patch(ann, b'{"c":3}', f"{tag}, {now.headers['etag']}")
            assert either.status_code == 200
            assert (await patch(ann, b'{"d":4}', "*")).status_code == 200

    play(scene)


def test_a_change_of_another_key_is_a_change_of_the_whole() -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            tag = (await ann.get(STATE)).headers["etag"]
            await h.runtime.session("s1").update_context("ann", {"other": 1})

            assert (await patch(ann, b'{"a":2}', tag)).status_code == 412

    play(scene)


def test_the_version_of_an_earlier_session_with_this_id_is_no_version_of_this_one() -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            tag = (await ann.get(STATE)).headers["etag"]
            incarnation, _, rest = tag.strip('"').partition(".")
            other = f'"{incarnation}x.{rest}"'

            assert (await patch(ann, b'{"a":2}', other)).status_code == 412
            assert (await ann.get(STATE, headers={"if-none-match": other})).status_code == 200

    play(scene)


def test_a_patch_may_be_sent_again_under_its_key() -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            tag = (await ann.get(STATE)).headers["etag"]
            key = {"idempotency-key": "k1"}

            first = await patch(ann, b'{"b":2}', tag, **key)
            again = await patch(ann, b'{"b":2}', tag, **key)
            other = await patch(ann, b'{"b":3}', tag, **key)

            assert first.status_code == again.status_code == 200
            assert first.content == again.content
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")

    play(scene)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", MERGE_PATCH, 422),
        (b"", MERGE_PATCH, 422),
        (b"[1]", MERGE_PATCH, 422),
        (b"{", MERGE_PATCH, 400),
        (b'{"a":1}', "text/plain", 415),
        (b'{"a":1}', "application/json", 200),
    ],
)
def test_what_a_patch_may_be(body: bytes, kind: str, status: int) -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            answer = await patch(ann, body, "*", **{"content-type": kind})
            assert answer.status_code == status

    play(scene)


def test_actions_memories_and_what_was_seen() -> None:
    async def scene() -> None:
        async with house() as h, await made(h) as ann:
            acted = await ann.post(
                "/v1/sessions/s1/actions", json={"action": "raise_hand", "data": {"x": 1}}
            )
            assert (acted.status_code, acted.json()["revision"]) == (201, 1)
            shared = await ann.post("/v1/sessions/s1/memories", json={"memory": "m1"})
            assert (shared.status_code, shared.json()["revision"]) == (201, 2)
            again = await ann.post("/v1/sessions/s1/memories", json={"memory": "m1"})
            assert again.json()["revision"] == 2
            seen = await ann.put("/v1/sessions/s1/acknowledged", json={"revision": 2})
            assert seen.status_code == 200
            future = await ann.put("/v1/sessions/s1/acknowledged", json={"revision": 99})
            assert (future.status_code, future.json()["field"]) == (422, "revision")
            named = await ann.post(
                "/v1/sessions/s1/actions", json={"action": "x", "data": {"action_type": 1}}
            )
            assert (named.status_code, named.json()["field"]) == (422, "data")

    play(scene)


def test_one_key_may_be_expected_as_it_was() -> None:
    async def scene() -> None:
        async with house() as place:
            session = await place.runtime.create("ann")
            path = f"/v1/sessions/{session.id}/state"
            async with place.client("ann") as ann:
                given = {"headers": {"if-match": "*"}}

                first = (await ann.patch(path, json={"a": 1}, **given)).json()["revision"]
                await ann.patch(path, json={"b": 1}, **given)
                kept = await ann.patch(f"{path}?expected={first}", json={"a": 2}, **given)
                seen = {"expected": f'{{"a": {first + 2}, "b": {first}}}'}
                late = await ann.patch(path, params=seen, json={"a": 3}, **given)
                odd = await ann.patch(f"{path}?expected=x", json={"a": 3}, **given)
                absent = await ann.patch(f"{path}?if_absent=true", json={"a": 4}, **given)

                assert [kept.status_code, late.status_code, odd.status_code] == [200, 412, 422]
                assert (late.json()["key"], late.json()["version"]) == ("b", first + 1)
                assert absent.status_code == 200
                assert (await ann.get(path)).json()["context"] == {"a": 2, "b": 1}

    play(scene)
