"""What is counted, as Prometheus reads it."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ....actors.errors import ExtraMissing
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..hall import Hall
from .admin import TAG

PATH: Final = "/metrics"


@endpoint(
    "GET",
    PATH,
    tag=TAG,
    operator=True,
    produces=("text/plain", "application/openmetrics-text"),
)
async def get_metrics(call: Call) -> Response:
    """Counters, gauges and histograms for Prometheus: of the house, and of none of its sessions.

    In the text format of Prometheus, or of OpenMetrics for those who accept that. Where the house
    is set up so (`public_metrics`), no credentials are asked for.
    """
    return _told(call.hall, call.request)


def public(hall: Hall) -> list[Route]:
    """The same for whoever asks, if the settings say so."""

    async def metrics(request: Request) -> Response:
        return _told(hall, request)

    return [Route(PATH, metrics)] if hall.settings.public_metrics else []


def _told(hall: Hall, request: Request) -> Response:
    try:
        from ..metrics import exposition
    except ImportError as error:
        raise ExtraMissing("/metrics", install="greenroom[web]") from error
    text, content_type = exposition(hall, request.headers.get("accept", ""))
    return Response(text, headers={"content-type": content_type, "cache-control": "no-store"})


ENDPOINTS: Final[tuple[Endpoint, ...]] = (get_metrics,)
