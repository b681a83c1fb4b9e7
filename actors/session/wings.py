"""One activation's resources, and the order in which all that goes with it comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from ..errors import text_of
from ..kernel.mailbox import Mailbox
from ..kernel.reply import Reply
from ..ports import SessionId, UserId
from .backstage import Backstage, EndReason
from .calls import call
from .info import SessionSnapshot
from .messages import ResourcesSettled
from .resources import Opening, Resources, Status

log = structlog.get_logger()


class Wings:
    """What one activation has beside its state. It is cleared once, whatever ends it.

    `worked`: its resources have been open. `settled`: what an older activation left behind has
    been looked after, which waits for them to be. `due` is set when the hook is to be called, or
    there is none; `cleared` when nothing is waited for any more.
    """

    def __init__(
        self, backstage: Backstage, session: SessionId, owner: UserId, mailbox: Mailbox
    ) -> None:
        self.session = session
        self.resources: Resources | None = None
        self.worked = self.settled = False
        self.due: Reply[None] = Reply()
        self.cleared: Reply[None] = Reply()
        self._backstage = backstage
        self._opening = Opening(session, owner, backstage.tokens)
        self._mailbox = mailbox
        self._reason: EndReason | None = None
        self._final: Reply[SessionSnapshot | None] = Reply()
        self._stopped = self._ordered = self._called = False
        self._close_watches: Callable[[], None] = _nothing
        self._hook: asyncio.Task[None] | None = None

    # --- resources ---

    @property
    def opening(self) -> bool:
        """Whether the resources are being opened."""
        return self.resources is not None and self.resources.status is Status.OPENING

    @property
    def holds(self) -> bool:
        """Whether no turn may start, as there are no resources to run it with."""
        return self.resources is not None and self.resources.status is not Status.OPEN

    @property
    def value(self) -> Any:
        """What a pipeline is given."""
        return None if self.resources is None else self.resources.value

    def open(self) -> None:
        """Open resources, if there is a factory: for the first time, or again after a failure."""
        backstage, old = self._backstage, self.resources
        if backstage.factory is None or self._reason is not None:
            return
        if old is None or old.status is Status.FAILED:
            self.resources = Resources(
                backstage.factory,
                self._opening,
                backstage.clock,
                lambda resources: self._mailbox.signal(ResourcesSettled(resources)),
                open_s=backstage.boxes.open_s,
            )

    # --- the end ---

    def clear(
        self,
        reason: EndReason,
        when_stopped: Callable[[Callable[[], None]], None],
        close_watches: Callable[[], None],
    ) -> bool:
        """Close watches and resources when the pipeline has stopped, then call the hook (V31, VX9).

        `when_stopped` calls what it is given when it has, or is given up on. Returns whether this
        was begun before.
        """
        if self._reason is not None:
            return True
        self._reason = reason
        self._close_watches = close_watches
        self._backstage.leaving.add(self)
        when_stopped(self._on_stopped)
        return False

    def end_with(self, final: SessionSnapshot | None) -> None:
        """Say what the session was like in the end, as it is durable; None: that is not known."""
        if not self._final.done:
            self._final.set(final)

    def hurry(self) -> None:
        """Wait no longer for the pipeline and the resources."""
        self._on_stopped()
        if not self._ordered:
            self._close(_nothing)
        if self.resources is not None:
            self.resources.give_up("the runtime has stopped")

    def give_up(self) -> None:
        """Wait for nothing any more: what is still to be done is begun, and left to itself."""
        self.hurry()
        self.end_with(None)
        self._call()
        if self._called:
            self._hook_failed("not waited for, as the runtime stops")
        self._end()

    def _on_stopped(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._close_watches()
            self._backstage.enter(self._close)

    def _close(self, leave: Callable[[], None]) -> None:
        resources = self.resources
        if self._ordered or resources is None:  # it could wait at the door no longer
            leave()
            if not self._ordered:
                self._ordered = True
                self._final.on_done(lambda _: self._tell())
            return
        self._ordered = True

        def closed(reply: Reply[str | None]) -> None:
            self._backstage.stats.resources_not_closed += reply.result() is not None
            leave()
            self._final.on_done(lambda _: self._tell())

        resources.close(self._backstage.boxes.close_s).on_done(closed)

    def _tell(self) -> None:
        """Have the hook called, after the one of an older activation of this session."""
        backstage = self._backstage
        if backstage.hook is None:
            self._end()
            return
        before = backstage.hooks.get(self.session)
        backstage.hooks[self.session] = self.cleared
        self.due.set()
        if before is None:
            self._call()
        else:
            before.on_done(lambda _: self._call())
            backstage.bound(self.session)

    def _call(self) -> None:
        if self._called or self._backstage.hook is None:
            return
        self._called = True
        self._hook = asyncio.get_running_loop().create_task(self._run_hook())
        self._hook.add_done_callback(lambda _: self._end())
        backstage = self._backstage
        timer = backstage.clock.call_later(backstage.boxes.hook_s, self._hook_too_late)
        self.cleared.on_done(lambda _: timer.cancel())

    async def _run_hook(self) -> None:
        hook, reason = self._backstage.hook, self._reason
        assert hook is not None
        assert reason is not None
        try:
            await call(hook, self._final.result(), reason)
        except BaseException as error:  # whatever it is, it stops nobody (promise P17)
            self._hook_failed(text_of(error))

    def _hook_too_late(self) -> None:
        self._hook_failed(f"not done after {self._backstage.boxes.hook_s:g} s")
        if self._hook is not None:
            self._hook.cancel()  # first: the next hook of the session begins behind its end
        self._end()

    def _hook_failed(self, why: str) -> None:
        if self.cleared.done:
            return
        self._backstage.stats.hooks_failed += 1
        with suppress(BaseException):  # a log that fails must not keep the session here
            log.error("end_hook_failed", session=self.session, error=why)

    def _end(self) -> None:
        if self.cleared.done:
            return
        backstage = self._backstage
        if not self.due.done:
            self.due.set()
        self.cleared.set()
        if backstage.hooks.get(self.session) is self.cleared:
            del backstage.hooks[self.session]
        backstage.left(self)


def _nothing() -> None:
    pass
