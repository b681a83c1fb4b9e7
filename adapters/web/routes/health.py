"""Whether the process lives, and whether it takes work."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..hall import Hall


def routes(hall: Hall) -> list[Route]:
    """`/healthz`: the loop turns. `/readyz`: new work is taken; 503 while
    draining, and while the runtime has not started or has stopped.

    For whoever watches the process: they tell nothing else, and ask for no credentials.
    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        if hall.runtime.running and not hall.draining:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
