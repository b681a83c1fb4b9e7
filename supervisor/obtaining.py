"""Having a session: the one there is, or else a new one, in one step for all who ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..actors.errors import CapacityError, GreenroomError, NotMember, SessionExists, SessionNotFound
from ..actors.kernel.reply import Reply
from ..actors.ports import SessionId, UserId
from ..actors.session.info import SessionInfo

Look: TypeAlias = Callable[[], Reply[SessionInfo]]
"""Asks the session that there is; if it is just being made, when it is there."""

Make: TypeAlias = Callable[[], Reply[Any]]


class Obtaining:
    """One attempt of `user` to have session `session`, answered in `reply`.

    Looking and making are two steps, but no two callers can make a session of one id: who comes
    second is refused, and looks again. The session that he finds is there, or comes by the message
    that he waits with (spec S13, SX13). It is given to `user` if he owns it or takes part in it,
    or if he has access `everywhere`.
    """

    def __init__(
        self,
        session: SessionId,
        user: UserId,
        *,
        everywhere: bool,
        look: Look,
        make: Make,
        reply: Reply[Any],
    ) -> None:
        self._session, self._user, self._everywhere = session, user, everywhere
        self._look, self._make, self._reply = look, make, reply

    def begin(self) -> None:
        self._do(self._look, self._on_found)

    def _on_found(self, done: Reply[SessionInfo]) -> None:
        if isinstance(done.error, SessionNotFound):
            self._do(self._make, self._on_made)
        else:
            self._hand_out(done)

    def _on_made(self, done: Reply[Any]) -> None:
        """In a full house who comes second is told that it is full before that the id is taken."""
        if isinstance(done.error, SessionExists | CapacityError):
            refusal = done.error
            self._do(self._look, lambda found: self._on_found_taken(found, refusal))
        elif done.error is not None:
            self._reply.set_error(done.error)
        else:
            self._reply.set(self._session)

    def _on_found_taken(self, done: Reply[SessionInfo], refusal: GreenroomError) -> None:
        if isinstance(done.error, SessionNotFound):
            self._reply.set_error(refusal)  # it was deleted, or could not be made
        else:
            self._hand_out(done)

    def _hand_out(self, done: Reply[SessionInfo]) -> None:
        if done.error is not None:
            self._reply.set_error(done.error)
            return
        info = done.result()
        if self._everywhere or self._user == info.owner or self._user in info.participants:
            self._reply.set(self._session)
        else:
            self._reply.set_error(NotMember(self._session, self._user))

    def _do(self, ask: Callable[[], Reply[Any]], then: Callable[[Reply[Any]], None]) -> None:
        """Ask, and go on when there is an answer: at once, or on the thread that answers."""
        try:
            asked = ask()
        except GreenroomError as error:
            self._reply.set_error(error)
        else:
            asked.on_done(then)
