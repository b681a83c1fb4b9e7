"""P8: the same idempotency key twice gives the first answer, once, also across a restart."""

from __future__ import annotations

from typing import Any

from .base import Promise


class TheFirstAnswer(Promise):
    code = "P8"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._first: dict[tuple[str, str], tuple[Any, Any]] = {}

    def folded(self, tale: Any, entry: Any) -> None:
        if entry.done is not None:
            key = entry.done.key
            self.require(tale.keys[key] == 1, f"{tale.state.id}: {key} was done twice")

    def answered(self, asked: Any) -> None:
        if asked.key is None or asked.error is not None or asked.lost:
            return
        tale = self.house.tales.get(asked.session)
        if tale is None or not tale.keys[asked.key]:
            return  # what has changed nothing need not be remembered
        body, told = (asked.call, _written(asked.args)), _token(asked.reply.result())
        first = self._first.setdefault((asked.session, asked.key), (body, told))
        self.require(first[0] == body, f"{asked!r}: {asked.key} was that of {first[0]}")
        self.require(first[1] == told, f"{asked!r} was told {told}, and {first[1]} before")


def _written(args: Any) -> str:
    return repr(sorted(args.items()))


def _token(result: Any) -> Any:
    """What one answer has and no other."""
    for field in ("id", "revision"):
        if hasattr(result, field):
            return getattr(result, field)
    return result
