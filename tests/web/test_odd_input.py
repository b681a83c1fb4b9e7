"""Odd input: whatever is sent, the answer is described, and none is the house's own failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.routing import Route
from theatre import play
from web.kit import house
from web.test_openapi import DESCRIBED, body_of, least, operations, resolved

IDS = ("%00", "%FF", "%ED%A0%80", "..%2F..", "%20", "a%00b", "%F0%9F%8E%AD", "x" * 10_000, "a%2Fb")

VALUES = ("", "%00", "%FF", "%ED%A0%80", "null", "-1", "1e999", "nan", "[]", "9" * 400, "%F0%9F")

BODIES = (
    b"",
    b"null",
    b"[]",
    b"0",
    b'""',
    b"{",
    b"\xff",
    b'{"\xff": 1}',
    b'{"\\ud800": 1}',
    b'{"text": "\\udc00 and more"}',
    b"[" * 100_000,
    b'{"context": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b"\xef\xbb\xbf{}",
    b'{"text": "a", "text": 1}',
    b"{}" + b"\x00",
)

ODD_JSON = (None, True, -1, 2**64, 10**400, 1e308, "", "\x00", "\u2028", [], [None], {"a": {}}, {})


def sane(operation: dict[str, Any], path: str) -> str:
    """The path with values that its operation understands."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            known = "s" if parameter["name"] == "id" else str(least(parameter["schema"]))
            path = path.replace("{" + parameter["name"] + "}", known)
    return path


def needed(operation: dict[str, Any]) -> dict[str, str]:
    """The query parameters that an operation cannot do without."""
    return {
        parameter["name"]: str(least(parameter["schema"]))
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and parameter["required"]
    }


def odd_bodies(operation: dict[str, Any]) -> Iterator[Any]:
    """JSON bodies of which one field at a time is odd."""
    content = next(iter(operation["requestBody"]["content"].values()))
    whole = least(content["schema"])
    if not isinstance(whole, dict):
        return
    for field in [*resolved(content["schema"]).get("properties", ()), "unknown"]:
        for value in ODD_JSON:
            yield {**whole, field: value}


def check(operation: dict[str, Any], answer: Any, sent: Any) -> None:
    """That the answer is one which the operation is said to give."""
    assert answer.status_code < 500, (sent, answer.text)
    assert str(answer.status_code) in operation["responses"], (sent, answer.text)
    described = resolved(operation["responses"][str(answer.status_code)])
    if answer.status_code >= 400:
        (content,) = described["content"].values()
        codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
        assert answer.json()["code"] in codes, (sent, answer.text)
    for name in described.get("headers", ()):
        known = name in ("Retry-After", "Link", "Location", "ETag") or name in answer.headers
        assert known, (sent, name)


def is_typed(operation: dict[str, Any]) -> bool:
    """Whether it leaves a house behind that can be asked again."""
    return operation.get("security") != [] and operation["operationId"] != "drain"


TYPED = [each for each in operations() if is_typed(each[2]) and "streams" not in each[2]["tags"]]


class Client:
    """Ann, who checks each answer against what is said of its operation."""

    def __init__(self, http: httpx.AsyncClient, path: str, method: str, said: dict[str, Any]):
        self._http, self._path, self._method, self._said = http, path, method, said

    async def send(self, **request: Any) -> httpx.Response:
        """A request that is fine but for what is given."""
        target = request.pop("path", sane(self._said, self._path))
        if query := needed(self._said):
            request.setdefault("params", query)
        answer = await self._http.request(self._method, target, **request)
        check(self._said, answer, (target, str(request)[:200]))
        return answer

    async def odd_parameter(self, name: str, place: str) -> None:
        """Requests in which one parameter is odd."""
        if place == "path":
            for odd in IDS:
                await self.send(path=sane(self._said, self._path.replace("{" + name + "}", odd)))
        elif place == "query":
            for odd in VALUES:
                whole = urlencode(needed(self._said) | {name: "?"}).replace("%3F", odd)
                await self.send(path=f"{sane(self._said, self._path)}?{whole}", params=None)
        else:
            for odd in (b"", b" ", b"x" * 200, b"\xff"):
                await self.send(headers={name: odd}, json={})

    async def odd_body(self) -> None:
        """Requests with odd bodies."""
        _, headers = body_of(self._said)
        for body in BODIES:
            await self.send(content=body, headers=headers)
        for odd in odd_bodies(self._said):
            await self.send(content=json.dumps(odd).encode(), headers=headers)
        for kind in ("text/plain", "application/xml", "", "application/json; charset=x"):
            await self.send(content=b"{}", headers={"content-type": kind})
        much = await self.send(content=b'"' + b"x" * (1 << 20) + b'"', headers=headers)
        if much.status_code != 403:
            assert (much.status_code, much.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "method", "said"), TYPED, ids=[each[2]["operationId"] for each in TYPED]
)
def test_the_answer_is_described(path: str, method: str, said: dict[str, Any]) -> None:
    async def scene() -> None:
        web = {"wait_max_s": 0.001, "request_burst": 10_000, "max_body_bytes": 1 << 20}
        many = {"max_sessions": 10_000, "max_sessions_per_user": 10_000}
        async with (
            house(web=web, **many) as h,
            h.client("ann+operator", leaves=True) as inside,
            h.client("bob", leaves=True) as outside,
        ):
            await h.runtime.create("ann", id="s")
            for http in (outside, inside):
                client = Client(http, path, method, said)
                for parameter in said.get("parameters", ()):
                    await client.odd_parameter(parameter["name"], parameter["in"])
                if "requestBody" in said:
                    await client.odd_body()

    play(scene)


@pytest.mark.parametrize("path", DESCRIBED["paths"])
def test_a_method_that_a_path_does_not_take_is_told_which_it_does(path: str) -> None:
    async def scene() -> None:
        taken = {method.upper() for method in DESCRIBED["paths"][path]}
        async with house() as h, h.client("ann") as ann:
            if path not in {route.path for route in h.app.routes if isinstance(route, Route)}:
                return  # a WebSocket, or what this application does not have
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - taken:
                answer = await ann.request(method, path.replace("{", "").replace("}", ""))
                assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
                allowed = {each.strip() for each in answer.headers["allow"].split(",")}
                assert allowed - {"HEAD"} == taken

    play(scene)


def test_a_path_is_right_or_there_is_none() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            for path in ("/v1/sessions/", "/v1/Sessions", "/v1", "//v1/sessions", "/v1/docs/"):
                answer = await ann.get(path)
                assert (answer.status_code, answer.json()["code"]) == (404, "no_route"), path

    play(scene)
