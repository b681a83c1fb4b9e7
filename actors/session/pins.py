"""What keeps sessions on stage beside their own work: scopes that are open, and readers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from ..ports import SessionId

NEVER_S: Final = float("-inf")


class PinKind(StrEnum):
    """What keeps a session on stage."""

    RUNNING_TURN = "running_turn"
    """A turn runs; the limits of turns end it. One that is suspended for approval pins nothing."""

    QUEUED_TURN = "queued_turn"
    """A turn waits that will run as soon as it may."""

    PIPELINE = "pipeline"
    """A pipeline that was stopped has not done so yet."""

    MAIL = "mail"
    """A command waits to be handled."""

    COMMIT = "commit"
    """Something that was decided is not durable yet."""

    KEEP_AWAKE = "keep_awake"
    """A scope of `session.keep_awake` is open: until its time is over, or it is left."""

    SUBSCRIBER = "subscriber"
    """Somebody reads its events, and the config says that this counts."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a session on stage. Times are UTC milliseconds.

    `reason` is what a scope was opened for. `until_ms` is when it keeps the session no longer,
    whatever happens; in the past, if it does so no more. None: not known, or not limited by itself.
    """

    kind: PinKind
    reason: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    count: int = 1


class Scope:
    """One time that somebody keeps a session awake. `left` may be set on any thread, for good."""

    __slots__ = ("left", "max_s", "reason", "since_s", "until_s")

    def __init__(self, reason: str, max_s: float) -> None:
        self.reason = reason
        self.max_s = max_s
        self.left = False
        self.since_s = self.until_s = NEVER_S  # in monotonic seconds, when it has begun


class Pins:
    """The open scopes of all sessions of a runtime, in memory only; times are monotonic seconds.

    A scope is its session's, not an activation's: a session that was forced to leave, or crashes,
    has it still when it is back. Belongs to the dispatcher's thread.
    """

    def __init__(self, subscriber_s: float) -> None:
        self.subscriber_s = subscriber_s
        self._scopes: dict[SessionId, list[Scope]] = {}

    def open(self, session: SessionId, scope: Scope, now_s: float) -> None:
        """Let `scope` begin, unless it was left already while it waited to."""
        if not scope.left:
            scope.since_s, scope.until_s = now_s, now_s + scope.max_s
            self._scopes.setdefault(session, []).append(scope)

    def close(self, session: SessionId, scope: Scope) -> None:
        """It is left; harmless if it never began, or is gone."""
        scopes = self._scopes.get(session)
        if scopes is None or scope not in scopes:
            return
        scopes.remove(scope)
        if not scopes:
            del self._scopes[session]

    def forget(self, session: SessionId) -> None:
        """There is no such session any more."""
        self._scopes.pop(session, None)

    def scopes(self, session: SessionId) -> Sequence[Scope]:
        """Those that are open, whether or not their time is over."""
        return self._scopes.get(session, ())

    def until_s(self, session: SessionId, read_since_s: float | None) -> float:
        """Until when the session is kept awake; `NEVER_S`: it is not.

        `read_since_s` is its last activity, if somebody reads it.
        """
        until_s = NEVER_S
        if self._scopes:
            until_s = max((scope.until_s for scope in self.scopes(session)), default=NEVER_S)
        if read_since_s is not None and self.subscriber_s:
            until_s = max(until_s, read_since_s + self.subscriber_s)
        return until_s
