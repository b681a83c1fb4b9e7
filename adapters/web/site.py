"""The pages, as they are sent: read once, under a strict content security policy."""

from __future__ import annotations

from hashlib import blake2b
from importlib.resources import files
from string import Template
from typing import Final, Literal, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SignIn: TypeAlias = Literal["dev", "token"]
"""How people sign in: by a name that is believed, or by an access token or API key."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded from, or sent to, any other place, and nothing runs that is written inline."""

_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # Asked for each time, and answered 304: a new version of the server has new pages at once.
    "cache-control": "no-cache",
}
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGES: Final = {"/": "talk.html", "/dashboard": "dashboard.html"}


def routes(*, auth: SignIn) -> list[Route]:
    """The pages, and `/static/...` that they are made of.

    They hold nothing that is secret, and ask for no credentials: what they show is asked for by
    whoever opens them.
    """
    folder = files(f"{__package__}.pages")
    pages = [
        _route(path, name, Template(folder.joinpath(name).read_text()).substitute(auth=auth))
        for path, name in _PAGES.items()
    ]
    parts = sorted(
        part.name
        for part in folder.iterdir()
        if part.name.endswith((".js", ".css", ".svg")) and not part.name.startswith("docs.")
    )
    return pages + [
        _route(f"/static/{name}", name, folder.joinpath(name).read_text()) for name in parts
    ]


def _route(path: str, name: str, text: str) -> Route:
    body = text.encode()
    kind = _TYPES[name[name.rindex(".") :]]
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {**_HEADERS, "etag": tag}

    async def send(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return Response(body, 200, headers, kind)

    return Route(path, send, methods=["GET"], name=name)
