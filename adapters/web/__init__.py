"""The runtime on the network: HTTP, WebSocket and SSE, as one ASGI application."""

if __name__.split(".")[0] != "greenroom":
    raise ImportError(f"{__name__} is part of the package greenroom: import greenroom.{__name__}")
