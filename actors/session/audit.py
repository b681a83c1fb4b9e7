"""Whether a transcript is one that the next model call can be made with (promise P19)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from .state import State
from .transcript import Line, Message, ToolCall, ToolResult

Call: TypeAlias = tuple[int, str]
"""A call's turn and id."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is wrong, and with which line of the transcript, counted from 0."""

    line: int
    what: str


class TranscriptReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a transcript of so many `lines` is valid, and what is wrong with it, in order.

    In a valid one every tool call has exactly one result or stub, after it, and before anything
    is said; there is no result without its call; and no id is used twice in a turn. Calls of a
    turn that runs still, or is suspended, may be open.
    """

    valid: bool
    lines: int
    problems: tuple[Problem, ...]


def report(state: State) -> TranscriptReport:
    """The report on a session's transcript as it stands now."""
    problems = audit(state.history, state.running.turn if state.running else None)
    return TranscriptReport(valid=not problems, lines=len(state.history), problems=problems)


def audit(history: Sequence[Line], live: int | None = None) -> tuple[Problem, ...]:
    """What is wrong with a transcript; `live` is the turn that may have open calls."""
    audited = _Audit()
    for index, line in enumerate(history):
        audited.read(index, line)
    return audited.end(live)


class _Audit:
    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._called: dict[Call, int] = {}  # the line of each call
        self._open: dict[Call, int | None] = {}  # where something was said since, if it was
        self._unheard: list[Call] = []  # open calls since which nothing was said

    def read(self, index: int, line: Line) -> None:
        match line:
            case Message():
                for call in self._unheard:
                    if call in self._open:
                        self._open[call] = index
                self._unheard.clear()
            case ToolCall():
                self._call(index, (line.turn, line.id))
            case ToolResult():
                self._result(index, (line.turn, line.id))

    def end(self, live: int | None) -> tuple[Problem, ...]:
        for call in self._open:
            if call[0] != live:
                self._add(self._called[call], f"{_name(call)} has no result")
        return tuple(sorted(self._problems, key=lambda problem: problem.line))

    def _call(self, index: int, call: Call) -> None:
        if call in self._called:
            self._add(index, f"{_name(call)} was made before, at line {self._called[call]}")
            return
        self._called[call] = index
        self._open[call] = None
        self._unheard.append(call)

    def _result(self, index: int, call: Call) -> None:
        if call not in self._called:
            self._add(index, f"{_name(call)} has a result, but was not made before")
        elif call not in self._open:
            self._add(index, f"{_name(call)} has a result already")
        elif (said := self._open.pop(call)) is not None:
            self._add(index, f"{_name(call)} has a result only after line {said} was said")

    def _add(self, index: int, what: str) -> None:
        self._problems.append(Problem(line=index, what=what))


def _name(call: Call) -> str:
    return f"call {call[1]} of turn {call[0]}"
