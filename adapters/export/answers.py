"""What was said in each turn of a session, and what its model had seen before: what is judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from ...actors.session.state import State
from ...actors.session.transcript import Line, Message, ToolCall, ToolResult, own
from ...actors.session.view import delivered, is_input, lines_of, start_of
from .past import Past, Pasts, lines_upto


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that a pipeline has said and called in `turn`: those from `begin` to `end` of `lines`,
    which are the turn's own. Before them its model saw `past`.

    `status` is how the turn has ended; empty while it runs, or if nobody knows any more.
    """

    turn: int
    past: Past
    lines: tuple[Line, ...]
    begin: int
    end: int
    status: str = ""

    @property
    def said(self) -> tuple[Line, ...]:
        """The piece itself, copied out."""
        return tuple(map(own, self.lines[self.begin : self.end]))

    @property
    def has_text(self) -> bool:
        """Whether anything is said in it."""
        return any(isinstance(line, Message) for line in self.lines[self.begin : self.end])

    def context(self, *, cut: bool) -> tuple[Line, ...]:
        """All that stood before it, as its model saw it, copied out.

        With `cut` it saw of earlier answers what their readers had (setting `cut_undelivered`).
        """
        past: Iterable[Line] = lines_upto(self.past)
        past = map(delivered, past) if cut else past
        return tuple(map(own, (*past, *self.lines[: self.begin])))

    def asked(self, since: int = 0) -> str:
        """What the people have said to which it is the answer, from line `since` of the turn on."""
        begin = self.begin
        while begin > since and is_input(self.lines[begin - 1]):
            begin -= 1
        return "\n\n".join(
            line.text for line in self.lines[begin : self.begin] if isinstance(line, Message)
        )

    def last_text(self) -> Piece:
        """What is said in it after the last tool was called."""
        begin = self.end
        while begin > self.begin and isinstance(self.lines[begin - 1], Message):
            begin -= 1
        return msgspec.structs.replace(self, begin=begin)


class _Over(msgspec.Struct):
    """A turn that has ended: what it has in the transcript, whatever became of that later."""

    past: Past
    lines: tuple[Line, ...]
    status: str


class Answers:
    """Follows the turns of a session; whoever folds it says when something happens to one.

    Of turns that ended before the first state, what their model saw is what stands before them
    there: no event tells whether it saw something else.
    """

    def __init__(self, state: State) -> None:
        self._pasts = Pasts()
        self._before: dict[int, Past] = {}
        self._over: dict[int, _Over] = {}
        found: dict[int, list[int]] = {}
        for index, line in enumerate(state.history):
            found.setdefault(line.turn, []).append(index)
        for turn, places in found.items():
            if turn and not state.is_pending(turn):
                past = self._pasts.upto(state.history, places[0])
                lines = tuple(state.history[place] for place in places)
                outcome = state.outcomes.get(turn)
                self._over[turn] = _Over(past, lines, outcome.status if outcome else "")
        if state.running is not None:
            self.begin(state, state.running.turn)

    def begin(self, state: State, turn: int) -> None:
        """The turn begins, or begins anew: its pipeline sees what stands before it now."""
        start = start_of(state.history, turn)
        self._before[turn] = self._pasts.upto(state.history, start)

    def end(self, state: State, turn: int, status: str) -> None:
        """The running turn is over."""
        lines = tuple(lines_of(state.history, turn))
        self._over[turn] = _Over(self._before.pop(turn, None), lines, status)

    def add_late(self, message: Message) -> None:
        """An answer has come to a turn that was interrupted before it had one, or had all of it."""
        if (over := self._over.get(message.turn)) is not None:
            over.lines = (*over.lines, message)

    def remove(self, gone: Collection[Line]) -> None:
        """The lines are out of view: nobody judges them any more."""
        ids = set(map(id, gone))
        for turn in {line.turn for line in gone} & self._over.keys():
            over = self._over[turn]
            over.lines = tuple(line for line in over.lines if id(line) not in ids)
            if not over.lines:
                del self._over[turn]

    def drop(self, turn: int) -> None:
        """The whole turn is out of view."""
        self._over.pop(turn, None)

    def pieces(self, turn: int) -> list[Piece]:
        """What was said in an ended turn: a piece after each time that somebody was heard."""
        over = self._over.get(turn)
        if over is None:
            return []
        spans = _spans(over.lines)
        return [
            Piece(
                turn=turn,
                past=over.past,
                lines=over.lines,
                begin=begin,
                end=end,
                status=over.status,
            )
            for begin, end in spans
        ]

    def cut_short(self, turn: int) -> Piece | None:
        """What was being said as the turn ended, if anything."""
        pieces = self.pieces(turn)
        return pieces[-1] if pieces and pieces[-1].end == len(pieces[-1].lines) else None

    def last(self) -> Piece | None:
        """The last answer in view that says something."""
        return next((piece for turn in reversed(self._over) if (piece := self.of(turn))), None)

    def of(self, turn: int) -> Piece | None:
        """The last thing said in an ended turn, with the calls before it, if anything was said."""
        return next((piece for piece in reversed(self.pieces(turn)) if piece.has_text), None)

    def suspended(self, state: State, turn: int) -> Piece:
        """The calls that the suspended turn waits with, and those made with them."""
        lines = tuple(lines_of(state.history, turn))
        begin = _before_open(lines, state.open_calls)
        past = self._before.get(turn)
        return Piece(turn=turn, past=past, lines=lines, begin=begin, end=len(lines))


def _spans(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """From where to where nobody but the pipeline says and does something."""
    ends = [index for index, line in enumerate(lines) if is_input(line)]
    begins = [0, *(index + 1 for index in ends)]
    spans = zip(begins, [*ends, len(lines)], strict=True)
    return [(begin, end) for begin, end in spans if begin < end]


def _before_open(lines: Sequence[Line], unanswered: Collection[str]) -> int:
    """The last place before the first unanswered call at which every call has its result."""
    place, waiting = 0, set[str]()
    for index, line in enumerate(lines):
        if not waiting:
            place = index
        if isinstance(line, ToolCall):
            if line.id in unanswered:
                break
            waiting.add(line.id)
        elif isinstance(line, ToolResult):
            waiting.discard(line.id)
    return place
