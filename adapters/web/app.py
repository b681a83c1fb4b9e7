"""The ASGI application around a running runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ...supervisor.runtime import Runtime
from .call import Call
from .endpoint import Endpoint
from .hall import Hall
from .hosts import Hosts
from .principal import Authenticator
from .problems import Problem, response
from .routes import sessions, tickets
from .settings import WebSettings

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*sessions.ENDPOINTS, *tickets.ENDPOINTS)
"""Every operation under `/v1`."""

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

REQUEST_HEADERS: Final = (
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
"""What a page of an allowed origin may send, ..."""

ANSWER_HEADERS: Final = ("content-location", "etag", "link", "location", "retry-after")
"""... and read."""

_HTTP: Final = {404: "no_route", 405: "method_not_allowed"}


def asgi(
    runtime: Runtime,
    authenticators: Sequence[Authenticator],
    settings: WebSettings | None = None,
) -> ASGIApp:
    """The application that serves `runtime`, which whoever calls starts and stops.

    It may be served by itself, or mounted into a Starlette or FastAPI application of one's own:
    no framework runs the lifespan of what is mounted, so the runtime is entered in the host's. The
    `authenticators` are asked in turn.
    """
    return application(Hall(runtime, authenticators, settings or WebSettings()))


def application(hall: Hall) -> Starlette:
    """The application of one hall."""

    async def begin(request: Request) -> Call:
        principal = await hall.principal(request)
        hall.spend(principal)
        return Call(hall, principal, request)

    routes = [each.route(begin, hall.settings.max_body_bytes) for each in ENDPOINTS]
    return Starlette(
        routes=routes,
        middleware=_middleware(hall.settings),
        exception_handlers={HTTPException: _http_problem},
    )


def _middleware(settings: WebSettings) -> list[Middleware]:
    """Which hosts and origins there are; pages of other origins only where some are allowed."""
    around = [Middleware(Hosts, settings)]
    if settings.allowed_origins:
        around.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=METHODS,
                allow_headers=REQUEST_HEADERS,
                expose_headers=ANSWER_HEADERS,
            )
        )
    return around


async def _http_problem(_: Request, error: Exception) -> Response:
    """What the router answers by itself, as a problem."""
    assert isinstance(error, HTTPException)
    code = _HTTP.get(error.status_code, "http")
    problem = Problem(
        type=f"urn:greenroom:{code}",
        title=code.replace("_", " "),
        status=error.status_code,
        code=code,
        detail=error.detail,
    )
    answer = response(problem)
    answer.headers.update(error.headers or {})
    return answer
