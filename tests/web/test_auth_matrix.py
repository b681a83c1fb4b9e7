"""Every operation and every stream against everybody who might ask (the table is `matrix.py`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Route, WebSocketRoute
from theatre import echo, play
from web.kit import House, house
from web.matrix import OPEN, OPERATIONS, OPERATORS, ROLES, STREAMS, Row
from web.tokens import believer, claims, forged, public_pem, signed

from greenroom.adapters.web.app import ENDPOINTS
from greenroom.adapters.web.auth.api_keys import new_key
from greenroom.adapters.web.endpoint import Endpoint
from greenroom.adapters.web.principal import Principal

ANSWERS = [each for each in ENDPOINTS if each.path not in STREAMS]
"""The operations whose answer has an end."""

REFUSALS = {"forbidden", "not_allowed", "not_host"}

BAD = {
    "none": {},
    "not even a scheme": {"authorization": signed()},
    "garbage": {"authorization": "Bearer garbage"},
    "garbage of three parts": {"authorization": "Bearer gar.ba.ge"},
    "expired": {"authorization": f"Bearer {signed(exp=int(time.time()) - 1)}"},
    "wrong audience": {"authorization": f"Bearer {signed(aud='another')}"},
    "wrong issuer": {"authorization": f"Bearer {signed(iss='https://evil.example.org')}"},
    "wrong key": {"authorization": f"Bearer {signed(key='theirs')}"},
    "no algorithm": {"authorization": f"Bearer {forged({'alg': 'none'}, claims())}"},
    "wrong algorithm": {
        "authorization": f"Bearer {forged({'alg': 'HS256'}, claims(), public_pem().encode())}"
    },
    "a key of nobody": {"x-api-key": new_key("ann")[0]},
    "a name": {"x-greenroom-user": "ann", "cookie": "greenroom_dev_user=ann"},
}


@asynccontextmanager
async def full_house() -> AsyncIterator[House]:
    """A session `s1`, in which a turn has ended and those who take part are those of the table."""
    async with house(who=[believer()], compactor=echo) as h:
        session = await h.runtime.create("ann", id="s1")
        await session.join("bob")
        await session.join("oli", role="observer")
        turn = await session.send("ann", "hello")
        await turn.result()
        yield h


def showing(role: str) -> dict[str, str]:
    scope = "operator" if role == "operator" else ""
    return {"authorization": f"Bearer {signed(ROLES[role], scope=scope)}"}


async def ask(
    h: House,
    each: Endpoint,
    row: Row,
    shown: dict[str, str],
    session: str = "s1",
    **query: str,
) -> httpx.Response:
    """One request of an operation."""
    path = each.path.format(id=session, **row.path)
    async with h.client(**shown) as client:
        return await client.request(
            each.method,
            path + row.query,
            params=query or None,
            json=row.body,
            content=row.content,
            headers=row.headers,
        )


def test_every_operation_and_every_route_has_its_row() -> None:
    names = [each.name for each in ANSWERS]
    assert len(names) == len(set(names))
    assert set(names) == set(OPERATIONS), "an operation without a row, or a row without one"

    async def scene() -> None:
        async with house() as h:
            known = {each.path for each in ENDPOINTS} | set(STREAMS) | OPEN
            assert {path_of(route) for route in h.app.routes} <= known, "a route without a row"

    play(scene)


def path_of(route: BaseRoute) -> str:
    assert isinstance(route, Route | WebSocketRoute)
    return route.path


@pytest.mark.parametrize("each", ANSWERS, ids=lambda each: each.name)
def test_whoever_is_not_known_is_told_nothing(each: Endpoint) -> None:
    row = OPERATIONS[each.name]

    async def scene() -> None:
        async with full_house() as h:
            before = (await h.runtime.session("s1").info()).revision
            refused = {what: await ask(h, each, row, shown) for what, shown in BAD.items()}
            ticket = h.hall.tickets.issue(Principal(user="ann"), "s1")
            if not each.is_stream:
                refused["a ticket"] = await ask(h, each, row, {}, ticket=ticket)

            for what, answer in refused.items():
                assert answer.status_code == 401, what
                assert answer.json() == refused["none"].json(), what
                assert answer.headers["www-authenticate"] == "Bearer"
            assert refused["none"].json()["code"] == "unauthenticated"
            assert (await h.runtime.session("s1").info()).revision == before

    play(scene)


@pytest.mark.parametrize("each", ANSWERS, ids=lambda each: each.name)
def test_who_may(each: Endpoint) -> None:
    row = OPERATIONS[each.name]
    assert each.operator == (row.may == {"operator"})

    async def scene() -> None:
        for role in ROLES:
            async with full_house() as h:
                answer = await ask(h, each, row, showing(role))
                if role in row.may:
                    assert answer.is_success or code(answer) in row.codes, (role, answer.text)
                elif each.operator or role in ("member", "observer"):
                    assert (answer.status_code, code(answer) in REFUSALS) == (403, True), (
                        role,
                        answer.text,
                    )
                else:
                    unknown = await ask(h, each, row, showing(role), "s2")
                    assert answer.status_code == 404, (role, answer.text)
                    assert answer.text.replace("s1", "s2") == unknown.text, role

    play(scene)


def code(answer: httpx.Response) -> Any:
    return None if answer.is_success else answer.json()["code"]


def streams(h: House) -> list[tuple[str, str]]:
    """The path of each stream that there is, and the kind of its scope."""
    return [
        (path, "websocket" if path.endswith("/ws") else "http")
        for path in map(path_of, h.app.routes)
        if path in STREAMS
    ]


async def opened(
    h: House,
    stream: tuple[str, str],
    shown: dict[str, str],
    query: str = "",
    session: str = "s1",
) -> tuple[int, bytes]:
    """The status with which a stream begins, or is refused, and what is said of it.

    101 is a socket that was accepted. The other end is gone as soon as it has heard that.
    """
    path, kind = stream
    given = {"host": "localhost", **shown}
    heard: list[Any] = []
    coming = [{"type": "websocket.connect"}] if kind == "websocket" else []
    gone = "websocket.disconnect" if kind == "websocket" else "http.disconnect"

    async def send(message: Any) -> None:
        heard.append(message)

    async def receive() -> Any:
        return coming.pop() if coming else {"type": gone, "code": 1001}

    scope = {
        "type": kind,
        "method": "GET",
        "path": path.format(id=session),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
    }
    await h.app(scope, receive, send)
    status = 101 if heard[0]["type"] == "websocket.accept" else heard[0]["status"]
    return status, b"".join(message.get("body", b"") for message in heard)


@pytest.mark.parametrize("path", STREAMS)
def test_streams_of_whoever_is_not_known(path: str) -> None:
    async def scene() -> None:
        async with full_house() as h:
            kind = dict(streams(h))[path]
            for what, shown in BAD.items():
                assert (await opened(h, (path, kind), shown))[0] == 401, what
            used = h.hall.tickets.issue(Principal(user="ann"))
            await opened(h, (path, kind), {}, f"ticket={used}")
            assert (await opened(h, (path, kind), {}, f"ticket={used}"))[0] == 401
            other = h.hall.tickets.issue(Principal(user="ann"), "s2")
            assert (await opened(h, (path, kind), {}, f"ticket={other}"))[0] == 403

    play(scene)


def test_who_may_follow() -> None:
    async def scene() -> None:
        async with full_house() as h:
            for stream in streams(h):
                path, kind = stream
                begun = 101 if kind == "websocket" else 200
                for role, user in ROLES.items():
                    scopes = frozenset({"operator"} if role == "operator" else ())
                    follower = Principal(user=user, scopes=scopes)
                    whose = "s1" if "{id}" in path else None
                    ticket = f"ticket={h.hall.tickets.issue(follower, whose)}"
                    for shown, query in ((showing(role), ""), ({}, ticket)):
                        status, said = await opened(h, stream, shown, query)
                        if role in STREAMS[path]:
                            assert status == begun, (stream, role)
                            continue
                        if STREAMS[path] == OPERATORS:
                            assert status == 403, (stream, role)
                            continue
                        assert status == 404, (stream, role)
                        unknown = await opened(h, stream, showing(role), session="s2")
                        assert (status, said.replace(b"s1", b"s2")) == unknown, (stream, role)

    play(scene)
