"""A client that leaves answers which have no end."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

import httpx
from starlette.types import ASGIApp

PATIENCE: Final = 50
"""Turns of the loop for which it waits for the first piece of a stream."""


class Leaving(httpx.AsyncBaseTransport):
    """Requests to an application in this process.

    Of an answer that is a stream of events it takes the first piece, if that comes soon, and
    leaves; what is there by then is the answer. It waits until the application has noticed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = b"".join([part async for part in request.stream])
        exchange = _Exchange(body)
        await self._app(_scope(request), exchange.receive, exchange.send)
        start = exchange.sent[0]
        content = b"".join(message.get("body", b"") for message in exchange.sent[1:])
        stream = httpx.ByteStream(content)
        return httpx.Response(start["status"], headers=start["headers"], stream=stream)


class _Exchange:
    def __init__(self, body: bytes) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self._body: bytes | None = body
        self._left = asyncio.Event()
        self._waited = 0

    async def receive(self) -> MutableMapping[str, Any]:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._left.is_set():
            return
        self.sent.append(message)
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith(b"text/event-stream"):
                self._wait()
        elif self._waited and message.get("body"):
            self._left.set()

    def _wait(self) -> None:
        self._waited += 1
        if self._waited > PATIENCE:
            self._left.set()
        else:
            asyncio.get_running_loop().call_soon(self._wait)


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
    }
