"""The commit of a write that is done when its call returns."""

from __future__ import annotations

from collections.abc import Callable

from ...actors.kernel.reply import Reply
from ...actors.ports import Commit


class Written(Reply[int]):
    """A `Commit` that has its value from the beginning.

    Made in 0.2 us; a reply that is made and then set takes 0.4, and a post in memory 10 in all.
    """

    _dispatcher = None
    _soon = False
    _to = None
    _done = True
    _error = None

    def __init__(self, value: int) -> None:
        self._value = value

    def on_done(self, callback: Callable[[Commit], None]) -> None:
        self._callbacks = [callback]
        self._run_callbacks()
