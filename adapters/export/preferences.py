"""Preferences derived from what people did: interrupt, take back, edit, ask again, decide, judge.

Nothing is asked of anybody and nothing guessed: an act that does not tell which of two answers
somebody prefers, or whether one was good, is none.

- What was being said when a person ended its turn, to go on with another message or with nothing,
  is rejected. If nothing had been said since that person was heard, nothing is.
- An answer that is taken back (undo) is rejected. If the next message has the same text, the
  person asks for another answer (regenerate): that one is chosen, if its turn completes, it was
  given in the same context, and it stands: a further message follows, or nothing. If the next
  message has another text it is the prompt that was edited: to that one the new answer answers,
  so it is not chosen. A rollback, and the interaction `regenerate`, are read the same way.
- An interrupted answer whose question is asked again is read so too, although the new answer also
  saw the cut one.
- Truncating tells nothing of all that it takes back, unless the same message follows: then it is
  the answer to that one that was rejected.
- The interactions `edit` and `regenerate` with a content: it is chosen, the answer rejected. Of an
  answer that called tools it is what was said after the last one.
- Calls are chosen or rejected by who decides on them. An approval that expired tells nothing.
- Feedback `correct` chooses, `incorrect` rejects the answer. `partial`, or any other, does neither.

An interaction is about the turn that it names, with the metadata `turn` (also within `context`, as
`add_feedback` has it), or with the node `turn:3` or `3`; else about the last answer before it. What
is out of view by then, or not over, cannot be judged; nor can interactions whose events, but for
themselves, are no longer kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...actors.session.entry import Entry
from ...actors.session.events import (
    ApprovalDecided,
    InteractionRecorded,
    MessagePosted,
    TranscriptCut,
    TurnEnded,
    TurnRolledBack,
    TurnStarted,
    TurnSteered,
)
from ...actors.session.fold import fold_entry
from ...actors.session.state import State
from ...actors.session.view import is_standing
from ...supervisor.recording import Recording
from .acts import Act, Acts
from .answers import Answers
from .judgements import content_of, decided, judged, named_turn
from .preference import Preference as Preference
from .preference import preference_wire as preference_wire


def preferences_of(recording: Recording) -> Iterator[Preference]:
    """What people preferred in a session, each as soon as the events tell.

    Takes time linear in the events; a context is made only for a preference. Nothing is changed.
    """
    state = recording.at_first()
    reader = _Reader(state)
    for entry in recording.entries:
        yield from reader.read(state, entry)
        fold_entry(state, entry)
    yield from reader.acts.end()


class _Reader:
    """Reads each event with the state before it."""

    def __init__(self, state: State) -> None:
        self._answers = Answers(state)
        self.acts = Acts(state, self._answers)

    def read(self, state: State, entry: Entry) -> Iterator[Preference]:
        """What `entry` makes known."""
        match entry.event:
            case TurnStarted(turn=turn, kind="answer" | "greeting", resumed=""):
                self._answers.begin(state, turn)
            case TurnEnded():
                yield from self._end(state, entry, entry.event)
            case MessagePosted(message=message) if message.role == "user":
                if message.turn:
                    yield from self.acts.go_on(state, message)
            case MessagePosted(message=message):
                if not state.is_pending(message.turn):
                    self._answers.add_late(message)
            case TurnSteered(turn=turn):
                yield from self.acts.give_up(turn)
            case TurnRolledBack(turn=turn):
                self.acts.roll_back(turn)
                self._answers.drop(turn)
            case TranscriptCut(removed=removed) if removed:
                yield from self._cut(state, entry, entry.event)
            case ApprovalDecided(by=by) if by is not None:
                yield from decided(state, self._answers, entry, entry.event)
            case InteractionRecorded():
                yield from self._interact(state, entry, entry.event)
            case _:
                pass

    def _end(self, state: State, entry: Entry, event: TurnEnded) -> Iterator[Preference]:
        running = state.running
        if running is None or running.turn != event.turn or running.kind == "compaction":
            yield from self.acts.give_up(event.turn)
            return
        self._answers.end(state, event.turn, event.status)
        yield from self.acts.answered(event.turn, event.status)
        piece = self._answers.cut_short(event.turn)
        if piece is None:
            return
        # Who ended it is told by the event's reason, or else by the message that went first.
        if event.cause == "superseded":
            act = Act(how="message", piece=piece, asked=piece.asked())
            yield from self.acts.begin(act)
        elif event.cause == "user" and event.reason.startswith("by "):
            by = event.reason.removeprefix("by ")
            act = self.acts.made("cancel", piece, piece.asked(), state, entry, by)
            yield from self.acts.begin(act)

    def _cut(self, state: State, entry: Entry, event: TranscriptCut) -> Iterator[Preference]:
        first = state.history[event.keep]
        gone = [line for line in state.history[event.keep :] if not is_standing(line)]
        yield from self.acts.refute({line.turn for line in gone})
        pieces = self._answers.pieces(first.turn)
        self._answers.remove(gone)
        for piece in pieces:
            place = next(i for i, line in enumerate(piece.lines) if line is first)
            if piece.begin > place:
                asked = piece.asked(place)
                act = self.acts.made(event.why, piece, asked, state, entry, event.by)
                yield from self.acts.begin(act)
                return

    def _interact(
        self, state: State, entry: Entry, event: InteractionRecorded
    ) -> Iterator[Preference]:
        turn = named_turn(event, state.last_turn)
        piece = self._answers.last() if turn is None else self._answers.of(turn)
        if piece is None:
            return
        if event.action == "regenerate" and content_of(event) is None:
            yield from self.acts.refute({piece.turn})
            act = self.acts.made("interaction", piece, piece.asked(), state, entry, event.user)
            yield from self.acts.begin(act)
            return
        preference = judged(state, piece, entry, event)
        if preference is not None:
            if preference.rejected is not None:
                yield from self.acts.refute({piece.turn})
            yield preference
