"""What is asked of one session, in the order of the calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ...actors.errors import RuntimeClosed
from ...actors.kernel.reply import Reply

Work: TypeAlias = Callable[[], Awaitable[Any]]


class Lane:
    """Does one thing after the other: the next one is sent when the one before was answered.

    So what one caller asks of a session is done in the order of the calls, as in a process of its
    own, whatever connection each request takes. What waits long is done `apart`: it begins in its
    turn, and holds up nothing.
    """

    def __init__(self, on_idle: Callable[[], None]) -> None:
        self._on_idle = on_idle
        self._waiting: deque[tuple[Work, Reply[Any], bool]] = deque()
        self._apart: dict[asyncio.Task[None], Reply[Any]] = {}
        self._runner: asyncio.Task[None] | None = None

    def put(self, work: Work, reply: Reply[Any], *, apart: bool = False) -> None:
        """Have `reply` answered with what `work` gives or raises, in its turn."""
        self._waiting.append((work, reply, apart))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())

    async def done(self) -> None:
        """Wait until all has been sent that is waiting now, and answered, but for what is apart."""
        if self._runner is not None:
            await asyncio.shield(self._runner)

    async def close(self, error: Exception) -> None:
        """Stop; whoever still waits is answered with `error`."""
        # A task that is cancelled before it has begun does nothing at all, not even that.
        unanswered = [*self._apart.values(), *(reply for _, reply, _ in self._waiting)]
        tasks = [*self._apart, *([] if self._runner is None else [self._runner])]
        self._waiting.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reply in unanswered:
            if not reply.done:
                reply.set_error(error)

    async def _run(self) -> None:
        try:
            while self._waiting:
                work, reply, apart = self._waiting.popleft()
                if apart:
                    task = asyncio.create_task(settle(work, reply))
                    self._apart[task] = reply
                    task.add_done_callback(self._done)
                else:
                    await settle(work, reply)
        finally:
            self._runner = None
            self._look()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._apart.pop(task, None)
        self._look()

    def _look(self) -> None:
        if self._runner is None and not self._apart and not self._waiting:
            self._on_idle()


async def settle(work: Work, reply: Reply[Any]) -> None:
    """Answer `reply` with what `work` gives or raises."""
    try:
        reply.set(await work())
    except asyncio.CancelledError:
        reply.set_error(RuntimeClosed("stopped"))
        raise
    except Exception as error:
        reply.set_error(error)
