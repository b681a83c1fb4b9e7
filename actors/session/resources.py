"""What a session works with (tool routers, clients): opened, and closed once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import Any, TypeAlias

import structlog

from ..errors import text_of, without_frames
from ..kernel.reply import Reply
from ..ports import Clock, SessionId, Timer, UserId
from .calls import begin, blocks
from .secret import Secret

log = structlog.get_logger()


class Opening:
    """What resources are opened for: one activation of a session.

    `token` is the session's as it is just now: one that is renewed later is seen by whoever keeps
    this. It is in the memory of the process alone, and None after a restart of it.
    """

    __slots__ = ("_tokens", "owner", "session_id")

    def __init__(
        self, session_id: SessionId, owner: UserId, tokens: Mapping[SessionId, Secret]
    ) -> None:
        self.session_id = session_id
        self.owner = owner
        self._tokens = tokens

    def __repr__(self) -> str:
        return f"<Opening of session {self.session_id} of {self.owner}>"

    @property
    def token(self) -> Secret | None:
        return self._tokens.get(self.session_id)


Factory: TypeAlias = Callable[[Opening], Any]
"""Makes the resources of one activation: a coroutine function, a function made by
`asynccontextmanager`, or a plain function, which runs in a thread, as it may block.

If what it makes is an async context manager, that is entered, and left in the same task; the
resources are what it gives. Otherwise they are closed by their `aclose()` or `close()`, if they
have one: in a thread, if a plain function has made them and `close` is one."""


class Status(Enum):
    """OPENING, then OPEN or FAILED; an OPEN one may still become FAILED, by breaking down."""

    OPENING = auto()
    OPEN = auto()
    FAILED = auto()
    CLOSED = auto()


class Resources:
    """The resources of one activation, kept by one task from opening to closing.

    `on_settled` is called when they are open, have failed to open in `open_s` seconds, or have
    failed in use: an async context manager may cancel the task that has entered it. `value` is
    what a pipeline is given. `closed` is set, once, when they are closed or given up on; its value
    tells what went wrong with closing them, or is None.
    """

    def __init__(
        self,
        factory: Factory,
        opening: Opening,
        clock: Clock,
        on_settled: Callable[[Resources], None],
        *,
        open_s: float,
    ) -> None:
        self.status = Status.OPENING
        self.value: Any = None
        self.reason = ""
        self.closed: Reply[str | None] = Reply()
        self._factory = factory
        self._opening = opening
        self._clock = clock
        self._on_settled = on_settled
        self._made = self._in_a_thread = False
        self._over = asyncio.Event()
        self._error: BaseException | None = None
        late = f"not open after {open_s:g} s"
        self._timer: Timer = clock.call_later(open_s, lambda: self._fail_to_open(late))
        self._task = asyncio.get_running_loop().create_task(self._live())
        self._task.add_done_callback(self._ended)

    def close(self, within_s: float) -> Reply[str | None]:
        """Close them, once; they are given up on after `within_s` seconds."""
        if self.status is not Status.CLOSED:
            was, self.status = self.status, Status.CLOSED
            self.value = None
            self._timer.cancel()
            if not self.closed.done:
                late = f"not closed after {within_s:g} s"
                self._timer = self._clock.call_later(within_s, lambda: self.give_up(late))
            self._order(stop=was is Status.OPENING)
        return self.closed

    def give_up(self, why: str) -> None:
        """Wait for the end no longer. Whatever comes of it, nobody listens any more."""
        if not self.closed.done:
            self._order(stop=True)
            self._report(why)

    def _order(self, *, stop: bool) -> None:
        """Have the task close what it has or, if it does not `stop` making it, will have."""
        self._over.set()
        if stop and not self._in_a_thread:  # what a thread makes would be lost, and never closed
            self._task.cancel()

    async def _live(self) -> None:
        try:
            in_a_thread = self._in_a_thread = blocks(self._factory)
            made = await begin(self._factory, self._opening)
            self._in_a_thread = False
            if inspect.isawaitable(made):
                made = await made
            self._made = True
            if hasattr(type(made), "__aenter__") and not self._over.is_set():
                async with made as value:
                    await self._keep(value)
                return
            try:
                await self._keep(made)
            finally:
                await _close(made, in_a_thread=in_a_thread)
        except BaseException as error:  # whatever it is, it stops no other session (promise P17)
            self._error = without_frames(error)

    async def _keep(self, value: Any) -> None:
        if not self._over.is_set():
            self.status, self.value = Status.OPEN, value
            self._timer.cancel()
            self._on_settled(self)
            await self._over.wait()

    def _fail_to_open(self, why: str) -> None:
        self._fail(why)
        self._order(stop=True)

    def _fail(self, why: str) -> None:
        self.status, self.reason, self.value = Status.FAILED, self._fit_to_tell(why), None
        self._timer.cancel()
        self._on_settled(self)

    def _ended(self, _: asyncio.Task[None]) -> None:
        """The task is done: as it was told to, or because the resources have failed."""
        error = self._error
        if not self._over.is_set():
            self._fail("closed by themselves" if error is None else text_of(error))
            error = None
        self._timer.cancel()
        if error is None or isinstance(error, asyncio.CancelledError) or not self._made:
            self._report(None)
        else:
            self._report(text_of(error))

    def _fit_to_tell(self, why: str) -> str:
        """A client's error may quote the token that it was refused with (spec AX13)."""
        token = self._opening.token
        return why if token is None else token.hidden_in(why)

    def _report(self, why: str | None) -> None:
        if self.closed.done:
            return
        if why is not None:
            with suppress(BaseException):  # a log that fails must not keep a session here
                told = self._fit_to_tell(why)
                log.error("resources_not_closed", session=self._opening.session_id, error=told)
        self.closed.set(why)


async def _close(made: Any, *, in_a_thread: bool) -> None:
    close = getattr(made, "aclose", None) or getattr(made, "close", None)
    if callable(close):
        closing = await begin(close) if in_a_thread else close()
        if inspect.isawaitable(closing):
            await closing
