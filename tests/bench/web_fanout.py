"""What it costs a server to tell a thousand WebSockets of one session, or of a hundred in which
people chat, and to have idle ones.

    python tests/bench/web_fanout.py [--smoke] [--rounds N] [--json out.json]

`greenroom` is the web application in a real uvicorn process, where one reader posts messages and
all are told the events. `bare` is a raw ASGI application of 30 lines in another one, which sends
what one reader says to all of them, in turn: no session, no journal, no cursors, no heartbeat, and
messages of the same length. The readers are in this process, over loopback.

CPU is that of the server's whole process, divided by the events that all readers together have
had. `echo` sends back to each what it says: what nobody can have for less. People who chat are ten
in each room, one of whom speaks in all rooms at a time. With one event at a time the next one is
posted when all have had the last one; a burst is posted at once. Memory is what the server's
process has grown by (RSS) for each connection on which nothing is sent. All figures of a table come
from one run, whose rounds are interleaved. The number in brackets is the spread of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from children import Child
from measure import Case, machine, resident_bytes, run_rounds, table, write_json

import greenroom
from greenroom.adapters.web.app import asgi
from greenroom.adapters.web.principal import Credentials, Principal
from greenroom.adapters.web.settings import WebSettings

resource: Any
try:
    import resource
except ImportError:  # Windows
    resource = None

MARK: Final = b"^"
"""Once in each event, and in nothing else that is sent."""

ROOM: Final = 10
"""People in one room."""

LENGTH: Final = 399
"""Of an event on the wire, in bytes: that of a short message."""


@dataclass(frozen=True)
class Scale:
    """How much is measured at once."""

    readers: int
    singles: int
    bursts: int
    burst: int
    idle: int
    chats: int


FULL = Scale(1000, singles=100, bursts=10, burst=50, idle=5000, chats=100)
SMOKE = Scale(10, singles=3, bursts=2, burst=5, idle=20, chats=3)


# --- the servers ---------------------------------------------------------------------------------


class Anybody:
    """Whoever comes is Ann."""

    async def authenticate(self, _: Credentials) -> Principal:
        return Principal(user="ann")


async def serve_greenroom(sockets: Any) -> None:
    async with greenroom.Runtime(max_sessions=1_000, max_sessions_per_user=1_000) as runtime:
        rooms = FULL.readers // ROOM
        await runtime.create("ann", id="s")
        for number in range(rooms):
            await runtime.create("ann", id=f"s{number}")
        many = WebSettings(max_connections=100_000, request_burst=1_000_000)
        app = asgi(runtime, [Anybody()], many)
        await serve(app, sockets)


async def serve_bare(sockets: Any) -> None:
    rooms: dict[str, list[Any]] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        everybody = rooms.setdefault(scope["path"], [])
        everybody.append(send)
        while (message := await receive())["type"] == "websocket.receive":
            for each in everybody:
                await each({"type": "websocket.send", "text": message["text"]})
        everybody.remove(send)

    await serve(app, sockets)


async def serve_echo(sockets: Any) -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    await serve(app, sockets)


async def serve(app: Any, sockets: Any) -> None:
    await uvicorn.Server(configured(app)).serve(sockets)


def configured(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=8192,
    )


SERVERS: Final = {"greenroom": serve_greenroom, "bare": serve_bare, "echo": serve_echo}


def child(name: str, tells: str) -> None:
    """A server, which prints its port, and then its CPU seconds, or bytes, as often as asked."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    config = configured(None)
    socket = config.bind_socket()
    socket.listen(8192)
    figure: Callable[[], float] = time.process_time if tells == "cpu" else resident_bytes

    def answer() -> None:
        for _ in sys.stdin:
            print(figure(), flush=True)

    threading.Thread(target=answer, daemon=True).start()
    print(socket.getsockname()[1], flush=True)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(SERVERS[name]([socket]))


# --- the readers ---------------------------------------------------------------------------------


class Reader(asyncio.Protocol):
    """One WebSocket, which counts the marks in what it is sent."""

    def __init__(self, crowd: Crowd, session: str) -> None:
        self._crowd, self._session = crowd, session
        self._open = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            f"GET /v1/sessions/{self._session}/ws HTTP/1.1\r\n".encode()
            + b"Host: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._open = True
            self._crowd.opened()
        start = 0
        while (found := payload(data, start)) is not None:
            self._crowd.count(data.count(MARK, *found))
            start = found[1]
        self._rest = data[start:]

    def say(self, text: bytes) -> None:
        """Send a text of 126 to 65,535 bytes, masked with zeros."""
        head = b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4)
        self.transport.write(head + text)


