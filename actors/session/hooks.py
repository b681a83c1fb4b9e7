"""Hooks that follow a session: what they are called with, and one call of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import structlog

from ..errors import text_of
from ..kernel.reply import Reply
from ..ports import SessionId, Timer, UserId
from .calls import call
from .events import Cause, TurnEnded, TurnKind, TurnStarted
from .info import SessionInfo
from .reasons import ActivationReason, PassivationReason, TurnReason

if TYPE_CHECKING:
    from .backstage import Backstage

log = structlog.get_logger()


class TurnInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that has started or ended, durably.

    `user`, `kind`, `attempt` and `resumed` (an approval) are told of one that has started; `why`
    and `cause` of one that has ended, if it did not complete.
    """

    session: SessionId
    owner: UserId
    turn: int
    user: UserId | None = None
    kind: TurnKind | None = None
    attempt: int = 0
    resumed: str = ""
    why: str = ""
    cause: Cause | None = None


ActivateHook: TypeAlias = Callable[[SessionInfo, ActivationReason], Any]
"""Called once for each activation, with the session as it was then, beside its first commands."""

PassivateHook: TypeAlias = Callable[[SessionInfo, PassivationReason], Any]
"""Called once for each activation that has left in order, and may come back, or be read, as it is.

By then it is written out. Of one that has crashed, was fenced or deleted, the end hook alone is
told."""

TurnHook: TypeAlias = Callable[[TurnInfo, TurnReason], Any]
"""Called when a turn has started and when it has ended, after that is durable and published.

One that a crash or a forced leave interrupts has not ended: it is told as lost, or started again,
in a later activation. One that waited may end without having started."""


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """The hooks of a runtime, each a coroutine function, or a plain one, which runs in a thread.

    They run outside of the session, which waits for none of these three, but to have its end hook
    called behind them. All of one session run one after another, in the order of what they are
    told: an activation, its turns, its end, its passivation. What one raises is logged and counted
    (`hooks_failed`), one that takes longer than `hook_timeout_s` is given up on, and so is one that
    would wait behind `MOST_WAITING` others. A process that is killed calls none.
    """

    on_activate: ActivateHook | None = None
    on_passivate: PassivateHook | None = None
    on_turn: TurnHook | None = None

    def __bool__(self) -> bool:
        return any((self.on_activate, self.on_passivate, self.on_turn))


def turn_told(
    session: SessionId, owner: UserId, event: TurnStarted | TurnEnded
) -> tuple[TurnInfo, TurnReason]:
    """What the hook is told of a turn that has started or ended."""
    if isinstance(event, TurnStarted):
        started = TurnInfo(
            session=session,
            owner=owner,
            turn=event.turn,
            user=event.user,
            kind=event.kind,
            attempt=event.attempt,
            resumed=event.resumed,
        )
        return started, TurnReason.STARTED
    ended = TurnInfo(
        session=session, owner=owner, turn=event.turn, why=event.reason, cause=event.cause
    )
    return ended, TurnReason(event.status)


class HookCall:
    """One call of a hook, which is over when it is done, has failed or is given up on."""

    def __init__(
        self,
        backstage: Backstage,
        session: SessionId,
        name: str,
        hook: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self.session = session
        self.done: Reply[None] = Reply()
        self._backstage = backstage
        self._name, self._hook, self._args = name, hook, args
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Call it, unless it was given up on while it waited."""
        if self.done.done:
            return
        hook_s = self._backstage.boxes.hook_s
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(lambda _: self._end())
        self._timer = self._backstage.clock.call_later(
            hook_s, lambda: self.give_up(f"not done after {hook_s:g} s")
        )

    def give_up(self, why: str) -> None:
        """Wait for it no longer, or do not call it at all."""
        if self.done.done:
            return
        self.failed(why)
        if self._task is not None:
            self._task.cancel()  # first: the next hook of the session begins behind its end
        self._end()

    def failed(self, why: str) -> None:
        """Count and log it."""
        if self.done.done:
            return
        self._backstage.stats.hooks_failed += 1
        with suppress(BaseException):  # a log that fails must not keep the others from their turn
            log.error("hook_failed", session=self.session, hook=self._name, error=why)

    async def _run(self) -> None:
        try:
            await call(self._hook, *self._args)
        except BaseException as error:  # whatever it is, it stops nobody (promise P17)
            self.failed(text_of(error))

    def _end(self) -> None:
        if self.done.done:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.done.set()
        self._backstage.told(self)
