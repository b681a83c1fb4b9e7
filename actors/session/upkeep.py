"""The session actor's part on its resources: turns wait for them, and fail without them."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from ..errors import Refused
from ..kernel.mailbox import Mail
from .commands import FinishTurn, LoseResources, Recover
from .events import Event, ResourcesFailed, SessionReady, TurnStarted
from .legacy import Legacy
from .outbox import Held
from .part import Phase
from .permitted import Permitted
from .resources import Resources, Status
from .rules.checks import require_host, require_member, require_state
from .rules.rooms import OPEN

READY: Final = "Agent initialized"
"""What the room hears when turns may start (spec A09)."""


class Upkeep(Permitted):
    """What one activation does about its resources, which its `Wings` open and close."""

    created = False
    """Whether this is the activation that the session was created with, and has resources."""

    def begin_turn(self, event: TurnStarted) -> None:
        """Have the pipeline invoked."""
        raise NotImplementedError

    @property
    def resources(self) -> Any:
        """What this activation's pipelines are given to work with."""
        return None if self._wings is None else self._wings.value

    def recover(self, attempts: int) -> None:
        """Settle the turns that an older activation has left behind."""
        state, legacy = self.state, self.legacy
        if legacy is not None and self.runs and attempts and self._inherits(legacy):
            return
        if self._waits_to_recover(attempts):
            return
        if state.running is not None or state.queued or state.closing is not None:
            self.run_command(Recover(attempts=attempts), None)

    def _inherits(self, legacy: Legacy) -> bool:
        """Whether what runs was settled by what the activation before this one has left."""
        running, unbegun = self.state.running, legacy.unbegun
        assert running is not None
        if running.turn == legacy.condemned:
            why = "the session crashed twice over what the turn has yielded"
            fail = FinishTurn(turn=running.turn, status="failed", reason=why, cause="crash")
            self.run_command(fail, None)
            return True
        if unbegun is None or (unbegun.turn, unbegun.attempt) != (running.turn, running.attempt):
            return False
        if self._waits_to_recover(running.attempt + 1):
            return True
        self.legacy = msgspec.structs.replace(legacy, unbegun=None)
        self._follow_permit()
        self.begin_turn(unbegun)
        return True

    def on_resources(self, mail: Mail) -> None:
        """Turns may start, or those that wait fail."""
        wings = self._wings
        resources: Resources = mail.message.resources
        if wings is None or wings.resources is not resources or self.phase is not Phase.LIVE:
            return
        if resources.status is Status.OPEN:
            wings.worked = True
            self.publish_only(SessionReady(message=READY))
            self._settle_past(self._stage.turn_attempts)
        elif resources.status is Status.FAILED:
            reason = f"resources: {resources.reason}"
            self._stage.stats.resources_failed += 1
            self.publish_only(ResourcesFailed(reason=reason))
            self._settle_past(attempts=0)  # what an older activation left running is not run again
            never = self.created and not wings.worked
            self.run_command(LoseResources(reason=reason, for_good=never), None)

    def _settle_past(self, attempts: int) -> None:
        """Go on with what waits; what runs is an older activation's the first time only."""
        wings, state = self._wings, self.state
        assert wings is not None
        older = not wings.settled or self._left_running
        if older or state.running is None or state.approval is not None:
            wings.settled = True
            self.recover(attempts)

    def open_again(self, _: Event) -> None:
        """There is something to run, and nothing to run it with: try again, if that has failed."""
        if self._wings is not None and self.phase is Phase.LIVE:
            self._wings.open()

    def set_token(self, mail: Mail) -> None:
        """Keep the token of a session that lives."""
        asked, state, refusal = mail.message, self.state, None
        try:
            require_host(state, asked.user)
            require_state(state, *OPEN)
            self.active_s = self._stage.clock.monotonic()
            self._stage.tokens[state.id] = asked.token
        except Refused as error:
            refusal = error
        self._outbox.put(Held(reply=cast("Any", mail.reply_to), answer=refusal))

    def keep_awake(self, mail: Mail) -> None:
        """Stay on stage while somebody wants it to."""
        asked, state, refusal = mail.message, self.state, None
        try:
            if asked.user is not None:
                require_member(state, asked.user)
            self.active_s = self._stage.clock.monotonic()
            self._stage.pins.open(state.id, asked.scope, self.active_s)
        except Refused as error:
            refusal = error
        self._outbox.put(Held(reply=cast("Any", mail.reply_to), answer=refusal))
