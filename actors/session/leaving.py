"""The session actor's part on leaving the stage: in order, by a crash, or called back again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from msgspec import structs

from ..errors import (
    Fenced,
    GreenroomError,
    JournalFailed,
    OutcomeUnknown,
    SessionClosed,
    text_of,
    without_frames,
)
from ..kernel.mailbox import Mail
from ..kernel.reply import Reply
from ..ports import Commit, Timer
from .approvals import is_decided
from .backstage import EndReason
from .commands import HandBack
from .ending import Erasure
from .following import Following
from .info import SessionSnapshot, snapshot
from .legacy import Legacy
from .messages import LEFT, Committed, Departed, Departure, Mode, Stayed
from .outbox import Held
from .part import Phase
from .parting import Parting
from .permitted import Permitted
from .reasons import PassivationReason
from .wakes import wants_ms

log = structlog.get_logger()


class Leaving(Following, Permitted):
    """How one activation leaves.

    In order: its last commits arrive; its pipeline stops, its resources are closed and the end
    hook is called, if there are any; it is written out; it closes its mailbox, unless mail has come
    meanwhile: then it is started again (promise P11). With nothing to close and nobody to tell,
    it writes out at once. One that has crashed, or is fenced, goes when its last commits have
    arrived, and what it leaves behind is cleared beside its successor.
    """

    _on_settled: Callable[[], None] | None
    erasure: Erasure | None = None  # of the class, like all that few sessions ever have
    grace: Timer | None = None
    why = PassivationReason.ASKED
    """Why it is leaving, if it is, in order."""

    @property
    def idle(self) -> bool:
        """Whether it could leave now: no turn runs or waits for a free lane, no mail waits, and
        nothing else keeps it awake.

        A suspended turn does not run, and those behind it wait for people.
        """
        busy = self.works or self._outbox or self.actor_inbox.depth or self.stops
        return self.phase is Phase.LIVE and not busy and not self.kept_awake

    @property
    def awake_until_s(self) -> float:
        """Until when it stays on stage without any work, in monotonic seconds (`Pins`)."""
        read_since_s = self.active_s if self._live.readers else None
        return self._stage.pins.until_s(self.state.id, read_since_s)

    @property
    def is_pinned(self) -> bool:
        """Whether something was to keep it awake, even if the time of that is over."""
        pins = self._stage.pins
        return bool(pins.scopes(self.state.id) or (pins.subscriber_s and self._live.readers))

    @property
    def kept_awake(self) -> bool:
        """Whether it stays on stage for now, though it may have nothing to do."""
        return self._stage.clock.monotonic() < self.awake_until_s

    @property
    def works(self) -> bool:
        """Whether a turn runs, or waits for a free lane, for its resources or for its place."""
        state = self.state
        held = self._holds_turns and not self._opening
        queued = state.queued and state.lifecycle == "active" and not held
        lane = state.approval is None and (state.running or queued)
        resumes = (self._opening or self._awaits_permit) and is_decided(state)
        return bool(lane or resumes)

    @property
    def leaving(self) -> bool:
        """Whether it takes no more commands, but is not gone yet."""
        return self.phase is Phase.LEAVING

    # --- being asked to ---

    def passivate(self, mail: Mail) -> None:
        """Leave, by Pekko's rules: ignored when leaving already, or when mail waits."""
        mode = mail.message.mode
        if self.phase is not Phase.LIVE:
            return
        if mode is Mode.DRAIN:
            self._draining = True
        elif mode is Mode.FORCE or self.idle:
            drained = mail.message.cause == "drain"
            # Mail that waits is for the next activation, unless the runtime stops.
            force = mode is Mode.FORCE and drained
            self.run_command(HandBack(cause=mail.message.cause), None)
            reason = EndReason.DRAINED if drained else EndReason.PASSIVATED
            self.why = mail.message.reason
            self.go(reason, partial(self._write_out, force=force))
        else:
            self._stage.supervisor.signal(Stayed(self.state.id))

    def leave_if_drained(self) -> None:
        """Leave for the runtime to stop: when no turn runs and no mail waits."""
        older = self._opening or self._left_running
        waits = self.actor_inbox.depth or (self.runs and not older)
        if self.phase is Phase.LIVE and not waits:
            self.why = PassivationReason.DRAINED
            self.go(EndReason.DRAINED, partial(self._write_out, force=False))

    # --- in order ---

    def go(self, reason: EndReason, then: Callable[[], None]) -> None:
        """Take no more commands, clear what there is to be cleared, and do what is to follow."""
        wings = self._wings
        if wings is None:
            self._leave(then)
            return

        def part() -> None:
            self._stop_showing()
            self.clear(reason)
            Parting(self.actor_inbox, wings, self, lambda: self._go_on(then))

        self._leave(part)

    def _leave(self, when_settled: Callable[[], None]) -> None:
        """Take no more commands; go on when the outbox is empty."""
        self.phase = Phase.LEAVING
        self.actor_inbox.suspend()
        if self._lane is not None:
            self._lane.stop()
        self._leave_permit()
        self._on_settled = when_settled
        if self._outbox:  # a failure while letting out may have used up the last notice of a commit
            self.actor_inbox.signal(Committed(self.epoch))
        self._settle()

    def _settle(self) -> None:
        if self._on_settled is not None and not self._outbox:
            then, self._on_settled = self._on_settled, None
            then()

    def _go_on(self, then: Callable[[], None]) -> None:
        """Go on in a step of this actor, where a failure is contained like any other."""
        if self.phase is Phase.LEAVING:
            self._on_settled = then
            self.actor_inbox.signal(Committed(self.epoch))

    def clear(self, reason: EndReason, *, durable: bool = True) -> None:
        """Have all that goes with this activation come to its end (`Wings`); once.

        The hook is shown the state of now, as soon as it is durable; not, if it never will be.
        """
        wings, lane, backstage = self._wings, self._lane, self._stage.backstage
        if wings is None or backstage is None:
            return
        when_stopped = _at_once if lane is None else lane.on_stopped
        known = wings.clear(reason, when_stopped, self.close_watches)
        if not durable or backstage.hook is None:
            wings.end_with(None)
        elif not known:
            view = self._final()
            self._outbox.put(Held(then=lambda: wings.end_with(view)))

    def _final(self) -> SessionSnapshot:
        live, desk = self._live, self._desk_made
        view = snapshot(self.state, ())
        return view.at(live.cursor_at(live.next_index), {} if desk is None else desk.presence)

    def _stop_showing(self) -> None:
        if self._screen is not None:
            self._screen.stop()

    def close_watches(self) -> None:
        """Nothing more comes for those who watch what is shown."""
        if self._screen is not None:
            self._screen.close()

    def _write_out(self, *, force: bool) -> None:
        self._stop_showing()
        self._outbox.snapshot(self.state)
        released = self._outbox.release()
        released.on_done(lambda _: self._depart_passivated(force=force))

    def _depart_passivated(self, *, force: bool) -> None:
        """Close the mailbox if nothing has come meanwhile, and say so."""
        if self.phase is Phase.GONE:
            return
        box, name = self.actor_inbox, self.state.id
        if force:
            box.close(lambda message: SessionClosed(name, returned=message))
        elif not box.close_if_idle():
            self._depart(Departure.RECALLED)
            return
        self._depart(Departure.PASSIVATED)

    def renew(self) -> None:
        """Have the session claimed anew: whatever is still running of this epoch is fenced."""
        lane = self._lane
        assert lane is not None
        with suppress(BaseException):  # a log that fails must not keep it in the old epoch
            turns = sorted(lane.abandoned)
            log.warning("session_renewed", session=self.state.id, epoch=self.epoch, stuck=turns)
        self.renewing, self.unbegun = True, lane.waiting
        self.go(EndReason.RENEWED, self._write_anew)

    def _write_anew(self) -> None:
        self._stop_showing()
        self._outbox.snapshot(self.state)
        self._outbox.release().on_done(self._depart_renewed)

    def _depart_renewed(self, released: Commit) -> None:
        """Go, and come back; unless another owner has the session by now."""
        if self.phase is not Phase.GONE:
            fenced = isinstance(released.error, Fenced)
            self._depart(Departure.FENCED if fenced else Departure.RENEWED)

    def _bequeath(self) -> Legacy | None:
        """What the next activation is to know."""
        lane, old = self._lane, self.legacy
        abandoned = frozenset() if lane is None else frozenset(lane.abandoned)
        if old is None:
            none = self.unbegun is None and not abandoned
            return None if none else Legacy(unbegun=self.unbegun, abandoned=abandoned)
        unbegun = self.unbegun if self.renewing else old.unbegun
        return structs.replace(old, unbegun=unbegun, abandoned=old.abandoned | abandoned)

    # --- in other ways ---

    def _crash(self, how: Departure, error: BaseException) -> None:
        """Give up this activation: let the journal have what it was given, then start anew."""
        if self.phase is Phase.GONE:
            return
        with suppress(BaseException):  # a log that fails must not keep it from starting anew
            log.error(
                "session_crashed", session=self.state.id, error=text_of(error), exc_info=error
            )
        why = text_of(without_frames(error))
        self._leave(lambda: self._depart(how, why))
        reason = EndReason.FENCED if how is Departure.FENCED else EndReason.CRASHED
        self.clear(reason, durable=False)

    def abandon(self, why: str) -> None:
        """Wait for the journal no longer: everybody who waits is answered, nothing more is done."""
        self._outbox.void(JournalFailed(why))
        self._on_settled = None
        self.clear(EndReason.DRAINED, durable=False)
        self._depart(Departure.CRASHED, why)

    def _depart(self, how: Departure, error: str = "") -> None:
        self.phase = Phase.GONE
        if how in LEFT:
            self.tell_passivated(self.why)
        self._leave_permit()
        if self._agenda is not None:
            self._agenda.stop()
        if self.grace is not None:
            self.grace.cancel()
        self.actor_inbox.detach()
        self.close_watches()
        if self.erasure is not None:
            self.erasure.give_up(OutcomeUnknown(self.state.id, why=error))
        waiting = self._desk_made.take_waiting() if self._desk_made is not None else []
        if how is Departure.PASSIVATED:  # the mailbox is closed
            wake_ms = wants_ms(self.state)
            departed = Departed(self.state.id, how, error, wake_ms, waiting, self.why)
        else:
            legacy = self._bequeath()
            departed = Departed(self.state.id, how, error, reason=self.why, legacy=legacy)
            for mail in waiting:
                self._hand_over(mail)
        self._stage.supervisor.signal(departed)

    def _hand_over(self, mail: Mail) -> None:
        """Leave a question for the next activation to answer."""
        try:
            self.actor_inbox.put_system(mail)
        except GreenroomError:
            if isinstance(mail.reply_to, Reply):
                mail.reply_to.set_error(SessionClosed(self.state.id, returned=mail.message))


def _at_once(call: Callable[[], None]) -> None:
    call()
