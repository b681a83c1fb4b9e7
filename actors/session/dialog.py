"""The dialog context: the pairs of question and answer that a pipeline goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .events import Exchange
from .state import Outcome, State
from .transcript import Line, Message


def dialog(state: State) -> tuple[Exchange, ...]:
    """What was set, or else what the transcript holds of the turns that the session remembers."""
    return exchanges(state.history, state.outcomes) if state.dialog is None else (*state.dialog,)


def exchanges(lines: Iterable[Line], outcomes: Mapping[int, Outcome]) -> tuple[Exchange, ...]:
    """The completed turns among `lines` in which somebody asked and was answered, in order.

    A turn that was cut short, or is not over, is no pair; nor is a greeting, as nobody asked.
    """
    asked: dict[int, list[str]] = {}
    said: dict[int, list[str]] = {}
    for line in lines:
        if isinstance(line, Message) and line.role != "system":
            texts = asked if line.role == "user" else said
            texts.setdefault(line.turn, []).append(line.text)
    return tuple(
        Exchange(user="\n\n".join(asked[turn]), assistant="".join(said[turn]))
        for turn in asked
        if turn in said and _completed(outcomes.get(turn))
    )


def _completed(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.status == "completed"
