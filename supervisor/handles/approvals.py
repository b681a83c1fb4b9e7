"""The handle's part on approvals: what a suspended turn waits for, and the decision."""

from __future__ import annotations

from typing import Any

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.approvals import DecideReceipt, PendingApproval
from ...actors.session.commands import Decide
from ...actors.session.messages import GetApproval
from .base import Handle


class Approvals(Handle):
    """Tool calls that a pipeline has put to people before it makes them.

    A turn that asks (`RequestApproval`) is suspended, durably: its pipeline is closed, and the
    session may be passivated meanwhile, or its process restarted. It keeps the turn lane: other
    messages wait for it, or end it, as their policy says. It goes on when somebody has decided,
    and is over when it is cancelled. If nobody decides in time, every call is rejected, by nobody:
    a session that was passivated is woken for that, also by a later process.
    """

    __slots__ = ()

    def approval(self, user: UserId) -> Reply[PendingApproval | None]:
        """What waits for a decision, if anything does. Refused: NotMember."""
        return self._ask(GetApproval(values.name(user, "user")))

    def decide(
        self,
        user: UserId,
        decisions: dict[str, bool],
        approval: str | None = None,
        *,
        key: str | None = None,
    ) -> Reply[DecideReceipt]:
        """Approve or reject the calls that wait, by their ids, and have their turn go on.

        One that is not named is rejected; ids of other calls are ignored. The first decision is
        the only one: all others, and those on another `approval` than the one that is pending, are
        refused with `NoApproval`. Name the `approval` you were shown, so as not to decide on one
        that has come after it. Refused also: NotMember, NotAllowed.
        """
        decide = Decide(
            user=values.name(user, "user"),
            decisions=_decisions(decisions),
            approval=None if approval is None else values.text(approval, "approval"),
        )
        return self._do(decide, key)


def _decisions(decisions: Any) -> dict[str, bool]:
    """A copy of what somebody has decided. Raises InvalidInput."""
    if type(decisions) is not dict:
        raise InvalidInput("decisions", decisions, "a dict of True or False by the ids of calls")
    for call, approved in decisions.items():
        values.text(call, "a key of decisions")
        if type(approved) is not bool:
            raise InvalidInput(f"decisions.{call}", approved, "True or False")
    return dict(decisions)
