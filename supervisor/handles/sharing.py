"""The handle's part on what the people of a session share."""

from __future__ import annotations

from typing import Any

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.answers import Receipt
from ...actors.session.commands import Acknowledge, Act, AddMemory, UpdateContext
from ...actors.session.messages import GetContext
from ...actors.session.shared import SharedContext
from .base import Handle, plain_dict, revision_of


class Sharing(Handle):
    """Actions, shared context and memories, and what somebody has seen."""

    __slots__ = ()

    def act(
        self, user: UserId, action: str, data: dict[str, Any] | None = None, key: str | None = None
    ) -> Reply[Receipt]:
        """Do something that is no message; `data` is copied, and may not name `action_type`.

        Allowed in every state but ended. Refused: NotMember, NotAllowed, SessionEnded.
        """
        copied = plain_dict({} if data is None else data, "data")
        if "action_type" in copied:
            raise InvalidInput("data", data, "a dict without the key action_type")
        act = Act(user=values.name(user, "user"), action=values.name(action, "action"), data=copied)
        return self._do(act, key)

    def update_context(
        self,
        user: UserId,
        patch: dict[str, Any],
        *,
        expected_version: int | dict[str, int] | None = None,
        if_absent: bool = False,
        whole: bool = False,
        key: str | None = None,
    ) -> Reply[Receipt]:
        """Merge `patch` into the shared context, by RFC 7396: None removes a key.

        The last writer of a key wins. With `expected_version`, a revision (or one for each key),
        it is refused with `VersionConflict` if a key was changed after that (of several, also of
        keys that are only named there; one that is not was never to be changed); with `whole`, if
        the context as a whole has another version (`SharedContext.version`). With `if_absent` keys
        that are there are left alone. Values come back exactly as given, or are refused.
        Refused also: NotMember, NotAllowed, SessionEnded.
        """
        copied = plain_dict(patch, "patch")
        if not copied:
            raise InvalidInput("patch", patch, "a dict with at least one key")
        if whole and type(expected_version) is not int:
            raise InvalidInput("expected_version", expected_version, "one revision, with whole")
        update = UpdateContext(
            user=values.name(user, "user"),
            patch=copied,
            expected=_versions(expected_version),
            if_absent=if_absent,
            whole=whole,
        )
        return self._do(update, key)

    def context(self, user: UserId) -> Reply[SharedContext]:
        """What is shared now: a copy, with the version of each key. Refused: NotMember."""
        return self._ask(GetContext(values.name(user, "user")))

    def add_memory(self, user: UserId, memory: str, *, key: str | None = None) -> Reply[Receipt]:
        """Share a memory, by its id; one that is shared already changes nothing.

        Refused: NotMember, NotAllowed, SessionEnded.
        """
        memory = values.name(memory, "memory")
        return self._do(AddMemory(user=values.name(user, "user"), memory=memory), key)

    def acknowledge(self, user: UserId, revision: int) -> Reply[Receipt]:
        """Say that `user` has seen every event up to `revision`. Refused: NotMember."""
        revision = revision_of(revision, "revision")
        return self._ask(Acknowledge(user=values.name(user, "user"), revision=revision))


def _versions(expected: int | dict[str, int] | None) -> int | dict[str, int] | None:
    """A copy of what somebody expects to find. Raises InvalidInput."""
    if expected is None:
        return None
    if type(expected) is dict:
        return {
            values.text(key, "a key of expected_version"): revision_of(version, "expected_version")
            for key, version in expected.items()
        }
    return revision_of(expected, "expected_version")