def payload(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the unmasked frame at `start` begins and ends, if all of it is there."""
    if len(data) < start + 2:
        return None
    size, at = data[start + 1], start + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) < at + width:
            return None
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    return (at, at + size) if at + size <= len(data) else None


class Crowd:
    """All readers of one server: in one session, or in rooms of `ROOM`."""

    def __init__(self, *, in_rooms: bool = False) -> None:
        self._in_rooms = in_rooms
        self._open = self._marks = self._wanted = 0
        self._done = asyncio.Event()
        self.readers: list[Reader] = []

    async def connect(self, port: int, readers: int) -> None:
        """Have so many in all, each of them open."""
        loop = asyncio.get_running_loop()
        readers -= len(self.readers)
        for _ in range(readers):
            session = f"s{len(self.readers) // ROOM}" if self._in_rooms else "s"
            made = functools.partial(Reader, self, session)
            _, reader = await loop.create_connection(made, "127.0.0.1", port)
            self.readers.append(reader)
        while self._open < len(self.readers):
            await asyncio.sleep(0.01)

    def opened(self) -> None:
        self._open += 1

    def count(self, marks: int) -> None:
        self._marks += marks
        if self._marks >= self._wanted:
            self._done.set()

    async def told(self, texts: Sequence[bytes]) -> None:
        """Have one of them say these, and wait until all have heard all."""
        self._wanted = self._marks + len(texts) * len(self.readers)
        self._done.clear()
        for text in texts:
            self.readers[0].say(text)
        await self._done.wait()

    async def chat(self, text: bytes, heard: int) -> None:
        """Have one of each room say this, one after the other, each of which so many hear."""
        for first in range(ROOM):
            speakers = self.readers[first::ROOM]
            self._wanted = self._marks + len(speakers) * heard
            self._done.clear()
            for each in speakers:
                each.say(text)
            await self._done.wait()

    def close(self) -> None:
        for reader in self.readers:
            reader.transport.abort()


def said(name: str) -> bytes:
    """What a reader says to have one event of `LENGTH` bytes sent to all."""
    if name != "greenroom":
        return MARK + b"x" * (LENGTH - 1)
    text = MARK + b"and some more words, as a short message has them, or one that is not so short"
    return (b'{"do":"post","id":1,"text":"%s"}' % text).ljust(126)


# --- what is measured ----------------------------------------------------------------------------


async def delivered(name: str, server: Child, port: int, scale: Scale, *, burst: bool) -> float:
    """CPU microseconds of the server per event and reader."""
    crowd = Crowd()
    await crowd.connect(port, scale.readers)
    texts = [said(name)] * (scale.burst if burst else 1)
    times = scale.bursts if burst else scale.singles
    await crowd.told(texts)
    start = server.ask()
    for _ in range(times):
        await crowd.told(texts)
    spent = server.ask() - start
    crowd.close()
    await asyncio.sleep(0.5)  # the server has to notice
    return spent / (times * len(texts) * scale.readers) * 1e6


async def chatted(name: str, server: Child, port: int, scale: Scale) -> float:
    """CPU microseconds of the server per event and reader, while all readers chat."""
    crowd = Crowd(in_rooms=True)
    await crowd.connect(port, scale.readers)
    heard = 1 if name == "echo" else ROOM
    await crowd.chat(said(name), heard)
    start = server.ask()
    times = max(1, scale.chats // ROOM)
    for _ in range(times):
        await crowd.chat(said(name), heard)
    spent = server.ask() - start
    crowd.close()
    await asyncio.sleep(0.5)  # the server has to notice
    return spent / (times * scale.readers * heard) * 1e6


async def idle(name: str, scale: Scale) -> float:
    """KiB of the server per connection on which nothing is sent."""
    with Child(__file__, "--serve", name, "--tells", "bytes") as server:
        port = int(server.ready())
        crowd = Crowd()
        few = scale.idle // 10  # what is made once is made with these
        await crowd.connect(port, few)
        start = server.ask()
        await crowd.connect(port, few + scale.idle)
        grown = server.ask() - start
    return grown / scale.idle / 1024


def cases(scale: Scale, servers: dict[str, tuple[Child, int]]) -> list[Case]:
    """Every row of the table."""

    def each(burst: bool) -> dict[str, Callable[[], float]]:
        return {
            name: functools.partial(
                lambda name, server: asyncio.run(delivered(name, *server, scale, burst=burst)),
                name,
                server,
            )
            for name, server in servers.items()
            if name != "echo"
        }

    held = {
        name: functools.partial(lambda name: asyncio.run(idle(name, scale)), name)
        for name in SERVERS
        if name != "echo"
    }
    chats = {
        name: functools.partial(
            lambda name, server: asyncio.run(chatted(name, *server, scale)), name, server
        )
        for name, server in servers.items()
    }
    return [
        Case("delivered, people who chat", "us CPU", chats),
        Case("delivered, one event at a time", "us CPU", each(burst=False)),
        Case("delivered, in bursts", "us CPU", each(burst=True)),
        Case("idle connection, resident (RSS)", "KiB", held),
    ]


def notes(scale: Scale, rounds: int) -> str:
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    return (
        f"{about}  rounds {rounds}: median (spread)\n"
        f"  {scale.readers:,} readers of events of {LENGTH} bytes; {scale.singles} single ones, "
        f"{scale.bursts} bursts of {scale.burst}; {scale.idle:,} idle connections"
    )


def allow_files() -> None:
    """Have this process, and those that it starts, open as many as may be: a socket is one."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark greenroom's WebSockets.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument("--serve", choices=list(SERVERS), help=argparse.SUPPRESS)
    parser.add_argument("--tells", choices=["cpu", "bytes"], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        child(options.serve, options.tells)
        return
    allow_files()
    scale, rounds = (SMOKE, 1) if options.smoke else (FULL, options.rounds)
    with ExitStack() as stack:
        servers = {}
        for name in SERVERS:
            server = stack.enter_context(Child(__file__, "--serve", name, "--tells", "cpu"))
            servers[name] = (server, int(server.ready()))
        measured = cases(scale, servers)
        run_rounds(measured, rounds)
    print(notes(scale, rounds))
    chats, *others = measured
    print(table([chats], list(SERVERS)))
    print(table(others, ["greenroom", "bare"]))
    if options.json:
        write_json(options.json, measured, rounds=rounds)


if __name__ == "__main__":
    main()
