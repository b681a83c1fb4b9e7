"""What a session holds is its participants': to a stranger there is no such session."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from theatre import play
from web.kit import house

MERGE = {"content-type": "application/merge-patch+json", "if-match": "*"}
JPEG = {"content-type": "image/jpeg"}
KEY = {"idempotency-key": "k1"}

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "state", {}),
    ("PATCH", "state", {"content": b'{"a":1}', "headers": MERGE}),
    ("PATCH", "state", {"content": b'{"a":1}', "headers": {**MERGE, "if-match": '"x.1"'}}),
    ("PATCH", "state", {"content": b'{"a":1}', "headers": {**MERGE, **KEY}}),
    ("POST", "memories", {"json": {"memory": "m"}}),
    ("POST", "actions", {"json": {"action": "x"}, "headers": KEY}),
    ("PUT", "acknowledged", {"json": {"revision": 99}}),
    ("GET", "history", {}),
    ("GET", "transcript", {}),
    ("GET", "snapshot", {}),
    ("GET", "replay", {}),
    ("GET", "replay?speed=0", {}),
    ("POST", "undo", {"headers": KEY}),
    ("POST", "truncate", {"json": {"message": 7}}),
    ("POST", "compact", {"json": {}}),
    ("POST", "fork", {"json": {"at": 99}}),
    ("POST", "fork", {"json": {"id": "s1"}}),
    ("GET", "verify", {}),
    ("GET", "records", {}),
    ("POST", "interactions", {"json": {"action_type": "x"}, "headers": KEY}),
    ("POST", "feedback", {"json": {"node_id": "n", "feedback": "correct"}, "headers": KEY}),
    ("PUT", "graph-state", {"json": {"value": 1}}),
    ("PUT", "language", {"json": {"language": "de"}}),
    ("PATCH", "metadata", {"json": {"a": 1}}),
    ("PUT", "title", {"json": {"title": "x"}}),
    ("PUT", "export", {"json": {"allowed": False}}),
    ("GET", "export", {}),
    ("PUT", "phase", {"json": {"phase": "speaking"}}),
    ("POST", "greet", {"json": {}}),
    ("POST", "touch", {}),
    ("GET", "dialog", {}),
    ("PUT", "dialog", {"json": {"dialog": []}, "headers": KEY}),
    ("GET", "wakes", {}),
    ("PUT", "wakes/w", {"json": {"after_s": 1}}),
    ("DELETE", "wakes/w", {}),
    ("PUT", "visual", {"json": {"source": "camera"}}),
    ("DELETE", "visual", {}),
    (
        "POST",
        "visual/frames?source=camera&width=1&height=1",
        {"content": b"no image", "headers": JPEG},
    ),
    ("GET", "visual/frames", {}),
]


@pytest.mark.parametrize("state", ["active", "created", "ended"])
def test_a_stranger_is_answered_as_if_there_were_no_such_session(state: str) -> None:
    async def scene() -> None:
        async with house(None) as h, h.client("bob") as bob:
            session = await h.runtime.create("ann", id="s1", start=state != "created")
            await session.act("ann", "x", key="k1")
            if state == "ended":
                await session.end("ann")
            before = (await session.info()).revision
            for method, path, options in REQUESTS:
                refused = await ask(bob, method, "s1", path, options)
                unknown = await ask(bob, method, "s2", path, options)
                assert told(refused, "s1") == told(unknown, "s2"), (method, path)
                assert refused.status_code in (404, 422), (method, path)
            assert (await session.info()).revision == before
            assert await h.runtime.find("s2") is None

    play(scene)


def test_every_endpoint_of_a_session_is_asked_by_a_stranger() -> None:
    from greenroom.adapters.web.routes import history, records, replay, state, visual, voice, wakes

    nouns = (history, records, replay, state, visual, voice, wakes)
    paths = {(each.method, each.path) for noun in nouns for each in noun.ENDPOINTS}
    asked = {
        (method, "/v1/sessions/{id}/" + path.split("?")[0].replace("wakes/w", "wakes/{name}"))
        for method, path, _ in REQUESTS
    }
    assert asked == paths


async def ask(
    client: httpx.AsyncClient, method: str, session: str, path: str, options: dict[str, Any]
) -> httpx.Response:
    return await client.request(method, f"/v1/sessions/{session}/{path}", **options)


def told(answer: httpx.Response, session: str) -> tuple[int, str, list[tuple[str, str]]]:
    return answer.status_code, answer.text.replace(session, "sx"), answer.headers.multi_items()
