"""What a transcript held up to some line, kept for every turn at the cost of what is new in it."""

from __future__ import annotations

from typing import TypeAlias

from ...actors.session.transcript import Line

Past: TypeAlias = "tuple[Past, Line] | None"
"""A line, and what stands before it; None: nothing does."""


class Pasts:
    """Makes pasts of a transcript that is folded on. They share their beginnings.

    A history that was rewritten is another list: it is compared with the last one, line by line,
    which is what rewriting has cost. One that is the same list has not changed before the line
    up to which it was asked for last: nothing is put before what a running turn was asked.
    """

    def __init__(self) -> None:
        self._history: list[Line] = []
        self._known: list[tuple[Past, Line]] = []

    def upto(self, history: list[Line], end: int) -> Past:
        """The first `end` lines: where the turn that starts now begins."""
        known = self._known
        same = min(end, len(known))
        if history is not self._history:
            same = next((i for i in range(same) if known[i][1] is not history[i]), same)
        del known[same:]
        for line in history[same:end]:
            known.append((known[-1] if known else None, line))
        self._history = history
        return known[-1] if known else None


def lines_upto(past: Past) -> list[Line]:
    """The lines of `past`, oldest first."""
    lines = []
    while past is not None:
        past, line = past
        lines.append(line)
    lines.reverse()
    return lines
