"""The handle's part for agent clients: one way in for every operation (spec A01, A02)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.operations import (
    CallApproval,
    Compact,
    ExecApproval,
    Interrupt,
    Operation,
    Shutdown,
    Undo,
    UserInput,
)
from .approvals import Approvals
from .base import follow
from .ending import Ending
from .history import History


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that was accepted, durably, and what the session has answered to it.

    `id` is `sub_` and 8 hexadecimal digits, another one for each submission to a runtime. `answer`
    is what the method gives that the operation stands for: of a `UserInput` its `Turn`, of an
    `Interrupt` the `CancelReceipt`.
    """

    id: str
    operation: Operation
    answer: Any


class Submissions(History, Approvals, Ending):
    """What agent clients submit."""

    __slots__ = ()

    def submit(self, user: UserId, operation: Operation) -> Reply[Submission]:
        """Do `operation` in the name of `user`. The reply: it was accepted.

        Submissions of one caller are taken in the order of the calls, and each turn waits for the
        one before it; an `Interrupt` ends the running turn at once, whatever waits. Raises
        InvalidInput. Refused: as the method is that the operation stands for; once the session is
        closing, has ended or is deleted nothing is accepted, in the same step in which it is
        decided (spec A14).
        """
        answer = self._answer(user, operation)
        number = self._runtime.next_submission()

        def accepted(done: Reply[Any]) -> Submission:
            return Submission(id=number, operation=operation, answer=done.result())

        return follow(answer, self._runtime.dispatcher, accepted)

    def _answer(self, user: UserId, operation: Operation) -> Reply[Any]:
        match operation:
            case UserInput(text=text):
                return self.send(user, text)
            case ExecApproval(approvals=approvals):
                return self.decide(user, _decisions(approvals))
            case Interrupt():
                return self.interrupt(user)
            case Undo():
                return self.undo(user)
            case Compact():
                return self.compact(user)
            case Shutdown():
                return self.shutdown(user)
            case _:
                raise InvalidInput("operation", type(operation).__name__, "an operation")


def _decisions(approvals: Any) -> dict[str, bool]:
    """Each call once, so that no order of them matters. Raises InvalidInput."""
    limit = "a list of CallApproval, each call once"
    if type(approvals) is not list:
        raise InvalidInput("approvals", approvals, limit)
    decisions: dict[str, bool] = {}
    for call in approvals:
        if type(call) is not CallApproval:
            raise InvalidInput("approvals", call, limit)
        name = values.text(call.tool_call_id, "approvals.tool_call_id")
        if name in decisions:
            raise InvalidInput("approvals", call, limit)
        decisions[name] = call.approved
    return decisions
