"""A durable event as the journal keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import InvalidInput, text_of
from .events import Durable


class Done(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """That a command with an idempotency key was done: its key, a digest of it, its answer."""

    key: str
    digest: bytes
    answer: bytes


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A durable event as the journal keeps it: when (UTC milliseconds), and what.

    The first event of a command with an idempotency key also keeps what makes its retry safe, and
    a request for approval what its pipeline has `saved`: that is nobody else's to read.
    """

    at_ms: int
    event: Durable
    done: Done | None = None
    saved: Any = None


encode_entry = msgspec.msgpack.Encoder().encode
decode_entry = msgspec.msgpack.Decoder(Entry).decode


def encoded(events: Sequence[Durable], at_ms: int) -> list[bytes]:
    """The entries of `events`, made before the state changes: what cannot be encoded leaves nothing
    behind. Raises InvalidInput."""
    try:
        return [encode_entry(Entry(at_ms, event)) for event in events]
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("event", text_of(error), "encodable") from error
