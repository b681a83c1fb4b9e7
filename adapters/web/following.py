"""Whoever wants to know which request asked for which turn, such as what makes traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId


class Follow(Protocol):
    """Called for each request that asks for a turn, before that is answered."""

    def __call__(self, session: SessionId, sent: Reply[Any], headers: Mapping[str, str]) -> None:
        """`sent` will be answered with the turn; `headers` are the request's. Raises nothing."""
        ...
