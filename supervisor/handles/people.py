"""The handle's part on a session's life and people."""

from __future__ import annotations

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.answers import JoinReceipt, Receipt
from ...actors.session.commands import (
    Approve,
    Deny,
    End,
    Join,
    Leave,
    Pause,
    Resume,
    Start,
    TransferHost,
)
from ...actors.session.events import PresenceChanged
from ...actors.session.messages import Present, SetToken
from ...actors.session.secret import Secret
from .base import Handle


def token_of(token: Secret) -> Secret:
    """`token`, which is a Secret. Raises InvalidInput, which does not show it."""
    if not isinstance(token, Secret):
        raise InvalidInput("token", type(token).__name__, "a Secret")
    return token


class People(Handle):
    """Who takes part, and whether the session is open."""

    __slots__ = ()

    # --- life ---

    def start(self, user: UserId) -> Reply[Receipt]:
        """Open a created session for messages. Refused: NotHost, WrongState."""
        return self._ask(Start(by=values.name(user, "user")))

    def pause(self, user: UserId) -> Reply[Receipt]:
        """Take no messages for a while; queued turns wait. Refused: NotHost, WrongState."""
        return self._ask(Pause(by=values.name(user, "user")))

    def resume(self, user: UserId) -> Reply[Receipt]:
        """Take messages again. Refused: NotHost, WrongState."""
        return self._ask(Resume(by=values.name(user, "user")))

    def end(self, user: UserId) -> Reply[Receipt]:
        """End the session for good; its turns are cancelled, its readers see the end.

        Ending an ended session changes nothing. Refused: NotHost.
        """
        return self._ask(End(by=values.name(user, "user")))

    def set_token(self, user: UserId, token: Secret) -> Reply[None]:
        """Give the session a token in the place of the one it has, for its resources to use.

        It is in the memory of the process alone, while the session lives: after a restart of the
        process there is none until it is set again. Resources that are open see it when they look
        at `opening.token` next. Refused: NotHost, SessionEnded.
        """
        return self._ask(SetToken(values.name(user, "user"), token_of(token)))

    # --- people ---

    def join(
        self,
        user: UserId,
        *,
        name: str | None = None,
        role: str = "participant",
        key: str | None = None,
    ) -> Reply[JoinReceipt]:
        """Come in, or ask to, if the session needs approval; the receipt tells which.

        `role` is `participant`, `observer` (may only read), or one the session defines. Joining
        again changes nothing. Refused: SessionEnded, BadRole, JoinClosed, SessionFull.
        """
        user = values.name(user, "user")
        shown = user if name is None else values.name(name, "name")
        return self._do(Join(user=user, name=shown, role=values.name(role, "role")), key)

    def approve(self, host: UserId, user: UserId) -> Reply[Receipt]:
        """Let in a user who has asked. Refused: NotHost, NotPending, SessionFull, SessionEnded."""
        return self._ask(Approve(by=values.name(host, "host"), user=values.name(user, "user")))

    def deny(self, host: UserId, user: UserId) -> Reply[Receipt]:
        """Turn down a user who has asked. Refused: NotHost, NotPending, SessionEnded."""
        return self._ask(Deny(by=values.name(host, "host"), user=values.name(user, "user")))

    def transfer_host(self, host: UserId, to: UserId) -> Reply[Receipt]:
        """Hand the session over to another participant. Refused: NotHost, NotMember, SessionEnded.

        The former host stays, as a participant.
        """
        return self._ask(TransferHost(by=values.name(host, "host"), to=values.name(to, "to")))

    def present(
        self,
        user: UserId,
        *,
        active: bool = True,
        cursor: str | None = None,
        focus: str | None = None,
    ) -> None:
        """Tell the others where `user` is just now; a burst is published as its newest.

        Presence is never journaled, wakes no session and keeps none awake; of somebody who is no
        participant it is ignored.
        """
        presence = PresenceChanged(
            user=values.name(user, "user"),
            active=bool(active),
            cursor=None if cursor is None else values.text(cursor, "cursor", 1024),
            focus=None if focus is None else values.text(focus, "focus", 1024),
        )
        self._runtime.tell_resident(self.id, Present(presence))

    def leave(self, user: UserId) -> Reply[Receipt]:
        """Go. A host hands over to the participant who joined first; the last one out ends it.

        The user's subscriptions end with this. Refused: NotMember.
        """
        return self._ask(Leave(user=values.name(user, "user")))
