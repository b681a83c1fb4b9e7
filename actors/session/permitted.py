"""The session actor's part on the place that its running turn needs, if there are only so many."""

from __future__ import annotations

from ..kernel.mailbox import Mail
from .approvals import is_decided
from .part import Part, Phase
from .permits import Hold, Permit


class Permitted(Part):
    """What one activation does about its permit. With no limit on running turns: nothing.

    The permit follows the state, after whatever was decided: it is used while a turn runs or a
    pipeline that was stopped has not done so, and waited for while a turn could start but for it.
    So no way in which a turn ends can forget it.
    """

    _draining: bool
    _permit: Permit | None = None  # of the class, like all that few sessions ever have
    _left_running = False
    """Whether what runs by the state is an older activation's, and waits for its place."""

    def recover(self, attempts: int) -> None:
        """Settle the turns that an older activation has left behind."""
        raise NotImplementedError

    @property
    def runs(self) -> bool:
        """Whether a turn runs, and is not suspended."""
        return self.state.running is not None and self.state.approval is None

    @property
    def _holds_turns(self) -> bool:
        """Whether no turn may start: the session is leaving, or there is nothing to run it."""
        held = self._wings is not None and self._wings.holds
        return held or self._draining or self._stage.stream is None

    @property
    def _opening(self) -> bool:
        """Whether resources are being opened: what is running then is an older activation's."""
        return self._wings is not None and self._wings.opening

    @property
    def _awaits_permit(self) -> bool:
        """Whether a turn could run, but for its place."""
        return self._permit is not None and self._permit.waits

    @property
    def _may_start(self) -> bool:
        """Whether there is a place for one more turn, if one of this session started now."""
        permits = self._stage.permits
        return permits is None or permits.may_start(self.state.owner, self._permit)

    def _follow_permit(self) -> None:
        """Have, wait for or give back a permit, as the state demands."""
        permits, permit = self._stage.permits, self._permit
        if permits is None or self.phase is not Phase.LIVE:
            return
        self._left_running = self._left_running and self.runs
        if self.runs and not (self._left_running or self._opening):
            self._have_permit().take()
            return
        wants = self._wants_to_run
        used = permit is not None and permit.hold is Hold.USED
        if used and self.stops:
            return
        if permit is not None and (used or not wants):
            self._permit = None
            permit.give_back()  # before standing in line anew: whoever waits is served first
        if wants:
            self._have_permit().wait()

    @property
    def stops(self) -> bool:
        """Whether a pipeline that was stopped has not done so yet."""
        return self._lane is not None and self._lane.stopping

    @property
    def _wants_to_run(self) -> bool:
        state = self.state
        if self._holds_turns:
            return False
        if state.running is None:
            return bool(state.queued) and state.lifecycle == "active"
        return self._left_running or is_decided(state)

    def _have_permit(self) -> Permit:
        permit = self._permit
        if permit is None:
            permits = self._stage.permits
            assert permits is not None
            permit = self._permit = Permit(permits, self.state.owner, self.actor_inbox)
        return permit

    def _waits_to_recover(self, attempts: int) -> bool:
        """Whether what an older activation left running could run again, but for its place.

        It is not lost for that: it waits, as it is.
        """
        running = self.state.running
        if running is None or not self.runs or running.attempt >= attempts:
            return False
        if self._holds_turns or self._may_start:
            return False
        self._left_running = True
        self._follow_permit()
        return True

    def on_permit(self, mail: Mail) -> None:
        """There is a place: start what waits for it, or let the next one have it."""
        granted: Permit = mail.message.permit
        if granted.hold is not Hold.GRANTED or self._permit is not granted:
            return  # an older activation's, or given back meanwhile
        if not self._holds_turns:
            self._left_running = False
            self.recover(self._stage.turn_attempts)
        if granted.waits and self._permit is granted:  # nothing has been started after all
            self._permit = None
            granted.give_back()

    def _leave_permit(self) -> None:
        """Give it back when the pipeline has stopped or is given up on, whoever is there then."""
        permit, self._permit = self._permit, None
        if permit is None:
            return
        if permit.hold is Hold.USED and self._lane is not None:
            self._lane.on_stopped(permit.give_back)
        else:
            permit.give_back()
