"""The supervisor's part on admission: who gets a slot, who waits for one, who is turned away."""

from __future__ import annotations

from ..actors.errors import (
    GreenroomError,
    RuntimeClosed,
    SessionExists,
    SessionParked,
)
from ..actors.kernel.mailbox import Mail
from ..actors.kernel.reply import Reply
from ..actors.ports import NewSession, SessionId, UserId
from ..actors.session.reasons import ActivationReason
from .alarms import Alarms
from .capacity import Scope
from .directory import Directory
from .logs import LiveLogs
from .messages import Create, Wanted
from .place import Place
from .quarantine import Quarantine
from .queueing import Queueing


class Admitting(Queueing):
    """From the wish to have a session on stage to its place, or the refusal; and its place's end.

    In a full house a wish waits in line for the slot of a session that was asked to leave, or, if
    the config says so, that may be idle in time.
    """

    parked: dict[SessionId, SessionParked]
    _quarantine: Quarantine
    _logs: LiveLogs
    _directory: Directory
    alarms: Alarms

    def _open(self, session: SessionId, place: Place) -> None:
        """Ask the journal for the session; the outcome comes back as a message."""
        raise NotImplementedError

    def _report_if_drained(self) -> None:
        """Answer whoever asked for the drain, if nothing is left."""
        raise NotImplementedError

    # --- wishes ---

    def create(self, mail: Mail) -> None:
        """Reserve a slot for a new session, unless its id is taken."""
        new: NewSession = mail.message.new
        session = new.row.id
        if self._drain is not None:
            self._refuse(mail, RuntimeClosed("draining"))
            return
        place = self._places.get(session)
        if place is None:
            self._admit(mail, session, new.row.owner)
        elif place.actor is None and place.new is None:
            place.deferred += (mail,)  # being looked for: it may turn out not to exist
        else:
            # A full house is reported before a taken id (spec V29).
            scope = self.ledger.full(new.row.owner)
            if scope is None or (scope == "global" and self._could_wait()):
                self._refuse(mail, SessionExists(session))
            else:
                self._refuse(mail, self._capacity_error(scope, new.row.owner))

    def wanted(self, mail: Mail) -> None:
        """Bring a session on stage for the mail that waits in its new mailbox."""
        session, box = mail.message.session, mail.message.box
        place = self._places.get(session)
        if box.closed:
            return  # answered already, while this stood in line
        if self._drain is not None:
            self._refuse(mail, RuntimeClosed("draining"))
        elif session in self.parked:
            self._refuse(mail, self.parked[session])
        elif damage := self._quarantine.of(session, self._stage.clock.monotonic()):
            self._refuse(mail, damage)
        elif place is None:
            self._admit(mail, session, None)
        elif place.box is not box:
            place.deferred += (mail,)

    def wake(self, mail: Mail) -> None:
        """Bring a session on stage that nobody calls, unless somebody does."""
        session = mail.message.session
        if self._drain is not None:
            return
        if session in self.parked:
            self.alarms.give_up(session)
            return
        box, is_new = self._directory.open(session, lambda: self._stage.new_mailbox(session))
        if is_new:
            self.wanted(Mail(Wanted(session, box, why=ActivationReason.ALARM)))

    # --- places ---

    def _admit(self, mail: Mail, session: SessionId, user: UserId | None) -> None:
        """Reserve a slot, or wait for one, or refuse."""
        scope = self.ledger.full(user)
        if scope is None:
            self._reserve(mail, session, user)
        elif scope == "global" and self.ledger.owner_full(user) is None and self._seek_slot():
            self.line.add(_sender(mail), mail, until_s=self._late_s())
            self._watch_line()
        else:
            self._refuse(mail, self._capacity_error(self._scope_of(scope, user), user))

    def _scope_of(self, scope: Scope, user: UserId | None) -> Scope:
        """The limit to be told of: the widest, but for a full house that makes room for others."""
        own = self.ledger.owner_full(user)
        return own if own is not None and any(map(self._may_leave, self._places)) else scope

    def _reserve(self, mail: Mail, session: SessionId, user: UserId | None) -> None:
        message, now_ms = mail.message, self._stage.clock.now_ms()
        self.ledger.reserve(session, user)
        if type(message) is Create:
            box, _ = self._directory.open(session, lambda: self._stage.new_mailbox(session))
            created = ActivationReason.CREATED
            place = Place(box, message.new, mail, why=created, since_ms=now_ms)
        else:
            place = Place(message.box, None, None, why=message.why, since_ms=now_ms)
        self._places[session] = place
        self._open(session, place)

    def _close_place(self, session: SessionId, error: GreenroomError) -> None:
        """Free the slot; what still waits for the session is told `error`."""
        place = self._places.pop(session, None)
        if place is None:
            return  # given up when the drain's budget was spent
        self.ledger.free(session)
        if isinstance(error, SessionExists) and place.box.depth:
            # Messages for the session that is there already have come into this mailbox.
            place.deferred += (Mail(Wanted(session, place.box)),)
        else:
            self._directory.forget(session, place.box)
            place.box.close(lambda _: error)
        self._logs.forget(session)
        if place.mail is not None:
            self._refuse(place.mail, error)
        for mail in place.deferred:
            self.process(mail)
        self._serve_line()
        self._report_if_drained()

    # --- refusals ---

    def _refuse(self, mail: Mail, error: GreenroomError) -> None:
        """Answer whoever asked for a session that does not come on stage."""
        message = mail.message
        if type(message) is Wanted:
            place = self._places.get(message.session)
            if place is not None and place.box is message.box:
                return  # while it stood in line the session was created, with this mailbox
            self._directory.forget(message.session, message.box)
            message.box.close(lambda _: error)
        elif isinstance(mail.reply_to, Reply):
            mail.reply_to.set_error(error)


def _sender(mail: Mail) -> UserId | None:
    message = mail.message
    return message.new.row.owner if type(message) is Create else message.user
