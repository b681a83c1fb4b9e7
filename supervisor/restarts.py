"""When a crashed session is started again, and when no more."""

from __future__ import annotations

import msgspec

from ..actors.ports import SessionId


class RestartWindow(msgspec.Struct, frozen=True, gc=False):
    """At most `limit` restarts in any closed window of `window_s` seconds (OTP's rule).

    `times` are monotonic seconds, oldest first. Source: erlang/otp supervisor.erl, add_restart/3.
    """

    limit: int
    window_s: float
    times: tuple[float, ...] = ()

    def admit(self, now: float) -> tuple[bool, RestartWindow]:
        """Count a restart at `now`; False means park the session instead."""
        kept = (*(time for time in self.times if time >= now - self.window_s), now)
        return len(kept) <= self.limit, RestartWindow(self.limit, self.window_s, kept)


class Restarts:
    """The windows of all sessions that have crashed lately, those included that have left since.

    A session that is passivated between two crashes is the same session (promise P13).
    """

    def __init__(self, limit: int, window_s: float) -> None:
        self._new = RestartWindow(limit, window_s)
        self._windows: dict[SessionId, RestartWindow] = {}  # the latest crash last

    def __len__(self) -> int:
        return len(self._windows)

    def admit(self, session: SessionId, now: float) -> tuple[bool, int]:
        """Count a restart at `now`: whether it is allowed, and how many its window has with it."""
        allowed, window = self._windows.pop(session, self._new).admit(now)
        self._windows[session] = window
        self._forget(now - window.window_s)
        return allowed, len(window.times)

    def count(self, session: SessionId, now: float) -> int:
        """How many restarts there were in the window that ends at `now`."""
        window = self._windows.get(session, self._new)
        return sum(time >= now - window.window_s for time in window.times)

    def clear(self, session: SessionId) -> None:
        """Count its restarts from none."""
        self._windows.pop(session, None)

    def _forget(self, before_s: float) -> None:
        while (oldest := next(iter(self._windows))) and self._last(oldest) < before_s:
            del self._windows[oldest]

    def _last(self, session: SessionId) -> float:
        return self._windows[session].times[-1]


def delay_s(
    restarts: int, *, first_s: float, most_s: float, jitter: float = 0.0, drawn: float = 0.0
) -> float:
    """How long to wait before the `restarts`-th restart in a window: doubling, and spread.

    Never less than `first_s`, nor more than `most_s`. Up to the fraction `jitter` is added, as
    `drawn` from [0, 1) says, so that sessions that crash together are not started together; also
    when the wait has come to `most_s`: for that it stops growing a little short of it.
    """
    doubled_s = first_s * 2.0 ** min(restarts - 1, 1000)  # 2.0 ** 1024 overflows
    least_s = max(min(doubled_s, most_s / (1.0 + jitter)), first_s)
    return min(least_s * (1.0 + jitter * drawn), most_s)
