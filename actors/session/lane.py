"""The turns of one activation: which pipeline is heard, and which ones are still stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeAlias
from weakref import WeakMethod

from ..errors import Refused, text_of
from ..kernel.mailbox import Mailbox
from ..kernel.reply import Reply
from .commands import Command, FinishTurn, PlaceAnswer, Record, Steer, Suspend
from .compaction import stream_for
from .events import (
    ApprovalRequested,
    Durable,
    Ephemeral,
    MessagePosted,
    TextStreamed,
    TurnEnded,
    TurnStarted,
    TurnStopped,
)
from .frames import Frame
from .outputs import Kept
from .pipeline import Turn
from .stage import Stage
from .state import State
from .transcript import Message, PhaseChange, RequestApproval
from .turns import TurnOutput, TurnRun
from .voice import Voice


class Host(Protocol):
    """The session actor, as its lane sees it."""

    state: State
    epoch: int
    voice: Voice | None

    def use_voice(self) -> Voice:
        """The session's voice phase."""
        ...

    def run_command(self, command: Command, reply: Any, key: str | None = None) -> None:
        """Decide, journal, fold, and let out what follows when it is durable."""
        ...

    def publish_only(self, event: Ephemeral) -> None:
        """Publish what is not journaled, after all that was decided before it."""
        ...

    def look(self, ttl_s: float | None) -> tuple[Frame, ...]:
        """The recent frames, for a pipeline; called from any thread."""
        ...

    @property
    def resources(self) -> Any:
        """What a pipeline is given to work with."""
        ...


