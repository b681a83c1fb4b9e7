"""P13: at most `max_restarts` restarts in any closed window of `window_s`, per session."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .base import Promise


class RestartsAreBounded(Promise):
    code = "P13"

    def __init__(self, house: Any) -> None:
        super().__init__(house)
        self._times: dict[tuple[int, str], list[float]] = defaultdict(list)

    def logged(self, line: Any) -> None:
        if line["event"] != "session_restarts" or not self.house.process.alone:
            return
        process, name, now = self.house.process, line["session"], self.house.clock.now_s
        times = self._times[process.number, name]
        times.append(now)
        config = process.runtime.config
        recent = [time for time in times if time >= now - config.restart_window_s]
        within = len(recent) <= config.max_restarts
        self.require(within, f"{name} was started again at {recent}")
