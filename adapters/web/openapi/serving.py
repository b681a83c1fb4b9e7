"""The description and its page, as they are served."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import pages
from ..endpoint import JSON, Endpoint
from .document import document

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGES: Final = {
    "/v1/docs": ("docs.html", "text/html"),
    "/v1/docs.js": ("docs.js", "text/javascript"),
    "/v1/docs.css": ("docs.css", "text/css"),
}


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    """`/v1/openapi.json`, and `/v1/docs`, which needs nothing but this server.

    For all who can reach it. The description is built when it is first asked for, of the
    `endpoints` and of all else that the application routes then.
    """
    built: dict[str, Any] = {}
    encoded = b""

    async def describe(request: Request) -> Response:
        nonlocal built, encoded
        if not built:
            routed = {getattr(route, "path", "") for route in request.app.routes}
            built = document(endpoints, routed)
            encoded = msgspec.json.encode(built)
        root = request.scope.get("root_path", "")
        mounted = {**built, "servers": [{"url": root}]}
        return Response(msgspec.json.encode(mounted) if root else encoded, media_type=JSON)

    shown = [_page(path, name, media) for path, (name, media) in _PAGES.items()]
    return [Route("/v1/openapi.json", describe, methods=["GET"]), *shown]


def _page(path: str, name: str, media: str) -> Route:
    content = files(pages).joinpath(name).read_bytes()
    headers = {"content-security-policy": _CSP, "x-content-type-options": "nosniff"}

    async def page(_: Request) -> Response:
        return Response(content, headers=headers, media_type=media)

    return Route(path, page, methods=["GET"])