class Lane:
    """At most one run is heard; those that were stopped are waited for, for as long as they may.

    The next pipeline is invoked when the ones before it have stopped or are given up on, so that
    two of a session never use its resources at once; in the mode `omni`, at once (spec, barge-in).
    """

    __slots__ = ("_host", "_mailbox", "_stage", "_stopping", "abandoned", "run", "waiting")

    def __init__(self, host: Host, stage: Stage, mailbox: Mailbox) -> None:
        self.run: TurnRun | None = None
        self.waiting: TurnStarted | None = None
        """It has been started, and its pipeline is not invoked yet."""
        self._host = host
        self._stage = stage
        self._mailbox = mailbox
        self._stopping: list[TurnRun] = []
        self.abandoned: set[int] = set()
        """Turns whose pipelines were given up on: nothing more is begun beside them."""

    @property
    def stopping(self) -> bool:
        """Whether a run that was stopped has not done so yet."""
        return bool(self._stopping)

    @property
    def stuck(self) -> bool:
        """Whether a run was given up on, and nothing is heard or waited for beside it."""
        return bool(self.abandoned) and self.run is None and not self._stopping

    @property
    def said(self) -> Sequence[str]:
        """What the running turn has said and is in no message yet."""
        return () if self.run is None else self.run.said

    @property
    def delivered(self) -> int | None:
        """How much of `said` readers say they have seen, in characters, if they do."""
        run = self.run
        if run is None or run.delivered is None:
            return None
        return max(run.delivered - run.before, 0)

    # --- running ---

    def begin(self, event: TurnStarted) -> None:
        """Invoke the pipeline, unless it has to wait for others, or for a new activation."""
        stopping = self._stopping and self._host.state.settings.mode == "standard"
        if stopping or self.abandoned:
            self.waiting = event
        else:
            self._invoke(event)

    def begin_beside(self) -> None:
        """Begin what waits, beside what was given up on: there is to be no new activation."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._invoke(waiting)

    def _invoke(self, event: TurnStarted) -> None:
        """Invoke the pipeline, unless the turn was ended before its start was durable."""
        host, stage = self._host, self._stage
        running = host.state.running
        if running is None or (running.turn, running.attempt) != (event.turn, event.attempt):
            return
        stream = stream_for(stage, running.kind)
        if stream is None:
            return
        stage.stats.turns_started += 1
        turn = Turn(host.state, running, _while_there(host.look), host.resources)
        if event.attempt == 1 and not event.resumed and turn.inputs:
            turn.waited_s = max(stage.clock.now_ms() - turn.inputs[0].at_ms, 0) / 1000
            stage.timings.waits.add(turn.waited_s)
        self.run = TurnRun(turn, stream, self._mailbox, host.epoch, stage.watchdog)

    def hear(self, stamp: TurnOutput) -> None:
        """Publish and record what the running turn has yielded, then its end."""
        run, host = self.run, self._host
        if run is None or run.stamp != stamp:
            self._stage.stats.stale_outputs += 1
            return
        outputs: Iterable[Kept] = run.take()
        if host.voice is not None:
            outputs = host.voice.heralded(host.state, outputs)
        try:
            for output in outputs:
                if isinstance(output, str):
                    run.said.append(output)
                    if not run.silent:
                        host.publish_only(TextStreamed(run.turn, output))
                elif isinstance(output, PhaseChange):
                    host.use_voice().change(host.state, run.turn, output.phase)
                else:
                    host.run_command(Record(turn=run.turn, output=output), None)
            run.join()
            if isinstance(run.ended, RequestApproval):
                self._suspend(run.turn, run.ended)
                return
        except Refused as refusal:
            self._finish(run, "failed", text_of(refusal))
            return
        if run.ended is not None:
            self._finish(run, *run.ended)

    def _suspend(self, turn: int, request: RequestApproval) -> None:
        expires_s = request.expires_s or self._stage.approval_expires_s
        suspend = Suspend(turn=turn, calls=request.calls, expires_s=expires_s, saved=request.saved)
        self._host.run_command(suspend, None)

    def _finish(self, run: TurnRun, status: Literal["completed", "failed"], reason: str) -> None:
        finish = FinishTurn(turn=run.turn, status=status, reason=reason, cause=run.cause)
        self._host.run_command(finish, None)

    def steer(self, stamp: TurnOutput, reply: Reply[Any]) -> None:
        """Hand the pipeline what it is to be steered by, after what it has said so far."""
        if self._hears(stamp):
            self.hear(stamp)
        if self._hears(stamp):
            self._host.run_command(Steer(turn=stamp.turn), reply)
        else:
            reply.set(())

    def _hears(self, stamp: TurnOutput) -> bool:
        return self.run is not None and self.run.stamp == stamp

    def deliver(self, turn: int, chars: int) -> None:
        """A reader has seen so much of what `turn` has said."""
        run = self.run
        if run is not None and run.turn == turn:
            run.delivered = max(run.delivered or 0, chars)

    def place_late(self, answer: Message) -> None:
        """Place a late answer in the turn that was interrupted. Dropped, if none waits for it."""
        try:
            self._host.run_command(PlaceAnswer(answer=answer), None)
        except Refused:
            self._stage.stats.stale_outputs += 1

    # --- stopping ---

    def fence(self, events: Sequence[Durable]) -> None:
        """Text that became a message is said; a run whose turn has ended, or is suspended, is not
        heard any more."""
        run = self.run
        if run is None:
            return
        for event in events:
            if type(event) is MessagePosted and event.message.turn == run.turn:
                run.record(event.message.text)
            elif isinstance(event, TurnEnded | ApprovalRequested) and event.turn == run.turn:
                self._stage.timings.turns.add(self._stage.clock.monotonic() - run.began_s)
                self.stop()
                return

    def stop(self) -> None:
        """Stop the run that is heard, and hear nothing more of it."""
        run, self.run, self.waiting = self.run, None, None
        if run is None:
            return
        run.stop()
        if not run.done:
            self._stopping.append(run)

    def gone(self, stamp: TurnOutput) -> None:
        """Say what became of a run that was stopped; the turn that waited for it begins, unless it
        was given up on: then the session is to be claimed anew first."""
        run = next((run for run in self._stopping if run.stamp == stamp), None)
        if run is None or run.how is None:
            return
        self._stopping.remove(run)
        if run.how == "abandoned":
            self._stage.stats.abandoned_pipelines += 1
            self.abandoned.add(run.turn)
        self._host.publish_only(TurnStopped(turn=run.turn, attempt=stamp.attempt, how=run.how))
        waiting = self.waiting
        if waiting is not None and not self._stopping:
            self.waiting = None
            self.begin(waiting)

    def ask_stopped(self, turn: int, reply: Reply[Any]) -> None:
        """Answer whether the pipeline of the ended `turn` has stopped, when that is known."""
        run = next((run for run in self._stopping if run.turn == turn), None)
        if run is None:
            reply.set("abandoned" if turn in self.abandoned else "stopped")
        elif run.how is not None:  # its notice is still on the way, and its askers are answered
            reply.set(run.how)
        else:
            run.askers.append(reply)

    def on_stopped(self, call: Callable[[], None]) -> None:
        """Call `call` when every run that was stopped has done so or is given up on."""
        stopping = [run for run in self._stopping if run.how is None]
        left = len(stopping)

        def count(_: Reply[Any]) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                call()

        if left == 0:
            call()
            return
        for run in stopping:
            told: Reply[Any] = Reply()
            told.on_done(count)
            run.askers.append(told)


Look: TypeAlias = Callable[[float | None], tuple[Frame, ...]]


def _while_there(look: Look) -> Look:
    """`look`, until its session has left: a turn that somebody keeps holds no activation (AX16)."""
    found = WeakMethod(look)

    def frames(ttl_s: float | None) -> tuple[Frame, ...]:
        there = found()
        return () if there is None else there(ttl_s)

    return frames
