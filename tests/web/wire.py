"""The other end of one connection, without a server: the test says what it says, and takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, MutableMapping
from typing import Any, cast

import msgspec
from starlette.types import ASGIApp
from theatre import settle

from greenroom.adapters.web.streams import frames

Message = MutableMapping[str, Any]


class Wire:
    """One connection to an application, whose messages are scripted and kept.

    `takes` is whether it takes what is sent; while it is cleared, `send` waits. What is sent to it
    after it has gone is swallowed at once, as uvicorn's HTTP does it.
    """

    def __init__(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.sent: list[Message] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.received = 0
        self.gone = False
        self.tries = 0
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        message = await self._said.get()
        self.received += 1
        return message

    async def _send(self, message: Message) -> None:
        self.tries += 1
        await self.takes.wait()
        if not self.gone:
            self.sent.append(message)

    def say(self, message: Message) -> None:
        """Send something to the application."""
        self._said.put_nowait(message)

    def tell(self, command: dict[str, Any]) -> None:
        """Send a command, in JSON."""
        text = msgspec.json.encode(command).decode()
        self.say({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        """Go, and wait until the application has noticed."""
        self.gone = True
        kind = "http" if self.scope["type"] == "http" else "websocket"
        self.say({"type": f"{kind}.disconnect", "code": 1006})
        self.takes.set()
        await self.task

    @property
    def status(self) -> int:
        """Of the HTTP answer."""
        return cast("int", self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def told(self) -> list[frames.Frame]:
        """Every frame that has come."""
        if self.scope["type"] == "http":
            return [told for _, _, told in events(self.body.decode())]
        texts = [each["text"] for each in self.sent if each["type"] == "websocket.send"]
        return [frame for text in texts for frame in frames.decode_json(text)]

    @property
    def code(self) -> int | None:
        """With which the WebSocket was closed."""
        last = self.sent[-1]
        return last["code"] if last["type"] == "websocket.close" else None


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    while not holds():
        await asyncio.sleep(0)


def stream(app: ASGIApp, session: str, user: str, query: str = "", **headers: str) -> Wire:
    """Server-sent events."""
    return Wire(app, _scope("http", f"/v1/sessions/{session}/events", user, query, headers))


async def socket(
    app: ASGIApp, session: str, user: str, query: str = "", *, can_refuse: bool = True
) -> Wire:
    """A WebSocket, which is open, or was refused."""
    scope = _scope("websocket", f"/v1/sessions/{session}/ws", user, query, {})
    scope["subprotocols"] = []
    if can_refuse:
        scope["extensions"] = {"websocket.http.response": {}}
    wire = Wire(app, scope)
    wire.say({"type": "websocket.connect"})
    await settle()
    return wire


def _scope(kind: str, path: str, user: str, query: str, headers: dict[str, str]) -> dict[str, Any]:
    named = {"authorization": f"Bearer {user}", "host": "localhost"} | headers
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in named.items()],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
    }


def events(text: str) -> list[tuple[str, str, frames.Frame]]:
    """The id, name and frame of each whole server-sent event in `text`."""
    found = []
    for block in re.findall(r"(.*?)\n\n", text, re.DOTALL):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "data" in fields:
            frame = frames.decode_data(fields["data"])
            found.append((fields.get("id", ""), fields["event"], frame))
    return found


def words(told: list[frames.Frame]) -> list[str]:
    """What was said in them, in order."""
    messages = [each.event for each in told if isinstance(each, frames.EventFrame)]
    return [each.message.text for each in messages if hasattr(each, "message")]
