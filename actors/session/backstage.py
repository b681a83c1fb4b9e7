"""What surrounds the sessions of a runtime: what they work with, and who hears of their leaving."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ..kernel.reply import Reply
from ..ports import Clock, SessionId
from .info import SessionSnapshot
from .resources import Factory
from .secret import Secret
from .stage import Stats

if TYPE_CHECKING:
    from .wings import Wings

CLOSED_AT_ONCE: Final = 16
"""Sessions whose resources are being closed at one time while the runtime stops."""


class EndReason(StrEnum):
    """Why an activation has left the stage, or is over."""

    ENDED = "ended"
    """The session has ended, for good. It stays on stage to be read until it is idle."""

    PASSIVATED = "passivated"
    """It was idle, or had to make room: its next message wakes it."""

    RENEWED = "renewed"
    """A pipeline of it did not stop: the session is started again at once, in a new epoch."""

    DRAINED = "drained"
    """The runtime stops."""

    DELETED = "deleted"
    """The session has ended, and nobody will find it again."""

    CRASHED = "crashed"
    """Something failed; it is started again, or parked."""

    FENCED = "fenced"
    """Another owner has claimed it."""


EndHook: TypeAlias = Callable[[SessionSnapshot | None, EndReason], Any]
"""Called once for each activation that leaves, with the session's final state and why.

A coroutine function, or a plain function, which runs in a thread, as it may block. By then the
pipeline has stopped or was given up on, the resources are closed, and all that the snapshot tells
is durable (spec V35, VX11): nothing is added to it. There is none after a crash, or when another
owner has the session: what is in memory then may be more, or less, than the journal has.

It may use the runtime, also for the same session, which is then started again before the hook is
done. The hooks of one session run one after another. What it raises is logged and counted, and one
that takes longer than `hook_timeout_s` is not waited for. A process that is killed calls none."""


class TimeBoxes(msgspec.Struct, frozen=True, kw_only=True):
    """How many seconds opening and closing resources, and one call of the hook, may take."""

    open_s: float = 30.0
    close_s: float = 5.0
    hook_s: float = 5.0


class Backstage:
    """Shared by all activations of a runtime that has a factory of resources, or an end hook.

    `leaving` are those whose end is under way: the runtime stops when there are none, which
    `on_quiet` is told.
    """

    def __init__(
        self,
        clock: Clock,
        stats: Stats,
        tokens: dict[SessionId, Secret],
        *,
        factory: Factory | None,
        hook: EndHook | None,
        boxes: TimeBoxes,
    ) -> None:
        self.clock = clock
        self.stats = stats
        self.tokens = tokens
        self.factory = factory
        self.hook = hook
        self.boxes = boxes
        self.leaving: set[Wings] = set()
        self.hooks: dict[SessionId, Reply[None]] = {}  # the last one of each session under way
        self.on_quiet: Callable[[], None] | None = None
        self._door: Door | None = None

    def drain(self, on_quiet: Callable[[], None]) -> None:
        """From now on only so many close their resources at once."""
        self._door = self._door or Door(CLOSED_AT_ONCE)
        self.on_quiet = on_quiet

    def enter(self, go: Callable[[Callable[[], None]], None]) -> None:
        """Call `go(leave)`: now, or when it is its turn. Whoever goes calls `leave` when done."""
        if self._door is None:
            go(_nothing)
        else:
            self._door.enter(go)

    def hurry(self) -> None:
        """The time for stopping pipelines and closing resources is over."""
        for wings in list(self.leaving):
            wings.hurry()

    def give_up(self) -> None:
        """The time for hooks is over as well."""
        for wings in list(self.leaving):
            wings.give_up()

    def left(self, wings: Wings) -> None:
        """All is done for one of those that are leaving."""
        self.leaving.discard(wings)
        if not self.leaving and self.on_quiet is not None:
            self.on_quiet()


class Door:
    """Lets at most `width` through at a time, in the order of coming."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: deque[Callable[[Callable[[], None]], None]] = deque()

    def enter(self, go: Callable[[Callable[[], None]], None]) -> None:
        if self._free:
            self._free -= 1
            go(self._leave)
        else:
            self._waiting.append(go)

    def _leave(self) -> None:
        if self._waiting:
            self._waiting.popleft()(self._leave)
        else:
            self._free += 1


def _nothing() -> None:
    pass
