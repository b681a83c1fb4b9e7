"""What has happened, and what becomes of it, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

from theatre import echo, play
from web.kit import House, house

import greenroom


async def talked(h: House, *texts: str) -> greenroom.Session:
    session = await h.runtime.create("ann", id="s1")
    for text in texts:
        await (await session.send("ann", text)).result()
    return session


def test_history_comes_in_pages_of_frames() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")
            for text in ("one", "two", "three"):
                await session.post("ann", text)

            first = (await ann.get("/v1/sessions/s1/history?limit=2")).json()
            kinds = [frame["event"]["type"] for frame in first["events"]]
            assert (kinds, first["next"], first["last"]) == (["message.posted"] * 2, 2, 3)
            assert first["events"][0]["type"] == "event"
            assert first["events"][0]["event"]["message"]["text"] == "one"
            assert (first["truncated"], first["oldest"]) == (False, 1)

            answer = await ann.get("/v1/sessions/s1/history?since=2&limit=2")
            assert [f["revision"] for f in answer.json()["events"]] == [3]
            assert answer.json()["next"] is None
            assert "link" not in answer.headers
            exactly = await ann.get("/v1/sessions/s1/history?limit=3")
            assert (exactly.json()["next"], "link" in exactly.headers) == (None, False)

    play(scene)


def test_the_link_of_a_page_leads_to_the_next_one() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            session = await h.runtime.create("ann", id="s1")
            for number in range(5):
                await session.post("ann", str(number))
            path, seen = "/v1/sessions/s1/history?limit=2", []
            while path:
                page = await ann.get(path)
                seen += [frame["event"]["message"]["text"] for frame in page.json()["events"]]
                path = page.links["next"]["url"] if "next" in page.links else ""
            assert seen == ["0", "1", "2", "3", "4"]

    play(scene)


def test_prompts_are_for_pipelines_only() -> None:
    async def hello(_: greenroom.Turn) -> AsyncIterator[str]:
        yield "hello"

    async def scene() -> None:
        async with house(hello) as h, h.client("ann") as ann:
            await h.runtime.create("ann", id="s1")
            made = await ann.post("/v1/sessions/s1/greet", json={"prompt": "hidden words"})
            assert made.status_code == 202
            await h.runtime.session("s1").result(made.json()["turn"])
            for path in ("history", "replay?speed=1000000"):
                answer = await ann.get(f"/v1/sessions/s1/{path}")
                assert "turn.started" in answer.text
                assert "hidden words" not in answer.text

    play(scene)


def test_the_transcript_and_the_snapshot_are_what_the_session_tells() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            session = await talked(h, "hello there")

            lines = (await ann.get("/v1/sessions/s1/transcript")).json()["lines"]
            assert [line["text"] for line in lines] == ["hello there", "hello there "]
            snapshot = (await ann.get("/v1/sessions/s1/snapshot")).json()
            assert snapshot["cursor"] == (await session.snapshot("ann")).cursor
            assert snapshot["info"]["revision"] == (await session.info()).revision
            verified = (await ann.get("/v1/sessions/s1/verify")).json()
            assert verified == {"valid": True, "lines": 2, "problems": []}

    play(scene)


def test_what_was_said_is_taken_back_and_cut() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            session = await talked(h, "one", "two", "three")
            key = {"idempotency-key": "k"}

            undone = await ann.post("/v1/sessions/s1/undo", headers=key)
            again = await ann.post("/v1/sessions/s1/undo", headers=key)
            assert (undone.status_code, undone.json()["removed"]) == (200, 2)
            assert again.content == undone.content
            cut = await ann.post("/v1/sessions/s1/truncate", json={"message": 0})
            assert cut.json()["removed"] == 4
            assert await session.transcript("ann") == ()
            none = await ann.post("/v1/sessions/s1/truncate", json={"message": 0})
            assert (none.status_code, none.json()["code"]) == (422, "invalid")

    play(scene)


def test_a_fork_is_a_session_of_its_own() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await talked(h, "one", "two")

            made = await ann.post("/v1/sessions/s1/fork", json={"id": "s2", "name": "again"})
            assert made.status_code == 201
            assert made.headers["location"] == "/v1/sessions/s2"
            assert made.json()["origin"]["session"] == "s1"
            assert (await ann.get("/v1/sessions/s2")).json()["name"] == "again"
            taken = await ann.post("/v1/sessions/s1/fork", json={"id": "s1"})
            assert (taken.status_code, taken.json()["code"]) == (409, "exists")
            future = await ann.post("/v1/sessions/s1/fork", json={"at": 999})
            assert (future.status_code, future.json()["field"]) == (422, "at")

    play(scene)


def test_a_compaction_is_a_turn() -> None:
    async def scene() -> None:
        async with house(compactor=echo) as h, h.client("ann") as ann:
            session = await talked(h, "one", "two", "three")

            made = await ann.post("/v1/sessions/s1/compact", json={"keep": 1, "prompt": "short"})
            assert made.status_code == 202
            turn = made.json()["turn"]
            assert made.headers["location"] == f"/v1/sessions/s1/turns/{turn}"
            assert (await session.result(turn)).status == "completed"
            assert len(await session.transcript("ann")) == 3
            nothing = await ann.post("/v1/sessions/s1/compact", json={"keep": 9})
            assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_compact")

    play(scene)


def test_without_a_compactor_there_is_no_compaction() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            await talked(h, "one")
            refused = await ann.post("/v1/sessions/s1/compact", json={})
            assert (refused.status_code, refused.json()["code"]) == (409, "no_compactor")

    play(scene)
