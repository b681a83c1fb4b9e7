"""The running turn: one task that drives a pipeline from start to close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

import msgspec
import structlog

from ..errors import InvalidInput, text_of
from ..kernel.mailbox import Mailbox
from .pipeline import Stream, Turn
from .transcript import Message, TextDelta, ToolCall, ToolResult
from .values import plain, text

WINDOW: Final = 64
"""Outputs a pipeline may be ahead of its session: past that it waits."""

Kept: TypeAlias = str | Message | ToolCall | ToolResult

log = structlog.get_logger()


class TurnOutput(msgspec.Struct, frozen=True):
    """The run has outputs to take, or has ended. At most one of these is in the mailbox.

    The stamp is the fence: a run whose stamp is not the session's current one is not listened to.
    """

    epoch: int
    turn: int
    attempt: int


class TurnRun:
    """One attempt of one turn.

    The task only collects outputs, checked and copied, and sends one system message when there
    is something to take. A pipeline that yields faster than its session takes waits for it, so
    the mailbox stays short and other sessions get their share of the loop.

    `said` is the text that is in no event yet; it has been published, unless the run is `silent`,
    as what it says is no answer. `ended` is how the pipeline ended, None while it runs.
    """

    def __init__(self, turn: Turn, stream: Stream, mailbox: Mailbox, epoch: int) -> None:
        self.turn = turn.id
        self.stamp = TurnOutput(epoch, turn.id, turn.attempt)
        self.silent = turn.kind == "compaction"
        self.said: list[str] = []
        self.ended: tuple[Literal["completed", "failed"], str] | None = None
        self._mailbox = mailbox
        self._outputs: list[Kept] = []
        self._room: asyncio.Future[None] | None = None
        self._signalled = False
        self._cancelled = False
        self._task = asyncio.get_running_loop().create_task(self._drive(turn, stream))

    def take(self) -> list[Kept]:
        """What the pipeline has yielded since the last call; lets it go on."""
        outputs, self._outputs = self._outputs, []
        self._signalled = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        return outputs

    def cancel(self) -> None:
        """Stop the pipeline. Whatever it does about it, nobody listens any more."""
        self._cancelled = True
        self._task.cancel()

    async def _drive(self, turn: Turn, stream: Stream) -> None:
        outputs: AsyncIterator[Any] | None = None
        try:
            outputs = stream(turn)
            async for output in outputs:
                if self._cancelled:
                    break
                self._keep(output)
                if len(self._outputs) >= WINDOW:
                    await self._wait_for_room()
            self.ended = ("completed", "")
        except BaseException as error:  # whatever it is, it ends this turn only (promise P17)
            self.ended = ("failed", text_of(error))
            if not self._cancelled:
                with suppress(BaseException):  # a log that fails must not keep the turn from ending
                    log.info("turn_failed", turn=self.turn, session=turn.session_id, exc_info=error)
        self._signal()
        await _close(outputs)

    def _keep(self, output: Any) -> None:
        kept = check_output(output)
        if kept != "":
            self._outputs.append(kept)
            self._signal()

    def _signal(self) -> None:
        if not self._signalled:
            self._signalled = True
            self._mailbox.signal(self.stamp)

    async def _wait_for_room(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        await self._room


def check_output(output: Any) -> Kept:
    """A pipeline's output with its free-form values copied. Raises InvalidInput."""
    match output:
        case str():
            return text(output, "text")
        case TextDelta(text=piece):
            return text(piece, "text")
        case Message(text=whole):
            text(whole, "message text")
            return output
        case ToolCall(name=tool, arguments=arguments, id=call):
            if type(arguments) is not dict:
                raise InvalidInput("arguments", type(arguments).__name__, "a dict")
            copied = plain(arguments, "arguments")
            return ToolCall(name=text(tool, "tool name"), arguments=copied, id=text(call, "id"))
        case ToolResult(value=value, id=call, failed=failed):
            if type(failed) is not bool:
                raise InvalidInput("failed", failed, "True or False")
            return ToolResult(value=plain(value, "value"), id=text(call, "id"), failed=failed)
        case _:
            limit = "a str, TextDelta, ToolCall, ToolResult or Message"
            raise InvalidInput("pipeline output", type(output).__name__, limit)


async def _close(outputs: AsyncIterator[Any] | None) -> None:
    """Close the pipeline's generator in the task that ran it."""
    close = getattr(outputs, "aclose", None)
    if close is None:
        return
    try:
        await close()
    except BaseException as error:
        with suppress(BaseException):
            log.info("pipeline_refused_to_close", error=text_of(error))
