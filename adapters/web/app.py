"""The ASGI application around a running runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ...supervisor.runtime import Runtime
from .call import Call
from .endpoint import Endpoint
from .hall import Hall
from .principal import Authenticator
from .problems import Problem, response
from .routes import sessions
from .settings import WebSettings
from .streams import routing

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*sessions.ENDPOINTS,)
"""Every operation under `/v1`."""

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
        return Call(hall, await hall.principal(request), request)

    routes = [each.route(begin, hall.settings.max_body_bytes) for each in ENDPOINTS]
    return Starlette(
        routes=[*routes, *routing.routes(hall)], exception_handlers={HTTPException: _http_problem}
    )


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
