"""Host and Origin: no stranger's name means this server, and no stranger's page acts here."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from theatre import play
from web.kit import house, served

from greenroom import ConfigError
from greenroom.adapters.web.app import ENDPOINTS
from greenroom.adapters.web.hosts import SECURITY, Hosts, around
from greenroom.adapters.web.settings import WebSettings

EVIL, FRIEND = "https://evil.example.org", "https://app.example.org"


def sent(kind: str = "http", method: str = "GET", **options: Any) -> list[Any]:
    """What comes back, with `headers` sent to a server of `settings`; an application says `in`."""
    headers, settings = options.get("headers", []), options.get("settings", {})
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        assert kind == "websocket", "nobody asks for more"
        return {"type": "websocket.connect"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answers.append("in")

    scope: dict[str, Any] = {
        "type": kind,
        "method": method,
        "path": "/",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "extensions": options.get("extensions", {}),
    }
    play(lambda: Hosts(app, WebSettings(**settings))(scope, receive, send))
    return answers


def is_in(**options: Any) -> bool:
    return sent(**options) == ["in"]


OURS = ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"]
NOT_OURS = [
    "evil.example.org",
    "localhost.evil.example.org",
    "localhost:evil",
    "localhost@evil",
    "127.0.0.1.",
    "::1",
    "[::1",
    "",
    ":80",
    "é",
    "*",
]


@pytest.mark.parametrize("host", OURS)
def test_a_host_of_this_server_is_answered(host: str) -> None:
    assert is_in(headers=[("host", host)])


@pytest.mark.parametrize("host", NOT_OURS)
def test_another_host_is_misdirected(host: str) -> None:
    start, body = sent(headers=[("host", host)])
    assert start["status"] == 421
    assert b'"code":"misdirected"' in body["body"]


def test_a_host_must_be_there_once() -> None:
    for headers in ([], [("host", "localhost"), ("host", "localhost")]):
        assert not is_in(headers=headers)
        assert is_in(headers=headers, settings={"allowed_hosts": ("*",)})


def test_any_host_where_that_is_wanted() -> None:
    assert is_in(headers=[("host", "evil.example.org")], settings={"allowed_hosts": ("*",)})
    assert is_in(headers=[("host", "ours.org:80")], settings={"allowed_hosts": ("OURS.org",)})


def origin(value: str, *more: str, host: str = "localhost:8000") -> list[tuple[str, str]]:
    return [("host", host), *(("origin", each) for each in (value, *more))]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "whatever"])
def test_a_page_of_another_origin_changes_nothing(method: str) -> None:
    for foreign in (
        EVIL,
        "null",
        "",
        "http://localhost:9000",
        "http://localhost",
        "ftp://localhost:8000",
        "localhost:8000",
        "http://localhost:8000.evil.example.org",
        "http://localhost:8000/",
        FRIEND + ".evil.example.org",
        "http://app.example.org",
    ):
        settings = {"allowed_origins": (FRIEND,)}
        start, _ = sent(method=method, headers=origin(foreign), settings=settings)
        assert start["status"] == 403
    assert not is_in(method=method, headers=origin("http://localhost:8000", EVIL))


def test_pages_of_this_host_and_of_allowed_origins_may() -> None:
    settings = {"allowed_origins": (FRIEND,)}
    for ours in ("http://localhost:8000", "https://LOCALHOST:8000", FRIEND):
        assert is_in(method="POST", headers=origin(ours), settings=settings)
    assert is_in(method="POST", headers=[("host", "localhost")])  # not a browser
    assert not is_in(method="POST", headers=origin(FRIEND))


def test_any_page_may_ask_for_what_it_cannot_read() -> None:
    assert is_in(method="GET", headers=origin(EVIL))
    assert is_in(method="OPTIONS", headers=origin(EVIL))


def test_a_socket_of_another_page_is_refused_before_it_is_open() -> None:
    able = {"websocket.http.response": {}}
    start, body = sent("websocket", headers=origin(EVIL), extensions=able)
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 403
    assert b'"code":"foreign_origin"' in body["body"]

    for headers in (origin(EVIL), [("host", "evil")]):
        (closed,) = sent("websocket", headers=headers)  # a server that can tell nothing more
        assert (closed["type"], closed["code"]) == ("websocket.close", 4500)
    assert is_in(kind="websocket", headers=origin("http://localhost:8000"))


def test_what_is_no_request_passes() -> None:
    assert is_in(kind="lifespan")


@pytest.mark.parametrize(
    "value", ["*", "app.example.org", FRIEND + "/", "null", "https://A.org", ""]
)
def test_an_origin_that_no_browser_names_is_refused(value: str) -> None:
    with pytest.raises(ConfigError):
        WebSettings(allowed_origins=(value,))


def test_every_answer_is_secured() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client() as nobody:
            for answer in (
                await ann.post("/v1/sessions", json={"id": "s1"}),
                await nobody.get("/v1/sessions/s1"),
                await ann.get("/nowhere"),
                await ann.get("/", headers={"host": "evil"}),
            ):
                for name, value in SECURITY:
                    assert answer.headers.get_list(name.decode()) == [value.decode()]

    play(scene)


def test_a_page_of_an_allowed_origin_asks_first_and_reads_the_answer() -> None:
    async def scene() -> None:
        web = {"allowed_origins": (FRIEND,)}
        async with house(web=web) as h, h.client("ann", origin=FRIEND) as ann:
            asks = {
                "access-control-request-method": "PATCH",
                "access-control-request-headers": "authorization, if-match, content-type",
            }
            told = await ann.options("/v1/sessions/s1", headers=asks)
            assert told.status_code == 200
            assert told.headers["access-control-allow-origin"] == FRIEND
            assert "access-control-allow-credentials" not in told.headers

            made = await ann.post("/v1/sessions", json={"id": "s1"})
            assert made.headers["access-control-allow-origin"] == FRIEND
            assert "location" in made.headers["access-control-expose-headers"]

            for foreign in (EVIL, "null"):
                told = await ann.options("/v1/sessions/s1", headers=asks | {"origin": foreign})
                assert told.status_code == 400
                read = await ann.get("/v1/sessions/s1", headers={"origin": foreign})
                assert "access-control-allow-origin" not in read.headers

    play(scene)


def test_all_headers_of_operations_are_for_pages_of_allowed_origins_too() -> None:
    (_, cors) = around(WebSettings(allowed_origins=(FRIEND,)))
    sent = {name.lower() for each in ENDPOINTS for name in each.takes}
    read = {name.lower() for each in ENDPOINTS for name in each.gives}

    assert sent <= set(cors.kwargs["allow_headers"])
    assert read <= set(cors.kwargs["expose_headers"])


def test_a_real_server_refuses_a_socket_of_another_page_and_another_host() -> None:
    upgrade = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    async def scene() -> None:
        async with house() as h, served(h) as address, httpx.AsyncClient() as browser:
            for headers, status in (
                ({"origin": EVIL}, 403),
                ({"origin": "null"}, 403),
                ({"host": "evil.example.org", "origin": "http://evil.example.org"}, 421),
            ):
                url = f"http://{address}/v1/sessions/s1/ws"
                refused = await browser.get(url, headers=upgrade | headers)
                assert refused.status_code == status
                assert refused.headers["content-type"] == "application/problem+json"

    play(scene)


def test_where_no_origin_is_allowed_none_is_told_so() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann", origin=EVIL) as ann:
            told = await ann.options("/v1/x", headers={"access-control-request-method": "POST"})
            assert told.status_code >= 400
            assert not [name for name in told.headers if name.startswith("access-control")]

    play(scene)
