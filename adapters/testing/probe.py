"""What a reader of a session has seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...actors.session.events import MessagePosted
from ...actors.session.items import Gap, Item, Published
from .gate import Gate

T = TypeVar("T")


class Probe:
    """Notes what a session publishes. Given to `Session.subscribe` as its callback.

    With a `gate` it is a slow reader: each item waits there before the next one comes.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self.items: list[Item] = []
        self.closed = False
        self.error: Exception | None = None
        self._gate = gate

    def __call__(self, item: Item) -> Any:
        self.items.append(item)
        return None if self._gate is None else self._gate.passed()

    def on_close(self, error: Exception | None) -> None:
        """Nothing more comes."""
        self.closed, self.error = True, error

    @property
    def events(self) -> list[Any]:
        """What has happened, in order, without gaps."""
        return [item.event for item in self.items if isinstance(item, Published)]

    @property
    def gaps(self) -> list[Gap]:
        """Every loss that was announced."""
        return [item for item in self.items if isinstance(item, Gap)]

    @property
    def texts(self) -> list[str]:
        """What was said durably, in order."""
        return [event.message.text for event in self.of(MessagePosted)]

    @property
    def cursor(self) -> str | None:
        """Where to go on from after the last item; None before the first."""
        return self.items[-1].cursor if self.items else None

    def of(self, kind: Callable[..., T]) -> list[T]:
        """The events of one kind, in order."""
        return [event for event in self.events if type(event) is kind]
