"""Where the streams are."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute

from ..hall import Hall
from .hub import Hub
from .sse import EventStream
from .websocket import Socket


def routes(hall: Hall) -> list[BaseRoute]:
    """The streams of a hall, for its application."""
    hub = Hub(hall)
    events = Route("/v1/sessions/{id}/events", EventStream(hub), methods=["GET"], name="events")
    if events.methods is not None:
        events.methods.discard("HEAD")  # a body without end has no head of its own
    return [events, WebSocketRoute("/v1/sessions/{id}/ws", Socket(hub), name="ws")]
