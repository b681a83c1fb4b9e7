"""P4: every ask completes, once, with an answer or a typed error. P5: a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....actors.errors import GreenroomError, OutcomeUnknown
from .base import Promise


class EveryAskCompletes(Promise):
    code = "P4"

    def answered(self, asked: Any) -> None:
        error = asked.error
        typed = error is None or isinstance(error, GreenroomError)
        self.require(typed, f"{asked!r} was answered with {error!r}")

    def answered_twice(self, asked: Any) -> None:
        # That the time is up two activations may say of one who waits; nobody hears the second.
        once = asked.lost or asked.call == "settled"
        self.require(once, f"{asked!r} was answered twice")

    def rested(self) -> None:
        # Who waits for a turn at a process that another one has fenced waits until it stops.
        self._require_answers(
            lambda asked: asked.process.alone or asked.call not in ("result", "settled", "stopped")
        )

    def end(self) -> None:
        self._require_answers(lambda _: True)
        for asked in self.house.said.values():
            if asked.error is not None and not isinstance(asked.error, OutcomeUnknown):
                tale = self.house.tale(asked.session)
                changed = tale is not None and tale.texts[asked.text]
                self.require(not changed, f"{asked!r} was refused: {asked.error!r}, and done")

    def _require_answers(self, due: Callable[[Any], bool]) -> None:
        for asked in self.house.asked:
            answered = asked.reply.done or asked.lost or not due(asked)
            self.require(answered, f"{asked!r} was never answered")
