"""The voice phase of one activation, and how people, pipelines and turns move it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import Refused
from ..kernel.mailbox import Mail
from ..ports import UserId
from .answers import PhaseReceipt, Receipt
from .events import Durable, Event, PhaseChanged, SessionEnded, TurnEnded, TurnStarted
from .messages import SetPhase, Touch
from .outbox import Held, Outbox
from .outputs import Kept
from .phases import CONVERSING, Phase, move
from .rules.voice import current_turn, set_phase, touch
from .stage import Stage
from .state import State
from .transcript import Message, PhaseChange


class Voice:
    """The phase of a session while it is on stage. Never journaled: a session wakes at `init`.

    It moves by the table in `phases`. In listening, processing and speaking the running turn moves
    it too: by its start, its first text, and its end. `touched_ms` is when a participant has last
    set a phase, or shown to be there.
    """

    __slots__ = ("_outbox", "_stage", "phase", "touched_ms")

    def __init__(self, stage: Stage, outbox: Outbox) -> None:
        self.phase: Phase = "init"
        self.touched_ms = 0
        self._stage = stage
        self._outbox = outbox

    def take(self, state: State, mail: Mail) -> None:
        """Do what a participant asks for, and answer, after all that was decided before it."""
        reply: Any = mail.reply_to
        stats = self._stage.stats
        stats.commands += 1
        try:
            if type(mail.message) is Touch:
                answer: object = self._touch(state, mail.message)
            else:
                answer = self._set(state, mail.message)
        except Refused as refusal:
            stats.refused += 1
            answer = refusal
        self._outbox.put(Held(reply=reply, answer=answer))

    def change(self, state: State, turn: int, to: Phase) -> None:
        """The running turn's pipeline moves the session. Raises WrongPhase.

        While nobody is connected, as after the session was passivated, there is nothing to move.
        """
        if self.phase == "init" and to != "connected":
            return
        self._publish(self._moved(move(state.id, self.phase, to), turn))

    def heralded(self, state: State, outputs: Iterable[Kept]) -> Iterator[Kept]:
        """The outputs of the running turn, with a change to speaking before its first text."""
        for output in outputs:
            if self.phase == "processing" and _speaks(state, output):
                yield PhaseChange("speaking")
            yield output

    def accompany(self, state: State, events: Sequence[Durable]) -> Sequence[Event]:
        """`events`, not yet folded, and the change of phase that is published with them.

        One step makes one change at most: between a turn and its successor nobody is told to
        listen, and a turn that has a successor never tells (spec, barge-in).
        """
        running = state.running.turn if state.running is not None else None
        to, of, place = self.phase, 0, 0
        for index, event in enumerate(events):
            match event:
                case TurnEnded(turn=turn) if turn == running:
                    to, of, place = "listening", turn, index + 1
                case TurnStarted(turn=turn):
                    to, of, place = "processing", turn, index + 1
                case SessionEnded():
                    to, of, place = "closed", 0, index  # nothing is published after the end
                case _:
                    continue
        if to != "closed" and self.phase not in CONVERSING:
            return events
        return (*events[:place], *self._moved(to, of), *events[place:])

    def _touch(self, state: State, message: Touch) -> Receipt:
        touch(state, message)
        self.touched_ms = self._stage.clock.now_ms()
        return Receipt(revision=state.revision)

    def _set(self, state: State, message: SetPhase) -> PhaseReceipt:
        to = set_phase(state, message, self.phase)
        if to is not None:
            self.touched_ms = self._stage.clock.now_ms()
            self._publish(self._moved(to, current_turn(state) or 0, message.user))
        return PhaseReceipt(phase=self.phase, taken=to is not None)

    def _moved(self, to: Phase, turn: int, user: UserId | None = None) -> tuple[PhaseChanged, ...]:
        """What tells of the move; nothing, if the session is in that phase already."""
        if to == self.phase:
            return ()
        self.phase = to
        return (PhaseChanged(phase=to, turn=turn, user=user),)

    def _publish(self, changes: tuple[PhaseChanged, ...]) -> None:
        if changes:
            self._outbox.put(Held(changes, self._stage.clock.now_ms()))


def _speaks(state: State, output: Kept) -> bool:
    """Whether it is text of the running turn: a message with another key is a late answer.

    What a compaction says, nobody hears.
    """
    if state.running is not None and state.running.kind == "compaction":
        return False
    if isinstance(output, Message):
        own = "" if state.running is None else state.running.answer_key
        return output.key in ("", own)
    return isinstance(output, str)
