"""A session as its journal tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ....actors.session.entry import Entry
from ....actors.session.events import Durable
from ....actors.session.fold import fold
from ....actors.session.state import State, decode_genesis, encode_state


class Tale:
    """The journal of one session, folded as far as that was read.

    It trusts nobody but the journal: not the actor, not its snapshots. `record` is what a memory
    journal keeps of the session.
    """

    def __init__(self, record: Any) -> None:
        self.record = record
        self.state = State.at_creation(decode_genesis(record.genesis))
        self.events: list[Durable] = []
        self.at: list[bytes] = [encode_state(self.state)]
        self.lanes: list[tuple[int | None, bool]] = [(None, False)]  # who runs, and is heard
        self.texts: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()

    @property
    def deleted(self) -> bool:
        """Whether nobody will find it again."""
        return bool(self.record.deleted)

    @property
    def running(self) -> int | None:
        """The turn that runs, or is suspended."""
        return self.lanes[-1][0]

    def unread(self) -> Iterator[bytes]:
        """What was journaled since; each is to be folded before the next."""
        yield from self.record.events[len(self.events) :]

    def fold(self, entry: Entry, body: bytes) -> None:
        """Take the next one."""
        fold(self.state, [body])
        event, state = entry.event, self.state
        self.events.append(event)
        self.at.append(encode_state(state))
        running = state.running
        heard = running is not None and state.approval is None and running.kind != "compaction"
        self.lanes.append((None if running is None else running.turn, heard))
        if (text := text_of_user(event)) is not None:
            self.texts[text] += 1
        if entry.done is not None:
            self.keys[entry.done.key] += 1


def text_of_user(event: Any) -> str | None:
    """What a person has said with this event, if it is of that kind."""
    message = getattr(event, "message", None)
    return message.text if message is not None and message.role == "user" else None
