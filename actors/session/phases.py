"""The phases of a voice session, and which may follow which (spec V01, V07, VX19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from ..errors import InvalidInput, WrongPhase
from ..ports import SessionId

Phase: TypeAlias = Literal["init", "connected", "listening", "processing", "speaking", "closed"]
"""init: nobody is there yet. connected: somebody is, and nothing is heard or said. listening: the
user is heard. processing: an answer is being made. speaking: it is being given. closed: the
session has ended; nothing follows."""

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
"""In the order of their numbers, from 0."""

MOVES: Final[Mapping[Phase, frozenset[Phase]]] = {
    "init": frozenset({"connected", "closed"}),
    "connected": frozenset({"listening", "processing", "speaking", "closed"}),
    "listening": frozenset({"connected", "processing", "speaking", "closed"}),
    "processing": frozenset({"listening", "speaking", "closed"}),
    "speaking": frozenset({"listening", "processing", "closed"}),
    "closed": frozenset(),
}

CONVERSING: Final[frozenset[Phase]] = frozenset({"listening", "processing", "speaking"})
"""The phases in which turns move a session by themselves."""


def phase_name(number: int) -> str:
    """The phase with this number, as clients know them; `unknown` if there is none."""
    return PHASES[number] if 0 <= number < len(PHASES) else "unknown"


def move(session: SessionId, now: Phase, to: Phase) -> Phase:
    """`to`, if a session may go there from `now`, or is there. Raises WrongPhase."""
    if to != now and to not in MOVES[now]:
        raise WrongPhase(session, now, to, tuple(phase for phase in PHASES if phase in MOVES[now]))
    return to


def settable(value: Any) -> Phase:
    """`value`, which is a phase that people and pipelines may set. Raises InvalidInput.

    Only the end of the session closes it: a phase does not survive an activation, and an end does.
    """
    for phase in PHASES[:-1]:
        if type(value) is str and value == phase:
            return phase
    raise InvalidInput("phase", value, f"of {', '.join(PHASES[:-1])}; the end of a session is end")
