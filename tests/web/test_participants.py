"""People over HTTP: coming in, going, leading."""

from __future__ import annotations

from typing import Any

import pytest
from theatre import play, settle
from web.kit import house
from web.test_odd_input import check
from web.test_openapi import DESCRIBED

SESSION = "/v1/sessions/s"
PEOPLE = f"{SESSION}/participants"

JOIN = DESCRIBED["paths"]["/v1/sessions/{id}/participants"]["post"]


def test_whoever_knows_the_id_joins() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "s"})
            joined = await bob.post(PEOPLE, json={})
            assert joined.status_code == 200
            assert (joined.json()["status"], joined.json()["role"]) == ("joined", "participant")
            again = await bob.post(PEOPLE, json={"role": "observer"})
            assert again.json()["role"] == "participant"
            shown = (await bob.get(PEOPLE)).json()
            assert (shown["host"], shown["owner"], shown["pending"]) == ("ann", "ann", [])
            names = {user: member["name"] for user, member in shown["participants"].items()}
            assert names == {"ann": "Ann", "bob": "Bob"}

    play(scene)


def test_the_host_decides_on_who_asks() -> None:
    async def scene() -> None:
        async with (
            house() as h,
            h.client("ann") as ann,
            h.client("bob") as bob,
            h.client("cid") as cid,
        ):
            settings = {"require_approval": True}
            await ann.post("/v1/sessions", json={"id": "s", "settings": settings})
            for asker, name in ((bob, "B."), (cid, "C.")):
                asked = await asker.post(PEOPLE, json={"name": name})
                assert (asked.status_code, asked.json()["status"]) == (202, "pending")
                assert (await asker.get(PEOPLE)).status_code == 404
            assert (await ann.get(PEOPLE)).json()["pending"] == ["bob", "cid"]

            assert (await ann.post(f"{PEOPLE}/approve", json={"user": "bob"})).is_success
            assert (await ann.post(f"{PEOPLE}/deny", json={"user": "cid"})).is_success
            shown = (await bob.get(PEOPLE)).json()
            assert shown["participants"]["bob"]["name"] == "B."
            assert (shown["pending"], "cid" in shown["participants"]) == ([], False)
            for step in ("approve", "deny"):
                refused = await bob.post(f"{PEOPLE}/{step}", json={"user": "cid"})
                assert (refused.status_code, refused.json()["code"]) == (403, "not_host")
                nobody = await ann.post(f"{PEOPLE}/{step}", json={"user": "cid"})
                assert (nobody.status_code, nobody.json()["code"]) == (409, "not_pending")

    play(scene)


@pytest.mark.parametrize(
    ("settings", "body", "status", "code"),
    [
        ({"allow_join": False}, {}, 409, "join_closed"),
        ({"max_participants": 1}, {}, 409, "full"),
        ({}, {"role": "host"}, 422, "bad_role"),
        ({}, {"role": ""}, 422, "invalid"),
        ({}, {"name": "x" * 129}, 422, "invalid"),
        ({}, {"name": "\x00"}, 422, "invalid"),
    ],
)
def test_who_cannot_come_in_is_told_why(
    settings: dict[str, Any], body: dict[str, Any], status: int, code: str
) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "s", "settings": settings})
            refused = await bob.post(PEOPLE, json=body)
            assert (refused.status_code, refused.json()["code"]) == (status, code)
            check(JOIN, refused, body)
            await ann.post(f"{SESSION}/end")
            assert (await bob.post(PEOPLE, json={})).json()["code"] == "ended"

    play(scene)


def test_a_host_hands_over_and_goes() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "s"})
            nobody = await ann.put(f"{SESSION}/host", json={"host": "bob"})
            assert (nobody.status_code, nobody.json()["field"]) == (422, "host")
            await bob.post(PEOPLE, json={})
            refused = await bob.put(f"{SESSION}/host", json={"host": "bob"})
            assert (refused.status_code, refused.json()["code"]) == (403, "not_host")
            assert (await ann.put(f"{SESSION}/host", json={"host": "bob"})).is_success
            assert (await ann.get(f"{SESSION}/host")).json() == {"host": "bob"}

            assert (await bob.delete(f"{PEOPLE}/me")).json()["type"] == "receipt"
            assert (await ann.get(f"{SESSION}/host")).json() == {"host": "ann"}
            gone = await bob.get(PEOPLE)
            assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
            assert (await bob.delete(f"{PEOPLE}/me")).status_code == 404

    play(scene)


def test_presence_is_for_participants_and_looks_the_same_to_all() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "s"})
            for client in (ann, bob):
                told = await client.put(f"{SESSION}/presence", json={"focus": "here"})
                assert (told.status_code, told.content) == (204, b"")
            assert (await bob.put("/v1/sessions/t/presence", json={})).status_code == 204
            assert (await ann.put(f"{SESSION}/presence", json={"focus": 1})).status_code == 422
            await settle()
            presence = (await h.runtime.session("s").snapshot("ann")).presence
            assert {user: one.focus for user, one in presence.items()} == {"ann": "here"}

    play(scene)


def test_presence_wakes_no_session() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await ann.post("/v1/sessions", json={"id": "s"})
            assert await h.runtime.passivate("s")
            await ann.put(f"{SESSION}/presence", json={})
            await ann.put(f"{SESSION}/turns/1/delivered", json={"chars": 1})
            await settle()
            assert h.runtime.resident == 0

    play(scene)
