"""Pipelines that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ...actors.session.pipeline import Turn
from .gate import Gate


class Hang:
    """A cue: wait for ever, and end as soon as the turn is cancelled."""


class Deaf:
    """A cue: wait until `gate` opens, and take no notice of being cancelled meanwhile.

    Whatever stands behind it is done all the same; the fence keeps it out of the transcript.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate


async def act(cue: Any) -> AsyncGenerator[Any, None]:
    """Do what one cue says: yield an output, raise an exception of any kind, wait, or hang."""
    if isinstance(cue, BaseException):
        raise cue
    if isinstance(cue, Gate):
        await cue.passed()
    elif isinstance(cue, Deaf):
        waiting = asyncio.ensure_future(cue.gate.passed())
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                continue
    elif isinstance(cue, Hang) or cue is Hang:
        await asyncio.get_running_loop().create_future()
    else:
        yield cue


def scripted(*cues: Any) -> Any:
    """A pipeline that does the same in every turn.

    A cue is an output (text, `ToolCall`, `ToolResult`, `RequestApproval`, ...), an exception of any
    kind to raise, a `Gate` to wait at, `Hang`, or `Deaf`. A turn that goes on after an approval
    does what stands behind the request.
    """

    async def pipeline(turn: Turn) -> AsyncIterator[Any]:
        start = 0 if turn.decisions is None else _after_request(cues)
        for cue in cues[start:]:
            async for output in act(cue):
                yield output

    return pipeline


def _after_request(cues: tuple[Any, ...]) -> int:
    kinds = [type(cue).__name__ for cue in cues]
    return kinds.index("RequestApproval") + 1 if "RequestApproval" in kinds else 0


class Script:
    """A pipeline that a test steps: each turn waits for its next `cue`; None ends it.

    `turns` are those that were begun, in order, `closed` the ids of those whose pipeline has ended.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.closed: list[int] = []
        self._queues: dict[tuple[str, int], asyncio.Queue[Any]] = {}

    async def __call__(self, turn: Turn) -> AsyncIterator[Any]:
        self.turns.append(turn)
        queue = self._queue(turn.session_id, turn.id)
        try:
            while (cue := await queue.get()) is not None:
                async for output in act(cue):
                    yield output
        finally:
            self.closed.append(turn.id)

    def cue(self, session: str, turn: int, *cues: Any) -> None:
        """Have a turn do these one by one, now or when it comes to them (see `scripted`)."""
        for cue in cues:
            self._queue(session, turn).put_nowait(cue)

    def _queue(self, session: str, turn: int) -> asyncio.Queue[Any]:
        return self._queues.setdefault((session, turn), asyncio.Queue())
