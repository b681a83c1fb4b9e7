"""The description of the API, against the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route
from theatre import play
from web.kit import house

from greenroom.adapters.web.app import ENDPOINTS
from greenroom.adapters.web.endpoint import Endpoint
from greenroom.adapters.web.openapi.document import document
from greenroom.adapters.web.openapi.parts import OTHERS
from greenroom.adapters.web.problems import STATUS

METHODS = ("get", "post", "put", "patch", "delete")

DESCRIBED: dict[str, Any] = json.loads(msgspec.json.encode(document(ENDPOINTS, set(OTHERS))))

OPEN = {"join", "put_presence", "put_delivered"}
"""What does not depend on taking part, or looks the same to all."""


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference means."""
    if "$ref" not in part:
        return part
    found: Any = DESCRIBED
    for key in part["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return resolved(found)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DESCRIBED["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def least(schema: dict[str, Any]) -> Any:
    """The smallest value that a schema allows."""
    schema = resolved(schema)
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    for either in schema.get("anyOf", ()):
        return least(either)
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            return {name: least(schema["properties"][name]) for name in needed}
        case "array":
            return []
        case "string":
            return "x"
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
    return {}


async def call(client: httpx.AsyncClient, endpoint: Endpoint, session: str) -> httpx.Response:
    """A request that an operation understands, about a session."""
    operation = DESCRIBED["paths"][endpoint.path][endpoint.method.lower()]
    path, query = endpoint.path.replace("{id}", session), {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            value = str(least(parameter["schema"]))
            path = path.replace("{" + parameter["name"] + "}", value)
        elif parameter["in"] == "query" and parameter["required"]:
            query[parameter["name"]] = str(least(parameter["schema"]))
    content, headers = body_of(operation)
    if "If-Match" in endpoint.takes:
        headers["if-match"] = "*"
    return await client.request(
        endpoint.method, path, params=query, content=content, headers=headers
    )


def body_of(operation: dict[str, Any]) -> tuple[bytes | None, dict[str, str]]:
    """The smallest body that an operation understands, and the headers that say what it is."""
    if "requestBody" not in operation:
        return None, {}
    media, content = next(iter(operation["requestBody"]["content"].items()))
    headers = {"content-type": media}
    if "json" not in media:
        return b"x", headers
    value = least(content["schema"])
    # What may be empty and still mean something: a patch.
    return json.dumps({"x": 1} if value == {} and "patch" in media else value).encode(), headers


def test_the_description_is_valid() -> None:
    validate(DESCRIBED)
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] and operation["tags"] for _, _, operation in operations())


def test_every_route_is_described_and_every_described_one_exists() -> None:
    async def scene() -> None:
        async with house() as h, h.client() as nobody:
            served = (await nobody.get("/v1/openapi.json")).json()
            described = {
                (path, method.upper())
                for path, item in served["paths"].items()
                for method in METHODS
                if method in item
            }
            paths = {path for path, _ in described}
            for route in h.app.routes:
                path = getattr(route, "path", "")
                if not path.startswith("/v1") or path.startswith("/v1/docs."):
                    continue
                assert path in paths
                if isinstance(route, Route) and route.methods:
                    for method in route.methods - {"HEAD"}:
                        assert (path, method) in described
            for path, method in described:
                if "101" in served["paths"][path][method.lower()]["responses"]:
                    continue  # a WebSocket
                odd = path.replace("{", "x").replace("}", "")
                answer = await nobody.request(method, odd)
                assert answer.status_code not in (404, 405), (path, method)

    play(scene)


def test_every_error_that_an_endpoint_names_has_a_status() -> None:
    for each in ENDPOINTS:
        assert set(each.raises) <= STATUS.keys() | {"capacity"}, each.name


def test_what_is_described_once_is_meant_as_it_is_said() -> None:
    for path, method, operation in operations():
        if operation.get("security") == []:
            continue
        responses = operation["responses"]
        assert {"401", "422", "429", "500", "503"} <= responses.keys(), (path, method)
        for status in ("429", "503"):
            assert "Retry-After" in resolved(responses[status])["headers"]
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= responses.keys(), (path, method)


def test_the_description_says_nothing_that_is_for_readers_of_the_source() -> None:
    text = json.dumps(DESCRIBED)
    for word in ("(spec ", "Raises:", "SX", "msgspec", "greenroom.adapters"):
        assert word not in text, word


def test_the_description_is_for_all_and_the_page_needs_nothing_else() -> None:
    async def scene() -> None:
        async with house() as h, h.client() as nobody:
            described = await nobody.get("/v1/openapi.json")
            assert described.headers["content-type"] == "application/json"
            assert described.json()["openapi"] == "3.1.0"
            page = await nobody.get("/v1/docs")
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            for name, media in (("docs.js", "text/javascript"), ("docs.css", "text/css")):
                assert name in page.text
                part = await nobody.get(f"/v1/{name}")
                assert part.headers["content-type"].startswith(media)
                assert "http://" not in part.text
                assert "https://" not in part.text
            assert "style=" not in page.text
            assert "http" not in page.text

    play(scene)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_a_stranger_gets_the_same_bytes_as_for_an_unknown_session(endpoint: Endpoint) -> None:
    if "{id}" not in endpoint.path or endpoint.operator or endpoint.name in OPEN:
        return

    async def scene() -> None:
        async with house() as h, h.client("ann") as ann, h.client("bob") as bob:
            await ann.post("/v1/sessions", json={"id": "here1"})
            hidden = await call(bob, endpoint, "here1")
            unknown = await call(bob, endpoint, "gone1")
            assert hidden.status_code == unknown.status_code == 404
            assert hidden.text.replace("here1", "gone1") == unknown.text
            assert hidden.headers.items() == unknown.headers.items()

    play(scene)
