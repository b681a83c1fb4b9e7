"""What all sessions of a runtime share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..kernel.dispatcher import Dispatcher
from ..kernel.mailbox import Mailbox
from ..ports import Archive, Calendar, Clock, Journal, SessionId
from .permits import Permits
from .pins import Pins
from .pipeline import Stream
from .reasons import ActivationReason, PassivationReason
from .secret import Secret
from .timings import Timings
from .watchdog import Watchdog

if TYPE_CHECKING:
    from .backstage import Backstage


class Stats(msgspec.Struct):
    """Plain counters since the runtime started.

    `activated_by`, `passivated_by` and `turned_away_by` say the same as the totals of these names,
    by reason and by the scope of the limit; what has not happened is not in them.
    """

    commands: int = 0
    refused: int = 0
    events: int = 0
    published: int = 0
    turns_started: int = 0
    turns_ended: dict[str, int] = {}
    stale_outputs: int = 0
    abandoned_pipelines: int = 0
    activated: int = 0
    passivated: int = 0
    crashed: int = 0
    restarted: int = 0
    parked: int = 0
    revived: int = 0
    renewed: int = 0
    poisoned: int = 0
    turned_away: int = 0
    activated_by: dict[ActivationReason, int] = {}
    passivated_by: dict[PassivationReason, int] = {}
    turned_away_by: dict[str, int] = {}
    frames: int = 0
    frames_refused: int = 0
    frames_dropped: int = 0
    resources_failed: int = 0
    resources_not_closed: int = 0
    hooks_failed: int = 0
    expired: int = 0
    archived: int = 0
    archives_failed: int = 0
    events_erased: int = 0
    events_trimmed: int = 0

    def count_turn(self, status: str) -> None:
        """Count a turn that ended as `status`."""
        self.turns_ended[status] = self.turns_ended.get(status, 0) + 1

    def count_activation(self, reason: ActivationReason) -> None:
        """Count a session that has come on stage."""
        self.activated += 1
        self.activated_by[reason] = self.activated_by.get(reason, 0) + 1

    def count_passivation(self, reason: PassivationReason) -> None:
        """Count a session that has left the stage in order."""
        self.passivated += 1
        self.passivated_by[reason] = self.passivated_by.get(reason, 0) + 1

    def count_refusal(self, scope: str) -> None:
        """Count a session that got no slot, as the limit of `scope` forbids it."""
        self.turned_away += 1
        self.turned_away_by[scope] = self.turned_away_by.get(scope, 0) + 1


class Stage(msgspec.Struct, kw_only=True):
    """The ports and settings that every session actor of one runtime is given.

    A turn that a crash interrupts is run up to `turn_attempts` times in all.
    `snapshot_bytes`: a snapshot follows when the events since the last one exceed it, and exceed
    that snapshot's own size, so writing snapshots costs a constant share.
    `approval_expires_s`: how long people may take to decide, if the request does not say.
    No session accepts frames at a shorter interval than `min_frame_interval_ms`.
    `tokens` are those of sessions that were given one; `backstage` is None if there is nothing to
    open and nobody to tell; `permits` is None if any number of turns may run. `archive` is where
    sessions are kept that are deleted. `pins` are what keeps sessions awake beside their work.
    `commits_at_once`: the journal's last commit was done when its call returned, so the next
    command is likely to be answered soon.
    """

    dispatcher: Dispatcher
    clock: Clock
    journal: Journal
    supervisor: Mailbox
    stream: Stream | None
    compactor: Stream | None
    stats: Stats
    timings: Timings
    watchdog: Watchdog
    turn_attempts: int
    approval_expires_s: float
    snapshot_bytes: int
    mailbox_capacity: int
    min_frame_interval_ms: int
    tokens: dict[SessionId, Secret]
    pins: Pins
    calendar: Calendar | None = None
    backstage: Backstage | None = None
    archive: Archive | None = None
    permits: Permits | None = None
    commits_at_once: bool = False

    def new_mailbox(self, session: SessionId) -> Mailbox:
        """A mailbox for a session that has none."""
        return Mailbox(self.dispatcher, name=session, capacity=self.mailbox_capacity)
