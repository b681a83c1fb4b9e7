"""What the supervisor is asked and told."""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from ..actors.errors import GreenroomError
from ..actors.kernel.mailbox import Mailbox
from ..actors.ports import Claim, IndexRow, NewSession, SessionId, UserId
from ..actors.session.pins import Scope
from ..actors.session.reasons import ActivationReason
from ..actors.session.secret import Secret
from ..actors.session.state import State


class Create(msgspec.Struct, frozen=True):
    """Make a session. Answered when it is durable and on stage."""

    new: NewSession
    token: Secret | None = None


class Wanted(msgspec.Struct, frozen=True):
    """A message for a session that is not on stage waits in `box`; `user` has sent it, if known."""

    session: SessionId
    box: Mailbox
    user: UserId | None = None
    why: ActivationReason = ActivationReason.MESSAGE


class Opened(msgspec.Struct, frozen=True):
    """The journal has answered a claim."""

    session: SessionId
    claim: Claim
    state: State


class NotOpened(msgspec.Struct, frozen=True):
    """The session cannot be claimed, or not be read."""

    session: SessionId
    error: GreenroomError


class Reopen(msgspec.Struct, frozen=True):
    """The delay before a restart is over."""

    session: SessionId


class Alarm(msgspec.Struct, frozen=True):
    """A session that is not on stage wants to be, though nobody calls it."""

    session: SessionId


class Sweep(msgspec.Struct, frozen=True):
    """A session may have been idle for too long by now."""


class LookAgain(msgspec.Struct, frozen=True):
    """Somebody waits for a slot: one may be free by now, or the time be over."""


class Unpinned(msgspec.Struct, frozen=True):
    """Something keeps the session awake no longer: `scope` is left, or its last reader is gone."""

    session: SessionId
    scope: Scope | None = None


class Evict(msgspec.Struct, frozen=True):
    """Have a session leave now: if it is idle, or with `force` whatever it does.

    Answered, when it has left or stays, with whether it has left.
    """

    session: SessionId
    force: bool


class Explain(msgspec.Struct, frozen=True):
    """Answered with an `Explanation` of why the session is, or is not, on stage."""

    session: SessionId


class Found(msgspec.Struct, frozen=True):
    """What the journal's index has of a session that is to be explained."""

    session: SessionId
    row: IndexRow | None


class Park(msgspec.Struct, frozen=True):
    """Set a session aside for `reason`. Answered, when it is off the stage, with whether it was
    not parked before."""

    session: SessionId
    reason: str


class Revive(msgspec.Struct, frozen=True):
    """Let a parked or damaged session on stage again. Answered with whether it was one."""

    session: SessionId


class Drain(msgspec.Struct, frozen=True):
    """Let every session leave; answered with a `DrainReport` when all have, or time is up.

    During a drain: the same, and sooner, if the budget ends sooner.
    """

    budget_s: float


class TimeUp(msgspec.Struct, frozen=True):
    """The time for this part of the drain is over: for turns, closing, hooks, or everything."""

    part: Part


class Part(Enum):
    """What a drain waits for, one after the other."""

    TURNS = auto()
    """Then what still runs is stopped and handed back."""

    CLOSING = auto()
    """Then pipelines that do not stop, and resources that do not close, are given up on."""

    HOOKS = auto()
    """Then end hooks are not waited for."""

    WRITING = auto()
    """Then the journal is not, either."""


class Quiet(msgspec.Struct, frozen=True):
    """No session's end is under way any more."""


class DrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a runtime stopped, by session id.

    `passivated` left as they should. `handed_back` had a turn running when the time was up: the
    next owner finds it lost. `left` did not answer: the journal has what they acknowledged.
    """

    passivated: list[SessionId]
    handed_back: list[SessionId]
    left: list[SessionId]
