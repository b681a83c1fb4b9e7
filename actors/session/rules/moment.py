"""What a rule may know beside the state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...ports import Calendar


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Now, in UTC milliseconds, and what the running turn has `said` that no event holds yet.

    Text deltas are not journaled, so they are not in the state; whatever ends or interrupts the
    turn turns them into a message. Readers say they have seen `delivered` characters of it. While
    turns are `held`, as the session is leaving or there is no pipeline, none starts: they wait in
    the queue. Without a `calendar` nobody knows what a cron expression means.
    """

    at_ms: int
    said: Sequence[str] = ()
    held: bool = False
    delivered: int | None = None
    calendar: Calendar | None = None
