"""A turn as its pipeline sees it, and every kind of pipeline as one kind of stream."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from ..kernel.reply import Reply
from ..ports import Pipeline, SessionId, UserId
from .calls import in_a_thread
from .dialog import exchanges
from .events import Exchange, TurnKind
from .frames import Frame
from .state import PendingTurn, State
from .transcript import Line, Message, RequestApproval, own
from .values import copied
from .view import delivered, inputs_of, outputs_of, start_of
from .wakes import Firing


class Turn:
    """What a pipeline is invoked with.

    `id` counts a session's turns from 1; `attempt` is greater than 1 when an earlier attempt was
    lost in a crash. `input` is the message to answer, `user` its author; of several that were
    merged, or came in while an earlier attempt ran, `inputs` are the single ones.

    `kind` is `answer`, or `greeting`, `compaction` or `wake`: then `input` is what was asked for,
    and it is in nobody's transcript. What a compaction is to summarise is its `history`.
    `answer_key` is the key that the sender has given to the answer; if it is `keyed_only`, text
    without that key is dropped, as an earlier answer was interrupted.

    `wake` is the timer that has begun a turn of the kind `wake`, with what it carries; its `input`
    is that, if it is text, or else the name of the timer. `user` has set it, and may have left.

    When the turn goes on after an approval, `decisions` are those on its calls, by their ids,
    `saved` is what was saved with the request, and `progress` what the turn has in the transcript.

    `waited_s` is for how long the message has waited, in seconds; 0 if it has not, there is none,
    or the turn goes on or is tried again.

    `resources` is what the runtime's factory has made for this session; it is closed when no
    pipeline of this activation runs any more.
    """

    wake: Firing | None = None
    waited_s: float = 0.0

    def __init__(
        self,
        state: State,
        running: PendingTurn,
        look: Callable[[float | None], tuple[Frame, ...]] = lambda _: (),
        resources: Any = None,
    ) -> None:
        self.session_id: SessionId = state.id
        self.id: int = running.turn
        self.attempt: int = running.attempt
        self.kind: TurnKind = running.kind
        self.user: UserId = running.user
        self.answer_key: str = running.answer_key
        self._context = state.context  # whatever changes it makes a new one
        self.resources: Any = resources
        # While this turn runs nothing is put before its input, and whatever rewrites a history
        # makes a new list: up to there, this one is frozen and need not be copied.
        self._lines = state.history
        compacts = running.kind == "compaction"
        self._end = running.kept if compacts else start_of(state.history, running.turn)
        self._dialog, self._outcomes = state.dialog, state.outcomes
        self.inputs: tuple[Message, ...] = tuple(inputs_of(state.history, running.turn))
        self.input: Message = _input(self.inputs, running)
        # After a barge-in, text must say which answer it belongs to (spec, barge-in).
        self.keyed_only: bool = bool(running.answer_key and state.aborted)
        self._cut: bool = state.settings.cut_undelivered
        self._steer: Callable[[], Reply[tuple[Message, ...]]] | None = None
        self._look = look
        self.decisions: dict[str, bool] | None = None
        self.saved: Any = None
        self.progress: tuple[Line, ...] = ()
        if running.kind == "wake" and state.wakes is not None:
            self._wake(state.wakes.firings[running.turn])
        if running.resume is not None:
            self.decisions = dict(running.resume.decisions or {})
            self.saved = copied(running.resume.saved)
            self.progress = tuple(map(own, outputs_of(state.history, running.turn)))

    def _wake(self, firing: Firing) -> None:
        """Nobody has said anything: the timer is all there is to go by."""
        told = self.wake = msgspec.structs.replace(firing, payload=copied(firing.payload))
        text = told.payload if type(told.payload) is str else told.name
        self.input = Message(role="system", text=text, turn=self.id)

    def __repr__(self) -> str:
        return f"<Turn {self.id} of session {self.session_id}>"

    @cached_property
    def context(self) -> dict[str, Any]:
        """A copy of the session's shared context, as it was when the turn began."""
        return copied(self._context)  # type: ignore[no-any-return]

    @cached_property
    def dialog(self) -> tuple[Exchange, ...]:
        """The dialog context: as it was set, or else the pairs in `history` that the session
        remembers (those of its last 32 turns that completed)."""
        if self._dialog is not None:
            return tuple(self._dialog)
        return exchanges(self._lines[: self._end], self._outcomes)

    @cached_property
    def history(self) -> Sequence[Line]:
        """The transcript before `input`, oldest first: messages, tool calls and their results.

        With `cut_undelivered`, an answer that was interrupted ends where its readers have come to.
        """
        lines = map(own, self._lines[: self._end])
        return tuple(map(delivered, lines) if self._cut else lines)

    def steering(self) -> Reply[tuple[Message, ...]]:
        """The messages sent to steer this turn (policy `steer`) that it has not had yet.

        Ask at a safe point, as between two calls of a model: `await` it, or `get()` it in a thread.
        Whoever is handed a message here has it to himself, durably: it is part of this turn's
        transcript now. Those that nobody asks for are the next turns. Empty while a tool call is
        open, as nothing may stand between a call and its result, and when the turn has ended.
        """
        if self._steer is not None:
            return self._steer()
        none: Reply[tuple[Message, ...]] = Reply()
        none.set(())
        return none

    def frames(self, ttl_s: float | None = None) -> tuple[Frame, ...]:
        """What the session is shown just now, oldest first: frames that are at most `ttl_s` old.

        Without `ttl_s`, as its settings say. It may be asked again while the turn runs, from any
        thread. Empty if nothing is shown, or nothing any more.
        """
        return self._look(ttl_s)

    def bind(self, steer: Callable[[], Reply[tuple[Message, ...]]]) -> None:
        """Say whom to ask for steering: done once, by the run."""
        self._steer = steer


