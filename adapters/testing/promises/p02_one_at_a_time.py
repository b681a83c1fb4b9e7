"""P2: one command at a time per session."""

from __future__ import annotations

from typing import Any

from .base import Promise


class OneAtATime(Promise):
    code = "P2"

    def scheduled_twice(self, box: Any) -> None:
        self.require(False, f"{box!r} stands in line twice: two threads could run it")
