"""The session actor's part on its turns: how they begin, are heard, are decided on, and end."""

from __future__ import annotations

from typing import Any

from ..kernel.mailbox import Mail
from .agenda import Agenda
from .approvals import undecided
from .attending import Attending
from .commands import Expire, Fire
from .events import ApprovalDecided, Event, SessionResumed, TurnEnded, TurnStarted, TurnSteered
from .following import Following
from .lane import Lane
from .part import Phase
from .turns import TurnOutput
from .upkeep import Upkeep
from .wakes import due_by, wants_ms


class Running(Attending, Following, Upkeep):
    """What one activation does about its turns, which its `Lane` runs."""

    # --- effects ---

    def begin_turn(self, event: TurnStarted) -> None:
        """Have the pipeline invoked."""
        if self.phase is Phase.LIVE:
            self.active_s = self._stage.clock.monotonic()
            if self._lane is None:
                self._lane = Lane(self, self._stage, self.actor_inbox)
            self.tell_turn(event)
            self._lane.begin(event)
            self._renew_if_stuck()
        elif self.renewing:
            self.unbegun = event

    def end_turn(self, event: TurnEnded) -> None:
        """Answer those who wait for the turn."""
        self.active_s = self._stage.clock.monotonic()
        self._stage.stats.count_turn(event.status)
        self.tell_turn(event)
        if self._agenda is not None:
            self._agenda.follow(self.state)
        if self._desk_made is not None:
            self._desk_made.end_turn(self.state, event.turn)
        self._renew_if_stuck()

    def end_steering(self, event: TurnSteered) -> None:
        """Who waits for the turn waits for the one that was handed its message."""
        if self._desk_made is not None:
            self._desk_made.end_turn(self.state, event.turn)

    # --- pipelines ---

    def _on_output(self, stamp: TurnOutput) -> None:
        if self._lane is not None and self.phase is Phase.LIVE:
            self._lane.hear(stamp)
        else:
            self._stage.stats.stale_outputs += 1

    def on_gone(self, mail: Mail) -> None:
        """The pipeline of a turn that was stopped is done, or given up on."""
        if self._lane is not None:
            self._lane.gone(mail.message.stamp)
            self._follow_permit()
            self._renew_if_stuck()

    def _renew_if_stuck(self) -> None:
        """Have a new activation, with a new epoch, in the place of one whose pipeline is stuck.

        A turn that runs beside it, as one may in the mode `omni`, ends first. One that leaves, or
        has ended, goes as it is.
        """
        lane = self._lane
        if lane is None or not lane.stuck or self.phase is not Phase.LIVE:
            return
        if self._draining:
            lane.begin_beside()
        elif self.state.lifecycle != "ended":
            self.renew()

    def steer(self, mail: Mail) -> None:
        """Hand the pipeline that asks what it is to be steered by."""
        reply: Any = mail.reply_to
        if self._lane is not None and self.phase is Phase.LIVE:
            self._lane.steer(mail.message.stamp, reply)
        else:
            reply.set(())

    def on_late_answer(self, mail: Mail) -> None:
        """An answer has come to a turn that was interrupted."""
        if self._lane is not None and self.phase is Phase.LIVE:
            self._lane.place_late(mail.message.answer)

    def on_delivered(self, mail: Mail) -> None:
        """A participant has seen so much of what the turn has said."""
        seen = mail.message
        if self._lane is not None and seen.user in self.state.participants:
            self._lane.deliver(seen.turn, seen.chars)

    def await_stopped(self, mail: Mail) -> None:
        """Answer when the pipeline of an ended turn has stopped."""
        reply: Any = mail.reply_to
        turn, legacy = mail.message.turn, self.legacy
        if legacy is not None and turn in legacy.abandoned:
            reply.set("abandoned")
        elif self._lane is None:
            reply.set("stopped")
        else:
            self._lane.ask_stopped(turn, reply)

    # --- what is due by itself ---

    def follow_agenda(self, _: Event | None = None) -> None:
        """Have what is due next happen in time, if this activation lasts so long."""
        agenda = self._agenda
        if agenda is None:
            if not wants_ms(self.state):
                return
            agenda = self._agenda = Agenda(self._stage.clock, self.actor_inbox)
        agenda.follow(self.state)

    def on_decision(self, event: ApprovalDecided) -> None:
        """Nobody waits for people any more, and there is something to run."""
        self.follow_agenda()
        self.open_again(event)

    def on_resumed(self, event: SessionResumed) -> None:
        """Timers go off again, and what waits may run."""
        self.follow_agenda()
        self.open_again(event)

    def do_due(self, _: Mail | None = None) -> None:
        """Nobody has decided in time, or a timer goes off; and on with what is due next."""
        if self.phase is not Phase.LIVE:
            return
        now_ms, turns = self._stage.clock.now_ms(), self._stage.stream is not None
        approval = undecided(self.state)
        if approval is not None and approval.expires_ms <= now_ms:
            self.run_command(Expire(approval=approval.id), None)
        for timer in due_by(self.state, now_ms):
            self.run_command(Fire(name=timer.name, due_ms=timer.due_ms, turns=turns), None)
        self.follow_agenda()
