"""P7: nobody hears of an event that a crash can take back."""

from __future__ import annotations

from typing import Any

from ....actors.session.ephemera import TextStreamed
from ....actors.session.events import DURABLE
from .base import Promise


class CommitFirst(Promise):
    code = "P7"

    def published(self, session: str, item: Any) -> None:
        tale, event = self.house.tales[session], item.event
        if type(event) in DURABLE:
            known = len(tale.events) >= item.revision and tale.events[item.revision - 1] == event
            self.require(known, f"{session}: {event!r} is published, and not durable")
        elif isinstance(event, TextStreamed):
            lanes = tale.lanes
            heard = item.revision < len(lanes) and lanes[item.revision] == (event.turn, True)
            self.require(heard, f"{session}: {event!r} is of a turn that nobody hears any more")

    def answered(self, asked: Any) -> None:
        if asked.error is not None or asked.lost:
            return
        tale = self.house.tales.get(asked.session)
        if asked.text is not None:
            done = tale is not None and tale.texts[asked.text] == 1
            self.require(done, f"{asked!r} was acknowledged, and is not durable")
        revision = getattr(asked.reply.result(), "revision", None)
        if isinstance(revision, int) and asked.call not in ("info", "snapshot"):
            durable = tale is not None and revision <= len(tale.events)
            self.require(durable, f"{asked!r} was acknowledged at {revision}, and is not durable")
