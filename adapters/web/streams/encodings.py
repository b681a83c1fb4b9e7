"""Each event encoded once, for all who read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ....actors.session.items import Item
from .frames import encode_json, encode_msgpack, frame, kind

MOST_ITEMS: Final = 4096
MOST_BYTES: Final = 4 << 20


class Encoded:
    """One item, and what has been made of it so far."""

    __slots__ = ("alone", "chunk", "item", "pack", "text")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.text: str | None = None
        self.pack: bytes | None = None
        self.chunk: bytes | None = None
        self.alone: Mapping[str, Any] | None = None


class Encodings:
    """What items look like on the wire, as text, msgpack, and server-sent event.

    An item is one object for all its readers, and is known by that: while it is kept here no other
    object can have its id. Kept are at least the last `MOST_ITEMS` (or as many as take
    `MOST_BYTES`), and at most twice that: of two generations, the older one goes when the younger
    one is full. What is asked for after that is made again. A look-up takes 0.3 us, and encoding
    an event 5.
    """

    def __init__(self) -> None:
        self.made = 0
        """How often an item was encoded."""
        self._young: dict[int, Encoded] = {}
        self._old: dict[int, Encoded] = {}
        self._bytes = 0

    def text(self, item: Item) -> str:
        """JSON, of a WebSocket frame and of a server-sent event's data."""
        encoded = self._encoded(item)
        text = encoded.text
        if text is None:
            data = encode_json(frame(item))
            text = encoded.text = data.decode()
            self._count(len(data))
        return text

    def pack(self, item: Item) -> bytes:
        """msgpack, of a WebSocket frame."""
        encoded = self._encoded(item)
        pack = encoded.pack
        if pack is None:
            pack = encoded.pack = encode_msgpack(frame(item))
            self._count(len(pack))
        return pack

    def chunk(self, item: Item) -> bytes:
        """A server-sent event."""
        encoded = self._encoded(item)
        chunk = encoded.chunk
        if chunk is None:
            head = f"id: {item.cursor}\nevent: {kind(item)}\ndata: "
            chunk = encoded.chunk = f"{head}{self.text(item)}\n\n".encode()
            self._bytes += len(chunk)
        return chunk

    def alone(self, item: Item) -> Mapping[str, Any]:
        """The ASGI message of a WebSocket in JSON with nothing else in it; nobody may change it."""
        encoded = self._encoded(item)
        alone = encoded.alone
        if alone is None:
            text = f"[{self.text(item)}]"
            alone = encoded.alone = {"type": "websocket.send", "text": text}
            self._bytes += len(text)
        return alone

    def _encoded(self, item: Item) -> Encoded:
        key = id(item)
        encoded = self._young.get(key) or self._old.get(key)
        if encoded is None:
            if len(self._young) >= MOST_ITEMS or self._bytes >= MOST_BYTES:
                self._old, self._young, self._bytes = self._young, {}, 0
            encoded = self._young[key] = Encoded(item)
        return encoded

    def _count(self, size: int) -> None:
        self.made += 1
        self._bytes += size
