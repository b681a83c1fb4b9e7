"""Stored sessions, messages and interactions, read back from the layout of `record_wire.py`.

What older and newer writers have left is taken: what is missing gets its default (spec S09), and
what is unknown is kept (SX4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..errors import InvalidInput
from .record_wire import StoredInteraction, StoredMessage, StoredSession
from .records import COUNTED, LANGUAGE
from .values import MAX_TIME_MS, plain, text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_MIN_TIME_MS: Final = -62_135_596_800_000
"""The first millisecond of the year 1."""

_MAX_COUNT: Final = 2**53
"""Of one feedback counter: what every reader of JSON can tell exactly, and a row can sum up."""


def read_message(wire: Any, field: str = "message") -> StoredMessage:
    """A message; role and content must be there. Raises InvalidInput, naming the field."""
    fields = _Fields(wire, field)
    return StoredMessage(
        role=fields.text("role"),
        content=fields.text("content"),
        at_ms=fields.time("timestamp"),
        language=fields.text("language", LANGUAGE),
        unknown=fields.unknown(),
    )


def read_interaction(wire: Any, field: str = "interaction") -> StoredInteraction:
    """An interaction; action_type must be there. Raises InvalidInput, naming the field."""
    fields = _Fields(wire, field)
    return StoredInteraction(
        action_type=fields.text("action_type"),
        at_ms=fields.time("timestamp"),
        node_id=fields.maybe("node_id"),
        content=fields.maybe("content"),
        feedback=fields.maybe("feedback"),
        metadata=fields.mapping("metadata"),
        unknown=fields.unknown(),
    )


def read_session(wire: Any) -> StoredSession:
    """A session; only session_id must be there (spec S09). Raises InvalidInput, naming the field.

    Its counters are those that were stored, and 0 for those that were not; whatever stood beside
    the three is kept as it was.
    """
    fields = _Fields(wire, "session")
    return StoredSession(
        session_id=fields.text("session_id"),
        created_ms=fields.time("created_at"),
        updated_ms=fields.time("updated_at"),
        language=fields.text("language", LANGUAGE),
        messages=fields.each("chat_history", read_message),
        interactions=fields.each("interactions", read_interaction),
        graph_state=fields.any("graph_state"),
        metadata=fields.mapping("metadata"),
        feedback=fields.counters("feedback_summary"),
        unknown=fields.unknown(),
    )


def ms_of(timestamp: Any, field: str) -> int:
    """ISO 8601 as UTC milliseconds; one without an offset is read as UTC (spec SX15, SX16).

    What is finer than a millisecond is cut off. Raises InvalidInput.
    """
    limit = "ISO 8601, as 2024-05-17T09:30:00+00:00, of the years 1 to 9999 in UTC"
    if type(timestamp) is not str:
        raise InvalidInput(field, timestamp, limit)
    try:
        at = datetime.fromisoformat(timestamp)
    except ValueError:
        raise InvalidInput(field, timestamp[:60], limit) from None
    known = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    at_ms = (known - _EPOCH) // timedelta(milliseconds=1)
    if not _MIN_TIME_MS <= at_ms <= MAX_TIME_MS:  # its offset takes it out of the calendar
        raise InvalidInput(field, timestamp[:60], limit)
    return at_ms


class _Fields:
    """The fields of one stored object, taken one by one; what is left is unknown."""

    def __init__(self, wire: Any, field: str) -> None:
        if not isinstance(wire, Mapping):
            raise InvalidInput(field, type(wire).__name__, "an object")
        self._left: dict[str, Any] = dict(wire)
        self._field = field

    def text(self, name: str, default: str | None = None) -> str:
        return text(self._left.pop(name, default), f"{self._field}.{name}")

    def maybe(self, name: str) -> str | None:
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.text(name)

    def time(self, name: str) -> int:
        if name not in self._left:
            return 0
        return ms_of(self._left.pop(name), f"{self._field}.{name}")

    def any(self, name: str) -> Any:
        return plain(self._left.pop(name, None), f"{self._field}.{name}")

    def mapping(self, name: str) -> dict[str, Any]:
        value = self.any(name)
        if value is None:
            return {}
        if type(value) is not dict:
            raise self._bad(name, value, "an object")
        return value

    def each(self, name: str, read: Callable[[Any, str], Any]) -> tuple[Any, ...]:
        value = self._left.pop(name, [])
        if type(value) is not list:
            raise self._bad(name, value, "a list")
        path = f"{self._field}.{name}"
        return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))

    def counters(self, name: str) -> dict[str, Any]:
        counted = dict.fromkeys(COUNTED, 0) | self.mapping(name)
        for key in COUNTED:
            value = counted[key]
            if type(value) is not int or not 0 <= value <= _MAX_COUNT:
                raise self._bad(f"{name}.{key}", value, f"a number from 0 to {_MAX_COUNT}")
        return counted

    def unknown(self) -> dict[str, Any]:
        """What nobody has taken."""
        return {
            text(name, f"a key of {self._field}"): plain(value, f"{self._field}.{name}")
            for name, value in self._left.items()
        }

    def _bad(self, name: str, value: Any, limit: str) -> InvalidInput:
        shown = value if isinstance(value, int | float) else type(value).__name__
        return InvalidInput(f"{self._field}.{name}", shown, limit)
