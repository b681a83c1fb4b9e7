"""What stands for the oldest events of a session once they are no longer kept."""

from __future__ import annotations

import msgspec

from .entry import Entry
from .state import State


class Base(msgspec.Struct, frozen=True, array_like=True):
    """The fold of all events up to some revision, and the interactions among them.

    What people did with a session is worth keeping (spec S05), and no state holds it.
    """

    state: State
    interactions: list[Entry] = []


encode_base = msgspec.msgpack.Encoder().encode
decode_base = msgspec.msgpack.Decoder(Base).decode
