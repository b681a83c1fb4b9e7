"""Messages around a session that are no commands: questions, orders and notices."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import msgspec

from ..kernel.mailbox import Mail
from ..ports import SessionId, Sink, UserId
from .commands import Command, Delete
from .cursor import Cursor
from .events import Cause, DeliveryFailed, PresenceChanged
from .frames import Frame
from .legacy import Legacy
from .phases import Phase
from .pins import Scope
from .reasons import PassivationReason
from .resources import Resources
from .secret import Secret
from .watch import FrameBuffer

# --- questions to a session: answered from its state, and no activity ---


class AwaitTurn(msgspec.Struct, frozen=True):
    """Answered with the `TurnResult` when the turn has ended."""

    turn: int


class AwaitStopped(msgspec.Struct, frozen=True):
    """Answered with `stopped` or `abandoned` when the pipeline of the ended turn has, or is."""

    turn: int


class GetInfo(msgspec.Struct, frozen=True):
    """Answered with `SessionInfo`."""


class GetTranscript(msgspec.Struct, frozen=True):
    """Answered with the transcript, for a participant."""

    user: UserId


class GetHistory(msgspec.Struct, frozen=True):
    """Answered with a `HistoryPage` of up to `limit` events after revision `since`.

    `oldest`: taken to be retained from there on, as it was when a replay began.
    """

    user: UserId
    since: int
    limit: int
    oldest: int | None = None


class GetSnapshot(msgspec.Struct, frozen=True):
    """Answered with a `SessionSnapshot`, for a participant."""

    user: UserId


class GetContext(msgspec.Struct, frozen=True):
    """Answered with the `SharedContext`, for a participant."""

    user: UserId


class GetApproval(msgspec.Struct, frozen=True):
    """Answered with the `PendingApproval`, or None, for a participant."""

    user: UserId


class GetWakes(msgspec.Struct, frozen=True):
    """Answered with the timers that are set, for a participant."""

    user: UserId


class GetReport(msgspec.Struct, frozen=True):
    """Answered with a `TranscriptReport`, for a participant."""

    user: UserId


class GetRecords(msgspec.Struct, frozen=True):
    """Answered with the `SessionRecords`, for a participant."""

    user: UserId


class GetForkPoint(msgspec.Struct, frozen=True):
    """Answered with the `ForkPoint` at revision `at` (None: of now), when that is durable."""

    user: UserId
    at: int | None


class GetLast(msgspec.Struct, frozen=True):
    """Answered with the revision, when that is durable; refused unless `user` may delete.

    None: a turn runs or waits, so that ending the session now would change more than that.
    """

    user: UserId


class RequireMember(msgspec.Struct, frozen=True):
    """Answered with None if `user` is a participant, and refused otherwise."""

    user: UserId


class Subscribe(msgspec.Struct, frozen=True):
    """Answered with the `SubscriberActor` that fills `sink` from `cursor` (None: from now) on."""

    user: UserId
    sink: Sink
    cursor: Cursor | None
    kinds: frozenset[type] | None = None


class GetDialog(msgspec.Struct, frozen=True):
    """Answered with the dialog context, for a participant."""

    user: UserId


class AwaitSettled(msgspec.Struct, frozen=True):
    """Answered with True when no turn runs, or `turn` (None: the running one) has ended.

    With False at monotonic time `until_s`; None: never.
    """

    until_s: float | None
    turn: int | None = None


# --- asked of a session: activity, and nothing that is journaled ---


class SetPhase(msgspec.Struct, frozen=True):
    """A participant moves the voice session to a phase; in the name of a turn, if that is current.

    Answered with a `PhaseReceipt`.
    """

    user: UserId
    phase: Phase
    turn: int | None


class Touch(msgspec.Struct, frozen=True):
    """A participant is there. Answered with a `Receipt`."""

    user: UserId


class SetToken(msgspec.Struct, frozen=True):
    """The host renews the session's token. Answered with None; it is journaled nowhere."""

    user: UserId
    token: Secret


# --- told to a session: no activity, no answer ---


class Present(msgspec.Struct, frozen=True):
    """A participant's client says where its user is."""

    presence: PresenceChanged


class FlushPresence(msgspec.Struct, frozen=True):
    """The window in which presences are gathered is over."""


class Due(msgspec.Struct, frozen=True):
    """Something may be due by now that the session does by itself."""


class Delivered(msgspec.Struct, frozen=True):
    """A reader has seen the first `chars` characters of the running turn's answer."""

    user: UserId
    turn: int
    chars: int


