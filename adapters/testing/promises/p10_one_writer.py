"""P10: at most one activation can append: an older epoch is fenced out."""

from __future__ import annotations

from typing import Any

from .base import Promise


class OneWriter(Promise):
    code = "P10"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._owners: dict[str, int] = {}

    def claimed(self, session: str, epoch: int) -> None:
        before = self._owners.get(session, 0)
        self.require(epoch > before, f"{session}: epoch {epoch} was claimed after {before}")
        self._owners[session] = epoch

    def written(self, session: str, epoch: int) -> None:
        owner = self._owners.get(session, 0)
        self.require(epoch == owner, f"{session}: epoch {epoch} has written, {owner} owns it")
