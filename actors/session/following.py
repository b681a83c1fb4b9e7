"""The session actor's part on the hooks that follow it: what they are told, and when."""

from __future__ import annotations

from .events import TurnEnded, TurnStarted
from .hooks import turn_told
from .info import info
from .part import Part
from .reasons import ActivationReason, PassivationReason


class Following(Part):
    """What one activation tells the hooks of its runtime; with none, nothing is made for them."""

    came = ActivationReason.MESSAGE
    """Why it has come on stage, if a hook is to hear of it."""

    def tell_activated(self) -> None:
        """It is on stage, and has done nothing yet."""
        backstage = self._stage.backstage
        if backstage is not None and (hook := backstage.follow.on_activate) is not None:
            backstage.tell(self.state.id, "on_activate", hook, info(self.state), self.came)

    def tell_passivated(self, reason: PassivationReason) -> None:
        """It has left in order; all that it has decided is durable."""
        backstage = self._stage.backstage
        if backstage is not None and (hook := backstage.follow.on_passivate) is not None:
            backstage.tell(self.state.id, "on_passivate", hook, info(self.state), reason)

    def tell_turn(self, event: TurnStarted | TurnEnded) -> None:
        """A turn has started or ended, durably."""
        backstage = self._stage.backstage
        if backstage is not None and (hook := backstage.follow.on_turn) is not None:
            told = turn_told(self.state.id, self.state.owner, event)
            backstage.tell(self.state.id, "on_turn", hook, *told)
