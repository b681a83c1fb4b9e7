"""For which hosts this server answers, and the pages of which origins may have it do something."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...actors.errors import GreenroomError
from .auth.credentials import SAFE
from .errors import ForeignOrigin, Misdirected
from .problems import problem_of, response
from .refusing import refuse
from .settings import WebSettings

SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""Headers of every answer that does not say otherwise itself."""

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_SENT: Final = (
    "authorization",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-api-key",
    "x-greenroom",
    "x-greenroom-user",
)

_READ: Final = (
    "content-disposition",
    "content-location",
    "etag",
    "link",
    "location",
    "retry-after",
)


def around(settings: WebSettings) -> list[Middleware]:
    """What stands around an application: pages of other origins read only if some may (CORS)."""
    hosts = Middleware(Hosts, settings)
    if not settings.allowed_origins:
        return [hosts]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_READ,
    )
    return [hosts, cors]


class Hosts:
    """Lets in what is sent to a host of this server, by no page or by one that may.

    `Host` must be there once and name an allowed host; otherwise a name of a stranger's could be
    made to mean this server, and its pages be of this host (DNS rebinding). `Origin`, which
    browsers send and pages cannot forge, must be of that same host, or allowed, for every WebSocket
    and whatever is not GET or HEAD: what else a page of another origin asks for, it cannot read.
    All answers get the headers of `SECURITY`.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = frozenset(origin.encode() for origin in settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if kind == "http":
            send = _secured(send)
        if refused is None:
            await self._app(scope, receive, send)
        elif kind == "http":
            await response(problem_of(refused))(scope, receive, send)
        else:
            await receive()  # websocket.connect
            await refuse(problem_of(refused), scope, receive, send)

    def _refused(self, scope: Scope) -> GreenroomError | None:
        hosts, origins = [], []
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value.lower())
            elif name == b"origin":
                origins.append(value.lower())
        host = hosts[0] if len(hosts) == 1 else b""
        if "*" not in self._hosts and _name(host) not in self._hosts:
            return Misdirected()
        # A preflight is answered with what is allowed, by whatever comes next.
        if not origins or (scope["type"] == "http" and scope["method"] in SAFE):
            return None
        if len(origins) == 1 and self._is_ours(origins[0], host):
            return None
        return ForeignOrigin()

    def _is_ours(self, origin: bytes, host: bytes) -> bool:
        scheme, _, authority = origin.partition(b"://")
        same = scheme in (b"http", b"https") and authority == host and host != b""
        return same or origin in self._origins


def _name(host: bytes) -> str:
    """The `Host` header without its port: `[::1]:8080` is `[::1]`."""
    text = host.decode("latin-1")
    name, colon, port = text.rpartition(":")
    return name if colon and port.isdecimal() and not name.endswith(":") else text


def _secured(send: Send) -> Send:
    """`send`, with `SECURITY` in the head of the answer. No coroutine more for what follows."""

    def secured(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = [name for name, _ in given]
            message["headers"] = given + [each for each in SECURITY if each[0] not in names]
        return send(message)

    return secured
