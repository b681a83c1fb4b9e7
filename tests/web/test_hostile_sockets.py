"""Streams that are opened by somebody who means no good, or cannot do better.

Whatever they send, take or break off, two people in another session of the same server hear every
word of each other in the meantime, and nothing is left when all have gone.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import socket as sockets
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from theatre import play, settle
from web.kit import House, house, served
from web.logs import logged
from web.wire import events, socket, until, words
from websockets.asyncio.client import connect

from greenroom.adapters.web.streams import frames

MAX_BYTES: Final = 10_000
WORD_S: Final = 5.0
"""Within which each word is heard, on a machine that others use as well."""

LIMITS: Final = {
    "max_message_bytes": MAX_BYTES,
    "request_burst": 1_000_000,
    "max_connections": 1000,
}

HEAD: Final = (
    b"GET /v1/sessions/foul/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer eve\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
EVENTS: Final = (
    b"GET /v1/sessions/foul/events?cursor=start HTTP/1.1\r\nHost: localhost\r\n"
    b"Authorization: Bearer eve\r\n\r\n"
)

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, data: bytes, *, last: bool = True, masked: bool = True) -> bytes:
    """A WebSocket frame (RFC 6455, 5.2), masked with zeros."""
    first, mask = opcode | (0x80 if last else 0), 0x80 if masked else 0
    size = len(data)
    if size < 126:
        head = bytes([first, mask | size])
    elif size < 1 << 16:
        head = bytes([first, mask | 126]) + struct.pack("!H", size)
    else:
        head = bytes([first, mask | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if masked else b"") + data


def said(command: Any) -> bytes:
    return frame(TEXT, msgspec.json.encode(command))


class Raw:
    """A connection on which any bytes are sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send, unless the other end has closed."""
        with suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def opened(self, head: bytes = HEAD) -> None:
        """Have the answer's head."""
        await self.send(head)
        await self.reader.readuntil(b"\r\n\r\n")

    def reset(self) -> None:
        """Break off: whatever comes next from there is answered by RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(OSError):
            self.writer.write_eof()


@asynccontextmanager
async def dialled(address: str) -> AsyncIterator[Raw]:
    host, port = address.split(":")
    raw = Raw(*await asyncio.open_connection(host, int(port)))
    try:
        yield raw
    finally:
        raw.writer.transport.abort()


# --- those who mean no good ----------------------------------------------------------------------

Foul: TypeAlias = Callable[[str], Awaitable[None]]


async def closed_by_server(raw: Raw) -> None:
    """Read what is sent until its end."""
    with suppress(OSError):
        while await raw.reader.read(1 << 16):
            pass


def sends(*parts: bytes, closes: bool = True) -> Foul:
    """Opens a socket and sends these; if the server `closes` for it, it waits for that."""

    async def foul(address: str) -> None:
        async with dialled(address) as raw:
            await raw.opened()
            for part in parts:
                await raw.send(part)
            if closes:
                await closed_by_server(raw)
            else:
                await raw.send(said({"do": "touch", "id": "last"}))
                while b'"last"' not in await raw.reader.read(1 << 16):
                    pass

    return foul


def noise(seed: int) -> Foul:
    """Sends random bytes where frames should be, or instead of the request."""

    async def foul(address: str) -> None:
        bytes_ = random.Random(seed).randbytes
        async with dialled(address) as raw:
            if seed % 2:
                await raw.opened()
            await raw.send(bytes_(5000))
            raw.half_close()
            await closed_by_server(raw)

    return foul


def breaks_off(head: bytes, after: int, then: Callable[[Raw], None]) -> Foul:
    """Breaks off when so many bytes of its request have been sent; it has 20 more of a command."""

    async def foul(address: str) -> None:
        async with dialled(address) as raw:
            whole = head + said({"do": "send", "id": 1, "text": "one two three"}) * 20
            await raw.send(whole[:after])
            await settle()
            then(raw)
            await settle()

    return foul


async def never_reads(address: str) -> None:
    """Has ten thousand messages said, and reads none of them, nor the answers."""
    async with dialled(address) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await raw.send(HEAD)
        post = said({"do": "post", "id": 1, "text": "x" * 200})
        for _ in range(100):
            # What is not taken off its hands is kept here, and lost when it goes.
            raw.writer.write(post * 100)
            await asyncio.sleep(0)
        async with dialled(address) as reader:
            await reader.opened()
            await reader.send(post)
            await reader.reader.read(100)
        raw.reset()


async def commands_without_end(address: str) -> None:
    """Sends as fast as the server takes it, and reads."""
    async with dialled(address) as raw:
        await raw.opened()
        reading = asyncio.create_task(closed_by_server(raw))
        for number in range(3000):
            await raw.send(said({"do": "dance" if number % 2 else "touch", "id": number}))
        raw.half_close()
        await reading


FOUL: Final[dict[str, Foul]] = {
    "bytes before the request": noise(0),
    "bytes for frames": noise(1),
    "a huge message": sends(frame(TEXT, b"x" * (1 << 21))),
    "the head of a huge frame": sends(frame(TEXT, b"")[:1] + b"\xff" + b"\x7f" * 8),
    "huge in pieces": sends(
        frame(TEXT, b"[" * 9000, last=False), *[frame(0, b"[" * 9000, last=False)] * 300
    ),
    "a command in pieces": sends(
        frame(TEXT, b'{"do":"to', last=False),
        frame(PING, b"meanwhile"),
        frame(0, b'uch","id"', last=False),
        frame(0, b":1}"),
        closes=False,
    ),
    "half a piece": sends(frame(TEXT, b"{", last=False), frame(TEXT, b"{")),
    "bad UTF-8": sends(frame(TEXT, b'{"do":"post","text":"\xff\xfe"}')),
    "surrogates": sends(frame(TEXT, b'{"do":"post","text":"\xed\xa0\x80"}')),
    "no mask": sends(frame(TEXT, b"{}", masked=False)),
    "a reserved opcode": sends(frame(3, b"{}")),
    "a long ping": sends(frame(PING, b"x" * 200)),
    "many pings": sends(*[frame(PING, b"x" * 100)] * 2000, closes=False),
    "pongs nobody asked for": sends(*[frame(PONG, b"")] * 2000, closes=False),
    "a close of one byte": sends(frame(CLOSE, b"x")),
    "a close with a bad code": sends(frame(CLOSE, b"\x00\x01")),
    "commands after the close": sends(
        frame(CLOSE, b"\x03\xe8"), *[said({"do": "touch", "id": 1})] * 50
    ),
    "empty messages": sends(*[frame(TEXT, b""), frame(BINARY, b"")] * 200, closes=False),
    "depth": sends(frame(TEXT, b"[" * 9999), closes=False),
    "ten thousand unread": never_reads,
    "commands without end": commands_without_end,
    **{
        f"{how} {what} after {after}": breaks_off(head, after, then)
        for (what, head), (how, then), after in itertools.product(
            {"a socket": HEAD, "events": EVENTS}.items(),
            {"resets": Raw.reset, "half-closes": Raw.half_close}.items(),
            (0, 10, len(HEAD) - 1, len(HEAD), len(HEAD) + 30, len(HEAD) + 800),
        )
    },
}


# --- those who talk ------------------------------------------------------------------------------


class Talk:
    """Two people in a session of their own, one of whom reads by server-sent events."""

    def __init__(self, house: House, address: str) -> None:
        self._house, self._address = house, address
        self.count = 0
        self.slowest_s = 0.0
        self._going = True

    async def hold(self, opened: asyncio.Event) -> None:
        """Ann says a word, both hear it, and so on, until it is enough."""
        async with (
            connect(
                f"ws://{self._address}/v1/sessions/fair/ws",
                additional_headers={"authorization": "Bearer ann"},
                compression=None,
            ) as ann,
            dialled(self._address) as bob,
        ):
            await bob.opened(EVENTS.replace(b"foul", b"fair").replace(b"r eve", b"r bob"))
            opened.set()
            while self._going:
                word, start = f"word {self.count}", time.monotonic()
                await ann.send(msgspec.json.encode({"do": "post", "text": word}).decode())
                await asyncio.wait_for(
                    asyncio.gather(_socket_hears(ann, word), _stream_hears(bob, word)), WORD_S
                )
                self.count += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - start)

    def enough(self) -> None:
        self._going = False


async def _socket_hears(client: Any, word: str) -> None:
    while word not in words(frames.decode_json(await client.recv())):
        pass


async def _stream_hears(client: Raw, word: str) -> None:
    while True:
        block = (await client.reader.readuntil(b"\n\n")).decode()
        block = block[block.find("id: ") :] if "id: " in block else block
        if word in words([told for _, _, told in events(block)]):
            return


@asynccontextmanager
async def beside_a_talk(h: House) -> AsyncIterator[str]:
    """A server on which two people talk; at the end, nothing of anybody is left there."""
    await h.runtime.create("ann", id="fair")
    await h.runtime.session("fair").join("bob")
    await h.runtime.create("eve", id="foul")
    async with served(h, ws_max_size=MAX_BYTES) as address:
        await settle()
        before, opened = asyncio.all_tasks(), asyncio.Event()
        talk = Talk(h, address)
        talking = asyncio.create_task(talk.hold(opened))
        await opened.wait()
        try:
            yield address
            said_by_then = talk.count
            while talk.count < said_by_then + 3 and not talking.done():
                await asyncio.sleep(0)
        finally:
            talk.enough()
            await talking
        await until(lambda: asyncio.all_tasks() <= before and not len(h.hall.connections))
        connections = h.hall.connections
        assert not connections._users
        assert not connections._sessions


BY_UVICORN: Final = "Invalid UTF-8 sequence received from client."
"""It says so with a traceback, and closes the socket."""


def complaints(lines: Iterable[Any], records: Iterable[logging.LogRecord]) -> list[str]:
    """What was logged as an error."""
    ours = [str(line) for line in lines if line["log_level"] in ("error", "critical")]
    return ours + [each.getMessage() for each in records if each.getMessage() != BY_UVICORN]


def scene_of(foul: Foul, times: int = 1) -> Callable[[], Any]:
    async def scene() -> None:
        async with house(web=LIMITS) as h, beside_a_talk(h) as address:
            await asyncio.gather(*(foul(address) for _ in range(times)))

    return scene


@pytest.mark.parametrize("what", FOUL)
def test_nobody_harms_others(what: str, caplog: pytest.LogCaptureFixture) -> None:
    with logged() as lines, caplog.at_level(logging.ERROR):
        play(scene_of(FOUL[what], 3))

    assert complaints(lines, caplog.records) == []


def test_all_of_them_at_once_harm_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with house(web=LIMITS) as h, beside_a_talk(h) as address:
            await asyncio.gather(*(foul(address) for foul in FOUL.values()))

    with logged() as lines, caplog.at_level(logging.ERROR):
        play(scene, 60.0)

    assert complaints(lines, caplog.records) == []


# --- any bytes for a command ---------------------------------------------------------------------

DOES: Final = [
    *("post", "send", "interrupt", "decide", "join", "present", "act", "acknowledge", "delivered"),
    *(
        "start",
        "pause",
        "resume",
        "touch",
        "phase",
        "visual_start",
        "visual_stop",
        "frame",
        "dance",
    ),
]
VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS: Final = st.sampled_from(
    [
        *("id", "text", "key", "policy", "answer_key", "turn", "decisions", "approval", "name"),
        *("role", "active", "cursor", "focus", "action", "data", "revision", "chars", "phase"),
        *("source", "mime", "width", "height", "timestamp_ms", "frame_seq"),
    ]
)
COMMANDS: Final = st.builds(
    lambda do, fields: {**fields, "do": do},
    st.sampled_from(DOES),
    st.dictionaries(FIELDS, VALUES, max_size=5),
)
EXAMPLES: Final = int(os.environ.get("HOSTILE_EXAMPLES", "60"))


@settings(
    max_examples=EXAMPLES,
    derandomize="HOSTILE_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.binary(max_size=200) | st.text(max_size=200) | COMMANDS, max_size=40))
def test_every_message_is_answered_whatever_it_is(messages: list[Any]) -> None:
    """One answer each, in order, and none is the house's own failure."""

    async def scene() -> None:
        async with house(web=LIMITS) as h:
            await h.runtime.create("ann", id="s1")
            wire = await socket(h.app, "s1", "ann")
            for message in messages:
                match message:
                    case bytes():
                        wire.say({"type": "websocket.receive", "bytes": message})
                    case str():
                        wire.say({"type": "websocket.receive", "text": message})
                    case _:
                        text = msgspec.json.encode(message).decode()
                        wire.say({"type": "websocket.receive", "text": text})
            wire.tell({"do": "touch", "id": "the last of all"})
            await until(lambda: "the last of all" in str(wire.sent[-1]))

            answers = [each for each in wire.told if isinstance(each, frames.Ack | frames.Error)]
            assert len(answers) == len(messages) + 1
            for each in answers:
                if isinstance(each, frames.Error):
                    assert each.problem["status"] < 500, each.problem
            await wire.leave()
            assert len(h.hall.connections) == 0

    play(scene)
