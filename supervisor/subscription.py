"""A reader's end of a subscription."""

from __future__ import annotations

from ..actors.kernel.reply import Reply
from ..actors.session.items import Item
from ..actors.sinks import IteratorSink
from ..actors.subscriber import SubscriberActor
from .pulled import Pulled


class Subscription(Pulled[Item]):
    """Items of one session's live log.

    Ends with the session, or with the user's membership; raises what refused or broke it.
    """

    def __init__(self, reader: Reply[SubscriberActor], sink: IteratorSink) -> None:
        super().__init__(sink)
        self._reader = reader
        self._sink = sink
        # A refused subscription ends for whoever is pulling already.
        reader.on_done(self._on_answer)

    def close(self) -> None:
        self._reader.on_done(_close)

    def _on_answer(self, reader: Reply[SubscriberActor]) -> None:
        if isinstance(reader.error, Exception):
            self._sink.close(reader.error)


def _close(reader: Reply[SubscriberActor]) -> None:
    if reader.error is None:
        reader.result().close()
