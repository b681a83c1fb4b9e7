"""What operators see and do over HTTP; and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from theatre import Script, play, settle
from web.kit import house

from greenroom.adapters.web import stacks
from greenroom.adapters.web.routes import admin

OPERATOR = "root+operator"


@pytest.mark.parametrize("endpoint", admin.ENDPOINTS, ids=lambda each: each.name)
def test_only_operators_come_in(endpoint: Any) -> None:
    assert endpoint.operator

    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client() as nobody:
            await h.runtime.create("ann", id="s1")  # not even its host may
            path = endpoint.path.replace("{id}", "s1")
            refused = await ann.request(endpoint.method, path)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            unknown = await ann.request(endpoint.method, endpoint.path.replace("{id}", "s2"))
            assert refused.content == unknown.content
            assert (await nobody.request(endpoint.method, path)).status_code == 401
            assert (await h.runtime.session("s1").info()).state == "active"

    play(scene)


def test_sessions_are_listed_filtered_and_sorted() -> None:
    async def scene() -> None:
        async with house(Script()) as h, h.client(OPERATOR) as root:
            for owner, name in (("ann", "a1"), ("ann", "a2"), ("bob", "b1")):
                await h.runtime.create(owner, id=name)
            await h.runtime.session("a2").send("ann", "think")
            await h.runtime.park("b1", "to be looked at")
            await settle()

            async def listed(**query: Any) -> list[str]:
                answer = await root.get("/v1/admin/sessions", params=query)
                assert answer.status_code == 200
                return [row["id"] for row in answer.json()["rows"]]

            whole = (await root.get("/v1/admin/sessions")).json()
            assert (whole["total"], whole["matched"]) == (3, 3)
            rows = {row["id"]: row for row in whole["rows"]}
            assert (rows["a2"]["running_turn"], rows["a2"]["verdict"]) == (1, "resident")
            assert (rows["b1"]["verdict"], rows["b1"]["error"]) == ("parked", "to be looked at")
            assert await listed(owner="ann") == ["a1", "a2"]
            assert await listed(verdict="parked") == ["b1"]
            assert await listed(prefix="a2") == ["a2"]
            assert await listed(state="active") == ["a1", "a2"]
            assert len(await listed(limit=1, sort="updated")) == 1
            for bad in ({"limit": 201}, {"limit": 0}, {"sort": "name"}, {"verdict": "stored"}):
                refused = await root.get("/v1/admin/sessions", params=bad)
                assert refused.status_code == 422, bad

    play(scene)


def test_a_session_is_explained_also_if_there_is_none() -> None:
    async def scene() -> None:
        async with house() as h, h.client(OPERATOR) as root:
            await h.runtime.create("ann", id="s1")
            told = (await root.get("/v1/admin/explain/s1")).json()
            assert (told["verdict"], told["owner"], told["came"]) == ("resident", "ann", "created")
            none = await root.get("/v1/admin/explain/s2")
            assert (none.status_code, none.json()["verdict"]) == (200, "unknown")
            assert (await root.get("/v1/admin/explain/..%20x")).status_code == 422

    play(scene)


def test_the_house_is_measured() -> None:
    async def scene() -> None:
        async with house(max_sessions=7) as h, h.client(OPERATOR) as root:
            session = await h.runtime.create("ann", id="s1")
            await (await session.send("ann", "hi")).result()
            capacity = (await root.get("/v1/admin/capacity")).json()
            assert capacity["sessions"] == {"in_use": 1, "waiting": 0, "limit": 7}
            stats = (await root.get("/v1/admin/stats")).json()
            assert stats["turns_ended"] == {"completed": 1}
            assert stats["activated_by"] == {"created": 1}

    play(scene)


def test_sessions_are_evicted_parked_revived_and_ended() -> None:
    async def scene() -> None:
        async with house(Script()) as h, h.client(OPERATOR) as root:
            session = await h.runtime.create("ann", id="s1")
            at = "/v1/admin/sessions/s1"

            await session.send("ann", "think")
            await settle()
            assert (await root.post(f"{at}/evict")).json() == {"done": False}
            assert (await root.post(f"{at}/evict", json={"force": True})).json() == {"done": True}
            assert (await root.post(f"{at}/evict")).json() == {"done": False}
            parked = await root.post(f"{at}/park", json={"reason": "odd"})
            assert parked.json() == {"done": True}
            refused = await root.post(f"{at}/end")
            assert (refused.status_code, refused.json()["code"]) == (503, "parked")
            assert (await root.post(f"{at}/revive")).json() == {"done": True}
            assert (await root.post(f"{at}/revive")).json() == {"done": False}
            ended = await root.post(f"{at}/end", json={"reason": "abuse"})
            assert ended.status_code == 200
            last = (await session.history("ann")).events[-1].event
            assert (last.by, last.reason) == ("", "abuse")  # type: ignore[union-attr]
            unknown = await root.post("/v1/admin/sessions/s2/end")
            assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")

    play(scene)


def test_a_drain_stops_the_house_and_reports() -> None:
    async def scene() -> None:
        async with house() as h, h.client(OPERATOR) as root:
            await h.runtime.create("ann", id="s1")

            report = await root.post("/v1/admin/drain", json={"budget_s": 5})

            assert (report.status_code, report.json()["passivated"]) == (200, ["s1"])
            assert h.hall.draining
            async with h.client("ann") as ann:
                refused = await ann.get("/v1/sessions/s1")
                assert (refused.status_code, refused.json()["code"]) == (503, "draining")
            again = await root.post("/v1/admin/drain")
            assert again.content == report.content

    play(scene)


def test_stacks_name_what_waits_and_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waiting_here(secret: str) -> None:
        await asyncio.get_running_loop().create_future()
        assert secret

    async def scene() -> None:
        async with house() as h, h.client(OPERATOR) as root:
            tasks = [asyncio.create_task(waiting_here("hunter2")) for _ in range(3)]
            await settle()

            answer = await root.get("/v1/admin/stacks")

            assert answer.headers["content-type"].startswith("text/plain")
            assert "3 tasks in test_stacks_name_what_waits_and_no_values" in answer.text
            assert "thread MainThread" in answer.text
            assert "hunter2" not in answer.text.replace('"hunter2"', "")
            monkeypatch.setattr(stacks, "MAX_TASKS", 1)
            assert "more tasks" in (await root.get("/v1/admin/stacks")).text
            for task in tasks:
                task.cancel()

    play(scene)
