"""The ASGI application around a running runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ...supervisor.runtime import Runtime
from . import site
from .call import Call
from .endpoint import Begin, Endpoint, Handler
from .exporting import Export
from .following import Follow
from .hall import Hall
from .hosts import around
from .openapi import serving as describing
from .principal import Authenticator
from .problems import Problem, response
from .routes import (
    admin,
    approvals,
    health,
    history,
    me,
    messages,
    metrics,
    participants,
    records,
    replay,
    sessions,
    state,
    tickets,
    turns,
    visual,
    voice,
    wakes,
    watching,
)
from .settings import WebSettings
from .site import SignIn
from .streams import routing

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *sessions.ENDPOINTS,
    *participants.ENDPOINTS,
    *messages.ENDPOINTS,
    *turns.ENDPOINTS,
    *approvals.ENDPOINTS,
    *me.ENDPOINTS,
    *tickets.ENDPOINTS,
    *state.ENDPOINTS,
    *history.ENDPOINTS,
    *replay.ENDPOINTS,
    *records.ENDPOINTS,
    *voice.ENDPOINTS,
    *visual.ENDPOINTS,
    *wakes.ENDPOINTS,
    *admin.ENDPOINTS,
    *watching.ENDPOINTS,
    *metrics.ENDPOINTS,
)
"""Every operation: under `/v1`, but for `/metrics`."""

_HTTP: Final = {404: "no_route", 405: "method_not_allowed"}


def asgi(
    runtime: Runtime,
    authenticators: Sequence[Authenticator],
    settings: WebSettings | None = None,
    *,
    export: Export | None = None,
    follow: Follow | None = None,
    pages: SignIn | None = None,
) -> ASGIApp:
    """The application that serves `runtime`, which whoever calls starts and stops.

    It may be served by itself, or mounted into a Starlette or FastAPI application of one's own:
    no framework runs the lifespan of what is mounted, so the runtime is entered in the host's. The
    `authenticators` are asked in turn. `export` is what exports sessions, such as
    `greenroom.export_sessions`; without it, none are. `follow` is told of each turn that a request
    asks for, such as `Tracing.follow` in adapters/telemetry/tracing.py. With `pages` the talk page
    is at `/`, and the dashboard at `/dashboard`: it says how people sign in there, by a `token`,
    or, in the dev mode, by a name.
    """
    hall = Hall(runtime, authenticators, settings or WebSettings(), export=export, follow=follow)
    return application(hall, pages)


def application(hall: Hall, pages: SignIn | None = None) -> Starlette:
    """The application of one hall; with the pages, if it is said how people sign in there."""

    async def begin(request: Request, is_stream: bool) -> Call:
        principal = await hall.principal(request, stream=is_stream)
        hall.spend(principal)
        return Call(hall, principal, request)

    described = describing.routes(ENDPOINTS)
    app = Starlette(
        routes=[
            *metrics.public(hall),
            *_routes(begin, hall),
            *routing.routes(hall),
            *described,
            *health.routes(hall),
            *([] if pages is None else site.routes(auth=pages)),
        ],
        middleware=around(hall.settings),
        exception_handlers={HTTPException: _http_problem},
    )
    app.router.redirect_slashes = False  # a path is right, or there is none
    return app


def _routes(begin: Begin, hall: Hall) -> list[Route]:
    """One route for each path, so that what is told of another method names all that there are."""
    paths: dict[str, dict[str, Handler]] = {}
    for each in ENDPOINTS:
        handler = each.handler(begin, hall.settings.max_body_bytes)
        paths.setdefault(each.path, {})[each.method] = handler
    routes = [Route(path, _by_method(of), methods=list(of)) for path, of in paths.items()]
    streams = {each.path for each in ENDPOINTS if each.is_stream}
    for route in routes:
        if route.path in streams and route.methods is not None:
            route.methods.discard("HEAD")  # a body without end has no head of its own
    return routes


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle


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
