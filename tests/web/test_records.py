"""Records and exports over HTTP."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from theatre import play
from web.kit import House, house

import greenroom

AT = "/v1/sessions/s1"


async def talked(h: House) -> greenroom.Session:
    session = await h.runtime.create("ann", id="s1")
    await (await session.send("ann", "hello")).result()
    return session


def test_what_people_did_is_recorded_and_told() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await h.runtime.create("ann", id="s1")
            key = {"idempotency-key": "k"}
            clicked = {"action_type": "click", "node_id": "n1", "metadata": {"x": 1}}
            first = await ann.post(f"{AT}/interactions", json=clicked, headers=key)
            again = await ann.post(f"{AT}/interactions", json=clicked, headers=key)
            assert first.status_code == again.status_code == 201
            assert first.content == again.content
            judged = {"node_id": "n1", "feedback": "correct", "context": [1]}
            assert (await ann.post(f"{AT}/feedback", json=judged)).status_code == 201
            assert (await ann.put(f"{AT}/graph-state", json={"value": {"a": 1}})).is_success
            assert (await ann.put(f"{AT}/language", json={"language": "de"})).is_success
            assert (await ann.patch(f"{AT}/metadata", json={"m": 1, "n": None})).is_success
            assert (await ann.put(f"{AT}/title", json={"title": "Ours"})).is_success

            records = (await ann.get(f"{AT}/records")).json()
            assert records["title"] == "Ours"
            assert records["language"] == "de"
            assert records["metadata"] == {"m": 1}
            assert records["graph_state"] == {"a": 1}
            assert records["interactions"] == 2
            assert records["feedback"] == {"correct": 1, "incorrect": 0, "partial": 0}
            assert (await ann.put(f"{AT}/title", json={"title": None})).is_success
            assert (await ann.get(f"{AT}/records")).json()["title"] != "Ours"

    play(scene)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "interactions", {}, "body"),
        ("POST", "interactions", {"action_type": ""}, "action_type"),
        ("POST", "feedback", {"node_id": "x" * 1025, "feedback": "y"}, "node_id"),
        ("PUT", "graph-state", {}, "body"),
        ("PUT", "language", {"language": "x" * 36}, "language"),
        ("PATCH", "metadata", {}, "patch"),
        ("PUT", "title", {"title": ""}, "title"),
        ("PUT", "export", {"allowed": "yes"}, "allowed"),
        ("GET", "export?format=csv", None, "format"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    method: str, path: str, body: object, field: str
) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")
            refused = await ann.request(method, f"{AT}/{path}", json=body)
            assert (refused.status_code, refused.json()["field"]) == (422, field)
            assert (await session.info()).revision == 0

    play(scene)


@pytest.mark.parametrize("layout", ["rlhf", "chat", "preferences"])
def test_a_session_is_exported_as_the_whole_journal_would_be(layout: str) -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await talked(h)
            await h.runtime.create("ann", id="s2")

            answer = await ann.get(f"{AT}/export?format={layout}")

            whole = BytesIO()
            await greenroom.export_sessions(
                h.runtime.journal,
                whole,
                layout=layout,
                sessions=["s1"],  # type: ignore[arg-type]
            )
            assert answer.status_code == 200
            assert answer.content == whole.getvalue()
            assert answer.headers["content-type"].startswith("application/x-ndjson")
            assert f's1.{layout}.jsonl"' in answer.headers["content-disposition"]
            assert all(json.loads(line) for line in answer.text.splitlines())

    play(scene)


def test_a_session_that_has_opted_out_is_not_exported() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await talked(h)
            assert (await ann.put(f"{AT}/export", json={"allowed": False})).is_success

            refused = await ann.get(f"{AT}/export")

            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            assert (await ann.put(f"{AT}/export", json={"allowed": True})).is_success
            assert (await ann.get(f"{AT}/export")).status_code == 200

    play(scene)


def test_a_house_may_offer_no_exports() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await talked(h)
            h.hall.export = None
            refused = await ann.get(f"{AT}/export")
            assert (refused.status_code, refused.json()["code"]) == (501, "not_offered")

    play(scene)


def test_an_observer_reads_records_and_makes_none() -> None:
    async def scene() -> None:
        async with house() as h, h.client("bob") as bob:
            session = await talked(h)
            await session.join("bob", role="observer")
            assert (await bob.get(f"{AT}/records")).status_code == 200
            refused = await bob.put(f"{AT}/title", json={"title": "mine"})
            assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")

    play(scene)
