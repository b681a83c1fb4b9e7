"""The handle's part on the end of a session in order, and on its deletion."""

from __future__ import annotations

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.answers import Receipt
from ...actors.session.commands import Close, Delete
from .base import Handle

GRACE_S = 5.0
"""What a running turn has to finish in, unless it is given more or less (spec A16)."""


class Ending(Handle):
    """How a session is brought to its end."""

    __slots__ = ()

    def shutdown(self, user: UserId, grace_s: float = GRACE_S) -> Reply[Receipt]:
        """Take no more messages, and end the session when its running turn has ended.

        The reply comes at once: it is accepted, durably. Queued turns are cancelled, and so is the
        running one (its cause is `ended`) when it takes longer than `grace_s` seconds; without one
        the session ends now. A turn suspended for an approval is cancelled like a queued one. If a
        crash comes in between, the session ends when it is next on stage. Shutting down twice, or
        what has ended, changes nothing. Refused: NotHost.
        """
        if type(grace_s) not in (int, float) or not 0 <= grace_s < float("inf"):
            raise InvalidInput("grace_s", grace_s, "finite and not negative")
        return self._ask(Close(by=values.name(user, "user"), grace_s=float(grace_s)))

    def delete(self, user: UserId, archive: bool = True) -> Reply[bool]:
        """End the session and hide it for good, in the name of its host or its owner: True.

        Its turns are cancelled with the cause `deleted`, and its readers see the end. The reply
        comes when all of that is durable; then the session is gone from the stage and from every
        listing, and its id stays used for `tombstone_retention_s`. Whoever still waits for it, or
        asks later, is told SessionNotFound. If a crash comes in between, the session may be found
        ended, and be deleted again.

        If the runtime has an archive the session is archived first, wherever it is, unless it has
        opted out (`set_export`) or `archive` is false. Commands that come meanwhile are taken
        still, and archived too. If archiving fails the session stays as it is; one in which a turn
        runs or waits, or something happens meanwhile, stays ended. Refused: NotHost.
        Raises ArchiveFailed.
        """
        if type(archive) is not bool:
            raise InvalidInput("archive", archive, "True or False")
        return self._runtime.erase(self.id, Delete(by=values.name(user, "user")), archive=archive)