def _input(inputs: Sequence[Message], running: PendingTurn) -> Message:
    match inputs:
        case [only]:
            return only
        case []:
            return Message(role="system", text=running.prompt, turn=running.turn)
        case _:
            joined = "\n\n".join(message.text for message in inputs)
            return msgspec.structs.replace(inputs[0], text=joined)


Stream: TypeAlias = Callable[[Turn], AsyncIterator[Any]]


def as_stream(pipeline: Pipeline) -> Stream:
    """`pipeline` as a function from a turn to an async iterator of its outputs."""
    called = pipeline if inspect.isroutine(pipeline) else getattr(pipeline, "__call__", pipeline)  # noqa: B004
    if inspect.isasyncgenfunction(pipeline) or inspect.isasyncgenfunction(called):
        return pipeline
    if inspect.iscoroutinefunction(pipeline) or inspect.iscoroutinefunction(called):
        return _Awaited(pipeline)
    return _Threaded(pipeline)


class _Awaited:
    """A pipeline that is awaited and returns its outputs."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def __call__(self, turn: Turn) -> AsyncIterator[Any]:
        async with aclosing(_each(await self._pipeline(turn))) as outputs:
            async for output in outputs:
                yield output


class _Threaded:
    """A pipeline that blocks, in a thread of its own."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def __call__(self, turn: Turn) -> AsyncIterator[Any]:
        done = in_a_thread(lambda: self._call(turn), f"turn {turn.session_id}/{turn.id}")
        try:
            result, error = await asyncio.shield(done)
        except asyncio.CancelledError:
            await done  # a thread cannot be stopped: it has until the run is given up on
            raise
        if error is not None:
            raise error
        async with aclosing(_each(result)) as outputs:
            async for output in outputs:
                yield output

    def _call(self, turn: Turn) -> Any:
        result = self._pipeline(turn)
        return _taken(result) if inspect.isgenerator(result) else result


def _taken(generator: Generator[Any, Any, Any]) -> list[Any]:
    """What the generator yields, up to a request for approval: after that it is asked no more."""
    outputs = []
    for output in generator:
        outputs.append(output)
        if isinstance(output, RequestApproval):
            generator.close()
    return outputs


async def _each(result: Any) -> AsyncGenerator[Any, None]:
    """The outputs in what a pipeline returned: nothing, one, several, or a stream of them.

    A stream is closed with this one, in the task that drives both, however far it was read.
    """
    if hasattr(result, "__aiter__"):
        try:
            async for output in result:
                yield output
        finally:
            if hasattr(result, "aclose"):
                await result.aclose()
    elif isinstance(result, list | tuple):
        for output in result:
            yield output
    elif result is not None:
        yield result
