"""One attempt of one turn: a task that drives a pipeline from start to close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
import structlog

from ..errors import MailboxClosed, TurnOverLimit, text_of
from ..kernel.mailbox import Mail, Mailbox
from ..kernel.reply import Reply
from ..ports import Timer
from .approvals import check_request
from .events import Cause
from .outputs import Kept, check_output, size_of
from .pipeline import Stream, Turn
from .transcript import Message, RequestApproval, TextDelta
from .values import MAX_TEXT_BYTES
from .watchdog import Watchdog

WINDOW: Final = 64
"""Outputs a pipeline may be ahead of its session: past that it waits."""

BATCH: Final = 1024
"""Pieces of text that are joined at a time."""

log = structlog.get_logger()


class TurnOutput(msgspec.Struct, frozen=True):
    """The run has outputs to take, or has ended. At most one of these is in the mailbox.

    The stamp is the fence: a run whose stamp is not the session's current one is not listened to.
    """

    epoch: int
    turn: int
    attempt: int


class RunGone(msgspec.Struct, frozen=True):
    """A run that was stopped is done, or is given up on."""

    stamp: TurnOutput


class TakeSteering(msgspec.Struct, frozen=True):
    """A pipeline asks for the messages that are to steer it."""

    stamp: TurnOutput


class LateAnswer(msgspec.Struct, frozen=True):
    """A pipeline that was stopped has the whole answer nevertheless, and its key."""

    answer: Message


class TurnRun:
    """One attempt of one turn.

    The task only collects outputs, checked and copied, and sends one system message when there
    is something to take. A pipeline that yields faster than its session takes waits for it, so
    the mailbox stays short and other sessions get their share of the loop.

    `said` is the text that is in no event yet; it has been published, unless the run is `silent`,
    as what it says is no answer. `before` counts the characters that are in one, and `delivered`
    those that readers say they have seen of both. `ended` is how the pipeline ended, None while it
    runs: with a request for approval it is closed already. `cause` tells why, if a limit ended it.
    `how` is what became of a run that was stopped, None until that is known.
    """

    def __init__(
        self,
        turn: Turn,
        stream: Stream,
        mailbox: Mailbox,
        epoch: int,
        watchdog: Watchdog,
    ) -> None:
        self.turn = turn.id
        self.stamp = TurnOutput(epoch, turn.id, turn.attempt)
        self.silent = turn.kind == "compaction"
        self.said: list[str] = []
        self.before = sum(len(line.text) for line in turn.progress if isinstance(line, Message))
        self.delivered: int | None = None
        self.ended: tuple[Literal["completed", "failed"], str] | RequestApproval | None = None
        self.cause: Cause | None = None
        self.how: Literal["stopped", "abandoned"] | None = None
        self.askers: list[Reply[Any]] = []
        self._joined = 0
        self._mailbox = mailbox
        self._clock = clock = watchdog.clock
        self._limits = limits = watchdog.limits
        self._key = turn.answer_key
        self._keyed_only = turn.keyed_only
        self._outputs: list[Kept] = []
        self._outputs_left, self._bytes_left = limits.outputs, limits.bytes
        self._room: asyncio.Future[None] | None = None
        self._signalled = False
        self._cancelled = False
        self._closing = False
        self.began_s = self._heard_s = clock.monotonic()
        self._grace: Timer | None = None
        self._watchdog = watchdog
        turn.bind(self._ask_for_steering)
        watchdog.watch(self)
        self._task = asyncio.get_running_loop().create_task(self._drive(turn, stream))

    def join(self) -> None:
        """Join what was said, in batches: a million pieces cost ten times what their text does."""
        said = self.said
        if len(said) - self._joined >= BATCH:
            said[self._joined :] = ["".join(said[self._joined :])]
            self._joined += 1

    def record(self, text: str) -> None:
        """So much of it is in a message now, and what was said is in it."""
        self.before += len(text)
        self.said.clear()
        self._joined = 0

    def take(self) -> list[Kept]:
        """What the pipeline has yielded since the last call; lets it go on."""
        outputs, self._outputs = self._outputs, []
        self._signalled = False
        self._heard_s = self._clock.monotonic()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        return outputs

    @property
    def done(self) -> bool:
        """Whether the task has ended, or is given up on."""
        return self.how is not None or self._task.done()

    def stop(self) -> None:
        """Stop the pipeline. Whatever it does about it, nobody listens any more: the fence.

        Unless it is done already, `RunGone` is sent when it is, or when the grace period is over.
        One that is closing by itself is left to it.
        """
        self._cancelled = True
        self._watchdog.forget(self)
        if self._task.done():
            return
        if not self._closing:
            self._task.cancel()
        self._task.add_done_callback(lambda _: self._gone("stopped"))
        grace_s = self._limits.grace_s
        self._grace = self._clock.call_later(grace_s, lambda: self._gone("abandoned"))

    def _gone(self, how: Literal["stopped", "abandoned"]) -> None:
        if self.how is not None:
            return
        self.how = how
        if self._grace is not None:
            self._grace.cancel()
        if how == "abandoned":
            self._task.cancel()  # once more, for one that waits for a thread
            with suppress(BaseException):
                log.warning("pipeline_abandoned", turn=self.turn, session=self._mailbox.name)
        for reply in self.askers:
            reply.set(how)
        self._mailbox.signal(RunGone(self.stamp))

    async def _drive(self, turn: Turn, stream: Stream) -> None:
        outputs: AsyncIterator[Any] | None = None
        request: RequestApproval | None = None
        try:
            outputs = stream(turn)
            async for output in outputs:
                if self._cancelled:
                    self._hear_late(output)
                    break
                if isinstance(output, RequestApproval):
                    request, self._closing = check_request(output), True
                    await _close(outputs)
                    outputs = None
                    break
                self._keep(output)
                if len(self._outputs) >= WINDOW:
                    await self._wait_for_room()
            self._end(request or ("completed", ""))
        except BaseException as error:  # whatever it is, it ends this turn only (promise P17)
            self._end(("failed", text_of(error)))
            if not self._cancelled:
                with suppress(BaseException):  # a log that fails must not keep the turn from ending
                    log.info("turn_failed", turn=self.turn, session=turn.session_id, exc_info=error)
        self._closing = True
        self._signal()
        await _close(outputs)

    def _end(self, how: tuple[Literal["completed", "failed"], str] | RequestApproval) -> None:
        if self.ended is None:
            self.ended = how

    def _keep(self, output: Any) -> None:
        # Nearly every output is a short plain text: told apart here it costs half (measured).
        if type(output) is str and output.isascii() and len(output) <= MAX_TEXT_BYTES:
            kept: Kept = output
            size = len(output)
        else:
            kept = check_output(output)
            size = size_of(kept)
        if kept == "" or not self._is_meant(output):
            return
        self._outputs_left -= 1
        self._bytes_left -= size
        if self._outputs_left < 0:
            raise TurnOverLimit("outputs", self._limits.outputs)
        if self._bytes_left < 0:
            raise TurnOverLimit("bytes of output", self._limits.bytes)
        self._outputs.append(kept)
        if not self._signalled:
            self._signal()

    def _is_meant(self, output: Any) -> bool:
        """Whether text belongs to this turn: what bears another key does not, and after a barge-in
        what bears none (spec, barge-in). A whole message may belong to an older turn."""
        kind = type(output)
        if kind is str:
            return not self._keyed_only
        if kind is TextDelta and output.key:
            return bool(output.key == self._key)
        if kind is Message and output.key:
            return True
        return not self._keyed_only or kind not in (TextDelta, Message)

    def _hear_late(self, output: Any) -> None:
        """The whole answer, if it bears a key, is placed in its own turn though it comes late.

        Not of a run that was given up on: nobody listens to it any more at all.
        """
        if self.how is None and type(output) is Message and output.key:
            answer = check_output(output)
            assert isinstance(answer, Message)
            self._mailbox.signal(LateAnswer(answer))

    def _ask_for_steering(self) -> Reply[tuple[Message, ...]]:
        reply: Reply[tuple[Message, ...]] = Reply(self._mailbox.dispatcher)
        try:
            self._mailbox.put_system(Mail(TakeSteering(self.stamp), reply))
        except MailboxClosed:
            reply.set(())
        return reply

    def look(self) -> float | None:
        """End the turn if it has taken longer than it may, or else say when to look again."""
        if self.ended is not None:
            return None
        limits, now = self._limits, self._clock.monotonic()
        if self._signalled:  # what it has said waits to be taken: it is not the silent one
            self._heard_s = now
        # Compared as it is added below: rounded otherwise, it might never be due, and look on.
        if now >= self.began_s + limits.wall_s:
            self._time_out(TurnOverLimit("seconds", limits.wall_s))
            return None
        if now >= self._heard_s + limits.silence_s:
            self._time_out(TurnOverLimit("seconds of silence", limits.silence_s))
            return None
        return min(self.began_s + limits.wall_s, self._heard_s + limits.silence_s) - now

    def _time_out(self, error: TurnOverLimit) -> None:
        self._end(("failed", text_of(error)))
        self.cause = "timeout"
        self._signal()

    def _signal(self) -> None:
        if not self._signalled:
            self._signalled = True
            self._mailbox.signal(self.stamp)

    async def _wait_for_room(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        await self._room


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
