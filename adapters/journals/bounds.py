"""What every journal refuses in the same way: sizes, page limits, and rows no store can hold."""

from __future__ import annotations

from typing import Final

from ...actors.errors import InvalidInput
from ...actors.ports import IndexRow, SessionQuery

MAX_BYTES: Final = 16 << 20
"""Bytes of the events of one append together, and of one genesis."""

MAX_STATE_BYTES: Final = 64 << 20
"""Bytes of one snapshot."""

MAX_EVENTS: Final = 10_000
"""Events in one page of `read`."""

MAX_ROWS: Final = 1_000
"""Sessions in one page of `list`."""

_INT64: Final = 1 << 63
_NUMBERS: Final = (
    *("created_ms", "updated_ms", "participants", "messages", "turns", "events"),
    *("interactions", "feedback", "wake_ms"),
)


def check_page(after: int, limit: int) -> None:
    """Refuse a page of events that no journal serves."""
    if not 0 <= after < _INT64:
        raise InvalidInput("after", after, "a revision, 0 or more")
    if not 1 <= limit <= MAX_EVENTS:
        raise InvalidInput("limit", limit, f"between 1 and {MAX_EVENTS}")


def check_query(query: SessionQuery) -> None:
    """Refuse a page of sessions that no journal serves."""
    if not 1 <= query.limit <= MAX_ROWS:
        raise InvalidInput("limit", query.limit, f"between 1 and {MAX_ROWS}")


def check_step(bound: int, limit: int, name: str = "before_ms") -> None:
    """Refuse a step of retention that no journal takes; `name` is that of its `bound`."""
    if not -_INT64 <= bound < _INT64:
        raise InvalidInput(name, bound, "a 64-bit number")
    if not 1 <= limit <= MAX_ROWS:
        raise InvalidInput("limit", limit, f"between 1 and {MAX_ROWS}")


def check_row(row: IndexRow) -> None:
    """Refuse a row that a store cannot hold: text that is no UTF-8, numbers beyond 64 bits."""
    # Nearly every row passes here, in 0.3 us; field by field it takes 1.3. Numbers of which none is
    # negative or too large make none that is.
    numbers = (
        row.created_ms
        | row.updated_ms
        | row.participants
        | row.messages
        | row.turns
        | row.events
        | row.interactions
        | row.feedback
        | row.wake_ms
    )
    texts = f"{row.id}{row.owner}{row.name}{row.state}{row.title}{row.language}"
    if not (0 <= numbers < _INT64 and texts.isascii()):
        _check_fields(row)


def _check_fields(row: IndexRow) -> None:
    for name in ("id", "owner", "name", "state", "title", "language"):
        text = getattr(row, name)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(name, text, "text without lone surrogates") from None
    for name in _NUMBERS:
        number = getattr(row, name)
        if not -_INT64 <= number < _INT64:
            raise InvalidInput(name, number, "a 64-bit number")