class ReportFailure(msgspec.Struct, frozen=True):
    """A subscriber's callback has failed for the first time."""

    failure: DeliveryFailed


# --- what a session is shown: answered from what it holds, and never journaled ---


class StartVisual(msgspec.Struct, frozen=True):
    """Answered with whether `source` is another one than was shown before."""

    user: UserId
    source: str


class StopVisual(msgspec.Struct, frozen=True):
    """Answered with whether something is shown no more. An empty `source` is whichever it is."""

    user: UserId
    source: str


class OfferFrame(msgspec.Struct, frozen=True):
    """Answered with a `FrameReceipt`."""

    user: UserId
    frame: Frame


class GetFrames(msgspec.Struct, frozen=True):
    """Answered with the recent frames, oldest first. Without `ttl_s`, as the settings say."""

    user: UserId
    ttl_s: float | None


class WatchFrames(msgspec.Struct, frozen=True):
    """Fill `buffer` with each frame that is accepted from now on; answered when that begins."""

    buffer: FrameBuffer


# --- a command and its idempotency key ---


class Keyed(msgspec.Struct, frozen=True):
    """Do `command` unless it was done under this key before; then give the first answer."""

    key: str
    command: Command


# --- orders to a session ---


class Mode(Enum):
    """How urgently a session is to leave the stage."""

    IF_IDLE = auto()
    """Now, or not at all: no turn runs or waits, no mail waits."""

    DRAIN = auto()
    """When the mail that waits is handled and the running turn has ended; queued turns keep."""

    FORCE = auto()
    """Now. A running turn is stopped but not ended: the next activation finds it lost."""


class ResourcesSettled(msgspec.Struct, frozen=True):
    """The resources of an activation are open, or have failed."""

    resources: Resources


class Passivate(msgspec.Struct, frozen=True):
    """Leave the stage; nothing is lost by it. `cause`: of a running turn that is stopped."""

    mode: Mode = Mode.IF_IDLE
    cause: Cause = "evicted"
    reason: PassivationReason = PassivationReason.ASKED


class KeepAwake(msgspec.Struct, frozen=True):
    """Stay on stage while `scope` is open; answered when it has begun. No `user`: the program."""

    user: UserId | None
    scope: Scope


class Erase(msgspec.Struct, frozen=True):
    """End the session, hide it for good and leave the stage.

    Answered with True when that is durable; refused as the command is. With `archive` it is
    archived before it is hidden, unless it is already as of revision `archived`, and nothing but
    its end comes after that.
    """

    command: Delete
    archive: bool = False
    archived: int | None = None


class GraceOver(msgspec.Struct, frozen=True):
    """The time that a closing session's running turn had is over."""


class Committed(msgspec.Struct, frozen=True):
    """A commit that the outbox waits for is done. `epoch` tells old ones."""

    epoch: int


# --- notices from a session to its supervisor ---


class Departure(Enum):
    """How a session left the stage."""

    PASSIVATED = auto()
    """Written out, nothing waiting."""

    RECALLED = auto()
    """Written out, but mail came meanwhile: start it again."""

    CRASHED = auto()
    """A handler or a commit failed; its mail waits for the next activation."""

    FENCED = auto()
    """Another owner has claimed it."""

    RENEWED = auto()
    """Written out, as a pipeline of it does not stop: start it again, in a new epoch."""

    DELETED = auto()
    """Ended and hidden for good: nobody will find it again."""


LEFT: Final = frozenset({Departure.PASSIVATED, Departure.RECALLED})
"""How a session leaves in order."""


class Departed(msgspec.Struct, frozen=True):
    """The session's actor is gone from its mailbox.

    If it was passivated: at `wake_ms` (UTC milliseconds; 0: never) it wants to be on stage again,
    as something is due then; `waiting` are questions that its next activation is to answer.
    `reason` is why it left, if it did so in order.
    Otherwise `legacy` is what that is to know of this one, if anything.
    """

    session: SessionId
    how: Departure
    error: str = ""
    wake_ms: int = 0
    waiting: Sequence[Mail] = ()
    reason: PassivationReason = PassivationReason.ASKED
    legacy: Legacy | None = None


class Ended(msgspec.Struct, frozen=True):
    """The session has ended, durably; it leaves the stage when it is idle, like any other."""

    session: SessionId


class Stayed(msgspec.Struct, frozen=True):
    """The session was asked to leave, but is not idle."""

    session: SessionId
