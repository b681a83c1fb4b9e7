"""The shortest script that still breaks a promise, by delta debugging."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from .rehearsal import Outcome, rehearse
from .steps import Script, Step

ATTEMPTS: Final = 600
"""Scripts that are played at most to find a shorter one."""


def shrink(script: Script, code: str, *, attempts: int = ATTEMPTS) -> tuple[Script, Outcome]:
    """A part of `script` in which the promise `code` is broken still, and what comes of it.

    Leaves out ever smaller runs of steps, from the end to the beginning, until no single step can
    be spared (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, 2002), or
    `attempts` are spent. With fewer steps the seed draws another schedule, so some of what is left
    may be there for the schedule alone. Raises ValueError if `script` itself breaks nothing.
    """
    whole = rehearse(script)
    if whole.broken != code:
        raise ValueError(f"the script does not break {code}")
    search = _Search(script, code, attempts, whole)
    if whole.at is not None:
        search.fails(script.steps[: whole.at])
    size = max(len(search.steps) // 2, 1)
    while size and search.left:
        if not search.without_runs_of(size) or size > 1:
            size //= 2
    return replace(script, steps=search.steps), search.outcome


class _Search:
    """The shortest steps so far."""

    def __init__(self, script: Script, code: str, left: int, outcome: Outcome) -> None:
        self._script, self._code = script, code
        self.left, self.outcome = left, outcome
        self.steps = script.steps

    def fails(self, steps: tuple[Step, ...]) -> bool:
        """Whether these break the promise, too; then they are the shortest so far."""
        self.left -= 1
        outcome = rehearse(replace(self._script, steps=steps))
        if outcome.broken != self._code:
            return False
        self.steps, self.outcome = steps, outcome
        return True

    def without_runs_of(self, size: int) -> bool:
        """Leave out each run of `size` steps that can be spared. False: none could."""
        found = False
        at = len(self.steps) - size
        while at > -size and self.left:
            start = max(at, 0)
            found |= self.fails(self.steps[:start] + self.steps[start + size :])
            at -= size
        return found
