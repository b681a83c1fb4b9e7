"""The handle's part on keeping a session on stage for a while, though nobody talks to it."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from ...actors.errors import InvalidInput, RuntimeClosed
from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId, UserId
from ...actors.session import values
from ...actors.session.messages import KeepAwake
from ...actors.session.pins import Scope
from .base import Handle
from .host import Host


class KeptAwake:
    """A scope of `Session.keep_awake`: `async with` on the loop, `with` on any other thread.

    It may be entered again when it was left. Leaving it twice is harmless.
    """

    __slots__ = ("_max_s", "_reason", "_runtime", "_scope", "_session", "_user")

    def __init__(
        self, runtime: Host, session: SessionId, user: UserId | None, reason: str, max_s: float
    ) -> None:
        self._runtime, self._session, self._user = runtime, session, user
        self._reason, self._max_s = reason, max_s
        self._scope: Scope | None = None

    async def __aenter__(self) -> None:
        entering = self._enter()
        try:
            await entering
        except BaseException:  # also one who was cancelled: it would begin with nobody in it
            self._leave()
            raise

    def __enter__(self) -> None:
        entering = self._enter()
        try:
            entering.get()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def _enter(self) -> Reply[None]:
        self._leave()
        scope = self._scope = Scope(self._reason, self._max_s)
        return self._runtime.ask(self._session, KeepAwake(self._user, scope))

    def _leave(self) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.left = True  # first: a session that has not heard of it yet looks at this
            with suppress(RuntimeClosed):
                self._runtime.let_sleep(self._session, scope)


class Awake(Handle):
    """How a session is kept on stage."""

    __slots__ = ()

    def keep_awake(
        self, user: UserId | None = None, *, reason: str, max_s: float | None = None
    ) -> KeptAwake:
        """A scope: while it is open the session is not passivated as idle, or to make room.

            async with session.keep_awake("ann", reason="a call is being put through"):

        Entering brings the session on stage, if it is not there, and is activity; leaving is none,
        so that a session idle for long enough goes at once. The scope ends by itself after `max_s`
        seconds (without it, and at most, `keep_awake_max_s` of the config): then the session may
        leave as if nobody was in it, which is counted and logged (`PassivationReason.PIN_LIMIT`).
        `reason` is shown to who asks why the session is on stage. Without `user` nobody takes a
        part in it: the program itself wants it.

        Several scopes of one session are independent. They are in memory only: a process that
        ends forgets them. A session that is forced to leave or crashes, or whose runtime stops,
        does so; when it is back in the same process, scopes that are open keep it again.

        Raises InvalidInput. Entering refuses with NotMember, and with whatever waking may.
        """
        most_s = self._runtime.config.keep_awake_max_s
        if max_s is None:
            max_s = most_s
        elif type(max_s) not in (int, float) or not 0 < max_s <= most_s:
            limit = f"greater than 0, and at most keep_awake_max_s ({most_s:g})"
            raise InvalidInput("max_s", max_s, limit)
        member = None if user is None else values.name(user, "user")
        why = values.name(reason, "reason")
        return KeptAwake(self._runtime, self.id, member, why, float(max_s))
