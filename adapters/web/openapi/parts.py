"""What the description says by itself: headers, credentials, and what is no typed endpoint."""

from __future__ import annotations

from typing import Any, Final

from ....actors.ports import SESSION_ID
from ..endpoint import SSE
from . import codes

SESSION: Final[dict[str, Any]] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id of a session.",
    "schema": {"type": "string", "pattern": f"^{SESSION_ID.pattern}$"},
}

TAKEN: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Key": {
        "description": "A request with the same key and body is done once, and answered alike.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,128}$"},
    },
    "If-Match": {
        "description": "The `ETag` of what was seen: if it has changed, nothing is done.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "description": "The `ETag` of what is there already: if it is the same, it is not sent.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "description": "The cursor to go on from: the `id` of the last event that was read.",
        "schema": {"type": "string"},
    },
}
"""Headers of requests."""

GIVEN: Final[dict[str, dict[str, Any]]] = {
    "Allow": {"description": "The methods of the path.", "schema": {"type": "string"}},
    "Content-Disposition": {
        "description": "The name of a file to keep it in.",
        "schema": {"type": "string"},
    },
    "ETag": {"description": "The version of what is sent.", "schema": {"type": "string"}},
    "Link": {"description": 'The next page: `<...>; rel="next"`.', "schema": {"type": "string"}},
    "Location": {"description": "Where what was made is.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "In how many seconds to try again, if that can be said.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
}
"""Headers of answers."""

SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "For streams, in browsers: good once, for a short time.",
    },
}

SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"key": []}]

_STREAMS: Final[list[dict[str, list[str]]]] = [*SECURITY, {"ticket": []}]

_FROM: Final = {
    "name": "cursor",
    "in": "query",
    "description": "Where to begin: after this event. Without it, with what happens from now on.",
    "schema": {"type": "string"},
}

_KINDS: Final = {
    "name": "kinds",
    "in": "query",
    "description": "Only events of these kinds, separated by commas, such as `message.posted`.",
    "schema": {"type": "string"},
}


def _problems(*more: str) -> dict[str, Any]:
    refused = (
        *codes.EVERYWHERE,
        *codes.OF_PATHS,
        *codes.OF_SESSIONS,
        *codes.OF_THE_HOUSE,
        "invalid_cursor",
        "not_found",
        "wrong_session",
        *more,
    )
    return {
        str(status): codes.response(named, status)
        for status, named in codes.by_status(refused).items()
    }


EVENTS: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
"""One of the events of a stream, as those who read the description take the schema of one."""


def _text(description: str, media: str = "text/plain") -> dict[str, Any]:
    schema = EVENTS if media == SSE else {"type": "string"}
    return {"description": description, "content": {media: {"schema": schema}}}


def _public(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "tags": ["house"],
            "summary": summary,
            "security": [],
            "responses": {**responses, "421": codes.response(["misdirected"], 421)},
        }
    }


OTHERS: Final[dict[str, dict[str, Any]]] = {
    "/v1/sessions/{id}/events": {
        "get": {
            "operationId": "stream_events",
            "tags": ["streams"],
            "summary": "What happens in a session, as server-sent events.",
            "description": (
                "For participants. Each event has the cursor as its `id`, its kind as `event` "
                "(`message.posted`, `gap`, `draining`, `end`), and as `data` a JSON object: "
                '`{"type": "event", "session", "cursor", "revision", "epoch", "position", '
                '"incarnation", "at_ms", "turn", "durable", "healed", "event": {"type", ...}}`, or '
                '`{"type": "gap", "session", "reason", "requested", "latest", "latest_revision", '
                '"healed", "cursor"}` where something is missing.'
            ),
            "security": _STREAMS,
            "parameters": [
                SESSION,
                _FROM,
                _KINDS,
                {"name": "Last-Event-ID", "in": "header", **TAKEN["Last-Event-ID"]},
            ],
            "responses": {"200": _text("Events.", SSE), **_problems()},
        }
    },
    "/v1/sessions/{id}/ws": {
        "get": {
            "operationId": "connect",
            "tags": ["streams"],
            "summary": "A session over a WebSocket: commands in, events out.",
            "description": (
                "For participants. Subprotocols: `greenroom.v1.json` and `greenroom.v1.msgpack`. "
                "Each message of the server is an array of frames, tagged by `type`: `hello`, "
                "`event` and `gap` as in the event stream, `ack` and `error` with the `id` of the "
                "command, `alive`, `draining`, `end`. Each message of the client is one command, "
                'tagged by `do`, such as `{"do": "send", "id": 7, "text": "hello"}`. '
                "Close codes 4000 to 4499: connect again; 4500 to 4999: do not."
            ),
            "security": _STREAMS,
            "parameters": [SESSION, _FROM, _KINDS],
            "responses": {
                "101": {"description": "The protocol is switched."},
                **_problems("foreign_origin"),
            },
        }
    },
    "/v1/openapi.json": _public(
        "describe",
        "This description.",
        {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}},
    ),
    "/v1/docs": _public(
        "read_docs", "This description, to read.", {"200": _text("A page.", "text/html")}
    ),
    "/healthz": _public("healthz", "Whether the process lives.", {"200": _text("It does.")}),
    "/readyz": _public(
        "readyz",
        "Whether the process takes work.",
        {"200": _text("It does."), "503": _text("It is draining.")},
    ),
}
"""Paths that are no typed endpoints, wherever the application has them."""
