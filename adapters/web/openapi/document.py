"""The document: one operation for each endpoint, and the schemas of all that goes in and out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from inspect import cleandoc, getdoc
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from starlette.responses import Response

from ..endpoint import SSE, Endpoint
from ..problems import Problem
from . import codes
from .parts import EVENTS, GIVEN, OTHERS, SCHEMES, SECURITY, SESSION, TAKEN

VERSION: Final = "1"
"""Of the API: the `/v1` of its paths."""

_ABOUT: Final = (
    "Sessions that people and agents share. Errors are problem details (RFC 9457) with a stable "
    "`code`. Who takes no part in a session is answered as if there were none. Times are UTC "
    "milliseconds unless their names end in `_s`: those are durations in seconds."
)

_METHODS_WITH_ORIGIN: Final = ("POST", "PUT", "PATCH", "DELETE")

_INTERNAL: Final = re.compile(r"\s*\((?:spec|promise) [^)]*\)|\n+Raises:\n(?:.|\n)*")
"""What descriptions say to readers of the source only."""


def document(endpoints: Sequence[Endpoint], routed: Collection[str]) -> dict[str, Any]:
    """The description of an application.

    It has all of the `endpoints`, and of all else what the application routes: `routed`.
    """
    types = [Problem, *(kind for each in endpoints for kind in _types_of(each))]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    shared = codes.Shared()
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schema_of, shared)
    paths |= {path: item for path, item in OTHERS.items() if path in routed}
    return {
        "openapi": "3.1.0",
        "info": {"title": "greenroom", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": SECURITY,
        "paths": paths,
        "components": {
            "schemas": {name: _tidy(schema) for name, schema in sorted(components.items())},
            "responses": shared.responses,
            "headers": GIVEN,
            "securitySchemes": SCHEMES,
        },
    }


def _types_of(endpoint: Endpoint) -> Iterator[Any]:
    """Every type of which the description of an endpoint has a schema."""
    yield from endpoint.in_path.values()
    yield from map(_given, endpoint.in_query.values())
    if endpoint.body not in (None, bytes):
        yield endpoint.body
    for _, answer in _answers(endpoint):
        if answer is not NoneType and not _is_response(answer):
            yield answer


def _operation(
    endpoint: Endpoint, schema_of: dict[str, Any], shared: codes.Shared
) -> dict[str, Any]:
    summary, _, more = _said(getdoc(endpoint.function) or "").partition(". ")
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary.rstrip(".") + ".",
    }
    if endpoint.operator:
        more = f"{more}\n\nFor operators.".strip()
    if more:
        operation["description"] = more
    if parameters := [*_parameters(endpoint, schema_of)]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        schema = {} if endpoint.body is bytes else schema_of[repr(endpoint.body)]
        operation["requestBody"] = {
            "required": _is_required(endpoint.body),
            "content": {media: {"schema": schema} for media in endpoint.consumes},
        }
    answers = {
        str(status): _response(endpoint, answer, schema_of) for status, answer in _answers(endpoint)
    }
    operation["responses"] = dict(sorted((answers | shared.of(_codes(endpoint))).items()))
    return operation


def _parameters(endpoint: Endpoint, schema_of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, kind in endpoint.in_path.items():
        if name == "id":
            yield SESSION
        else:
            schema = schema_of[repr(kind)]
            yield {"name": name, "in": "path", "required": True, "schema": schema}
    for name, kind in endpoint.in_query.items():
        schema = dict(schema_of[repr(_given(kind))])
        if endpoint.defaults.get(name) is not None:
            schema["default"] = endpoint.defaults[name]
        required = name in endpoint.required
        yield {"name": name, "in": "query", "required": required, "schema": schema}
    for name in endpoint.takes:
        yield {"name": name, "in": "header", **TAKEN[name]}


def _response(endpoint: Endpoint, answer: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done."}
    if answer is not NoneType:
        schema = {"type": "string"} if _is_response(answer) else schema_of[repr(answer)]
        described["content"] = {
            media: {"schema": EVENTS if media == SSE else schema} for media in endpoint.produces
        }
        if _is_struct(answer):
            described["description"] = _said(getdoc(answer) or "")
    if endpoint.gives:
        names = endpoint.gives
        described["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return described


def _codes(endpoint: Endpoint) -> list[str]:
    found = [*codes.EVERYWHERE, *codes.OF_THE_HOUSE, *endpoint.raises]
    if endpoint.in_path:
        found += codes.OF_PATHS
    if endpoint.body is not None:
        found += codes.OF_BODIES
    if "/sessions" in endpoint.path:
        found += codes.OF_SESSIONS
    if endpoint.method in _METHODS_WITH_ORIGIN:
        found.append("foreign_origin")
    if endpoint.operator:
        found.append("forbidden")
    return found


def _answers(endpoint: Endpoint) -> Iterator[tuple[int, Any]]:
    """The statuses of success, and what is given with each."""
    kinds = [endpoint.answer]
    if get_origin(endpoint.answer) in (Union, UnionType) and endpoint.also:
        others = set(endpoint.also.values())
        kinds = [kind for kind in get_args(endpoint.answer) if kind not in others]
    yield endpoint.status, Union[tuple(kinds)]  # noqa: UP007
    yield from endpoint.also.items()


def _given(kind: Any) -> Any:
    """What a query parameter is if it is given: nobody can send None there."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return Union[tuple(each for each in get_args(kind) if each is not NoneType)]  # noqa: UP007


def _is_response(answer: Any) -> bool:
    return isinstance(answer, type) and issubclass(answer, Response)


def _is_struct(answer: Any) -> bool:
    return isinstance(answer, type) and issubclass(answer, msgspec.Struct)


def _is_required(body: Any) -> bool:
    """Whether an empty body is not enough."""
    kind = get_args(body)[0] if get_origin(body) is Annotated else body
    if not _is_struct(kind):
        return False
    return any(field.required for field in msgspec.structs.fields(kind))


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its description as readers of the API need it."""
    if "description" not in schema:
        return schema
    return {**schema, "description": _said(cleandoc(schema["description"]))}


def _said(text: str) -> str:
    """A docstring without what it says of the source, and a line for each paragraph."""
    paragraphs = _INTERNAL.sub("", text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
