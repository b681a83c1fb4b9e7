"""What surrounds the sessions of a runtime: what they work with, and who hears of their leaving."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ..kernel.reply import Reply
from ..ports import Clock, SessionId
from .hooks import HookCall, Hooks
from .info import SessionSnapshot
from .resources import Factory
from .secret import Secret
from .stage import Stats

if TYPE_CHECKING:
    from .wings import Wings

CLOSED_AT_ONCE: Final = 16
"""Sessions whose resources are being closed at one time while the runtime stops."""

MOST_WAITING: Final = 100
"""Calls of the hooks of one session that wait for one that hangs; of more, none is made."""


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
done. The hooks of one session run one after another (see `Hooks` for the others). This is the one
that a session waits for when it leaves, as whoever takes over its work must come before whoever
brings it back: for calls of others that are under way then, `hook_timeout_s` in all, and for its
own as long again. What it raises is logged and counted, and one that takes longer is not waited
for. An activation that leaves in order is told `PASSIVATED` or `DRAINED` here first, and then, when
it has left, to `on_passivate`, which says why. A process that is killed calls none."""


class TimeBoxes(msgspec.Struct, frozen=True, kw_only=True):
    """How many seconds opening and closing resources, and one call of the hook, may take."""

    open_s: float = 30.0
    close_s: float = 5.0
    hook_s: float = 5.0


NO_HOOKS: Final = Hooks()


class Backstage:
    """Shared by all activations of a runtime that has a factory of resources, or a hook.

    `leaving` are those whose end is under way, `calls` those of other hooks than theirs: the
    runtime stops when there are none of both, which `on_quiet` is told.
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
        follow: Hooks = NO_HOOKS,
    ) -> None:
        self.clock = clock
        self.stats = stats
        self.tokens = tokens
        self.factory = factory
        self.hook = hook
        self.boxes = boxes
        self.follow = follow
        self.calls: dict[SessionId, list[HookCall]] = {}
        self.leaving: set[Wings] = set()
        self.hooks: dict[SessionId, Reply[None]] = {}  # the last one of each session under way
        self.on_quiet: Callable[[], None] | None = None
        self._door: Door | None = None
        self._given_up = False

    @property
    def has_wings(self) -> bool:
        """Whether an activation has anything that comes to an end with it."""
        return self.factory is not None or self.hook is not None

    @property
    def quiet(self) -> bool:
        """Whether nobody's end is under way, and no hook."""
        return not self.leaving and not self.calls

    # --- hooks ---

    def tell(self, session: SessionId, name: str, hook: Callable[..., Any], *args: Any) -> None:
        """Have a hook called, after all earlier ones of its session; it is not waited for."""
        made = HookCall(self, session, name, hook, args)
        waiting = self.calls.get(session, ())
        if self._given_up or len(waiting) >= MOST_WAITING:
            made.failed("not called, as the runtime stops" if self._given_up else "too many wait")
            return
        before = self.hooks.get(session)
        self.hooks[session] = made.done
        self.calls.setdefault(session, []).append(made)
        if before is None:
            made.begin()
        else:
            before.on_done(lambda _: made.begin())

    def told(self, made: HookCall) -> None:
        """One that was called, or would have been, is waited for no longer."""
        session = made.session
        waiting = self.calls[session]
        waiting.remove(made)
        if not waiting:
            del self.calls[session]
        if self.hooks.get(session) is made.done:
            del self.hooks[session]
        self._look_quiet()

    def bound(self, session: SessionId) -> None:
        """The session leaves: what it waits for is over in time."""
        calls = tuple(self.calls.get(session, ()))
        if calls:
            timer = self.clock.call_later(self.boxes.hook_s, lambda: _give_up(calls))
            calls[-1].done.on_done(lambda _: timer.cancel())

    # --- the end ---

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
        self._given_up = True
        for calls in list(self.calls.values()):
            _give_up(tuple(calls))
        for wings in list(self.leaving):
            wings.give_up()

    def left(self, wings: Wings) -> None:
        """All is done for one of those that are leaving."""
        self.leaving.discard(wings)
        self._look_quiet()

    def _look_quiet(self) -> None:
        if self.on_quiet is not None and self.quiet:
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


def _give_up(calls: Sequence[HookCall]) -> None:
    for made in reversed(calls):  # the last one first: the end of each would begin the next one
        made.give_up("not waited for any longer")


def _nothing() -> None:
    pass
