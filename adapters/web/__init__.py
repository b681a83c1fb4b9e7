"""The runtime on the network: HTTP, WebSocket and SSE, as one ASGI application."""
