"""Every error greenroom raises on purpose: one root, one class per thing a caller can do about it.

Each class carries a stable `code`, says whether the same call may be tried again (`retryable`),
keeps its data in fields and builds its text in one place.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import pykka


class GreenroomError(Exception):
    """Root of every error greenroom raises on purpose."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


# --- the actor mechanism -------------------------------------------------------------------------


class MailboxClosed(GreenroomError, pykka.ActorDeadError):
    """The actor behind this mailbox has left; `returned` is the message it did not take.

    A pykka program may catch it as `pykka.ActorDeadError`.
    """

    code = "closed"

    def __init__(self, name: str, *, returned: object = None) -> None:
        self.name, self.returned = name, returned
        super().__init__(f"{name} takes no more messages")


class Overloaded(GreenroomError):
    """The mailbox is full. The command was not queued; try again after `retry_after_s`.

    Unlike `SessionClosed`, the same session will take it later.
    """

    code = "overloaded"
    retryable = True

    def __init__(self, name: str, *, depth: int, capacity: int, returned: object = None) -> None:
        self.name, self.depth, self.capacity, self.returned = name, depth, capacity, returned
        self.retry_after_s = 0.1
        super().__init__(f"{name} has {depth} of {capacity} commands waiting")


class WouldDeadlock(GreenroomError):
    """A blocking `get()` on the thread that would have to produce the reply. Use `await`."""

    code = "would_deadlock"

    def __init__(self) -> None:
        super().__init__("get() would block the thread that runs the actors; use await here")


class ReplyTimeout(GreenroomError, pykka.Timeout):
    """No reply within the caller's `timeout_s`. The command may still be handled."""

    code = "timeout"
    retryable = True

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"no reply within {timeout_s} s")


class OutcomeUnknown(GreenroomError):
    """The command was taken, but whether it is durable cannot be told.

    The session replays its journal before it takes another command; look there, then decide.
    """

    code = "outcome_unknown"

    def __init__(self, session: str, *, why: str) -> None:
        self.session, self.why = session, why
        super().__init__(f"the outcome of a command to session {session} is unknown: {why}")


# --- the runtime ---------------------------------------------------------------------------------


class RuntimeClosed(GreenroomError):
    """The runtime has not been started, is draining, or has stopped. Nothing was queued."""

    code = "draining"
    retryable = True

    def __init__(self, phase: str) -> None:
        self.phase = phase
        super().__init__(f"the runtime is {phase}")


class ConfigError(GreenroomError, ValueError):
    """A setting is outside its range, or contradicts another one."""

    code = "config"

    def __init__(self, field: str, value: object, limit: str) -> None:
        self.field, self.value, self.limit = field, value, limit
        super().__init__(f"{field} is {_shown(value)}, but must be {limit}")


class ExtraMissing(GreenroomError):
    """What was asked for needs a library that is not installed here: `install` names the extra."""

    code = "extra_missing"

    def __init__(self, what: str, *, install: str) -> None:
        self.what, self.install = what, install
        super().__init__(f"{what} needs a library: pip install '{install}'")


class CapacityError(GreenroomError):
    """There is no slot for this session now: `in_use` of `limit` sessions hold one.

    `scope` is `"global"` when the whole runtime is full, `"per_tenant"` when `tenant` is,
    `"per_user"` when `user` is. A slot is expected after `retry_after_s` seconds, if nobody does
    anything meanwhile; None: it cannot be said when, as every session is at work.
    """

    code = "capacity"
    retryable = True

    def __init__(
        self,
        scope: Literal["global", "per_tenant", "per_user"],
        *,
        limit: int,
        in_use: int,
        retry_after_s: float | None,
        user: str | None = None,
        tenant: str | None = None,
    ) -> None:
        self.scope, self.limit, self.in_use = scope, limit, in_use
        self.retry_after_s, self.user, self.tenant = retry_after_s, user, tenant
        whose = {
            "global": "the runtime holds",
            "per_tenant": f"tenant {tenant} has",
            "per_user": f"user {user} has",
        }[scope]
        if retry_after_s is None:
            when = "all are at work"
        else:
            when = f"a slot is expected within {retry_after_s:.3g} s"
        super().__init__(f"{whose} {in_use} of {limit} resident sessions; {when}")


class SessionClosed(GreenroomError):
    """The session stopped before it handled this command; nothing was done."""

    code = "closed"
    retryable = True

    def __init__(self, session: str, *, returned: object = None) -> None:
        self.session, self.returned = session, returned
        super().__init__(f"session {session} stopped before it handled the command")


class PoisonCommand(GreenroomError):
    """The session crashed twice over this command, each time before anything of it was written.

    It has had no effect, and is set aside; the session goes on with the next one. Unlike after
    `OutcomeUnknown` there is nothing to look for. `error` is what it crashed with, and `returned`
    is the command: sent again as it is, it will most likely do the same.
    """

    code = "poison"

    def __init__(self, session: str, *, error: str, returned: object = None) -> None:
        self.session, self.error, self.returned = session, error, returned
        super().__init__(f"session {session} crashed twice over the command: {error}")


class SessionParked(GreenroomError):
    """The session is set aside until an operator revives it: its command was not handled.

    It crashed too often, and `error` is what it crashed with last; or an operator has parked it:
    then `restarts` is None, and `error` is the reason given.
    """

    code = "parked"

    def __init__(self, session: str, *, restarts: int | None, window_s: float, error: str) -> None:
        self.session, self.restarts, self.window_s, self.error = session, restarts, window_s, error
        after = "by an operator"
        if restarts is not None:
            after = f"after {restarts} restarts in {window_s:.3g} s"
        super().__init__(f"session {session} is parked {after}: {error}")


class SessionDamaged(GreenroomError):
    """What the journal holds of this session cannot be read back. Its bytes are kept."""

    code = "damaged"

    def __init__(self, session: str, *, revision: int, why: str) -> None:
        self.session, self.revision, self.why = session, revision, why
        super().__init__(f"session {session} cannot be read at revision {revision}: {why}")


# --- refusals: the command was understood, and nothing changed -----------------------------------


class Refused(GreenroomError):
    """Root of all refusals. Nothing happened: no state, no event, no revision was used."""

    code = "refused"


class InvalidInput(Refused, ValueError):
    """A value that can never be accepted. `field` names it, `limit` says what would be."""

    code = "invalid"

    def __init__(self, field: str, value: object, limit: str) -> None:
        self.field, self.value, self.limit = field, value, limit
        super().__init__(f"{field} is {_shown(value)}, but must be {limit}")


class InvalidCursor(InvalidInput):
    """The cursor is not one that greenroom has issued."""

    code = "invalid_cursor"

    def __init__(self, value: object, limit: str) -> None:
        super().__init__("cursor", value, limit)


class BadFrame(InvalidInput):
    """The session never takes such a frame: its type, its size, or that its data is no such image.

    Unlike other values it is checked by the session, whose settings say what it takes.
    """

    code = "bad_frame"


class TooManyWatches(Refused):
    """The open watches of the session hold so many frames that there is no room for this one.

    Each counts with its buffer. Closing one makes room.
    """

    code = "too_many_watches"
    retryable = True

    def __init__(self, session: str, *, limit: int, in_use: int) -> None:
        self.session, self.limit, self.in_use = session, limit, in_use
        super().__init__(
            f"the watches of session {session} may hold {in_use} of {limit} frames already"
        )


class WrongSession(Refused):
    """The cursor belongs to another session."""

    code = "wrong_session"

    def __init__(self, *, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"the cursor belongs to session {actual}, not to {expected}")


class SessionNotFound(Refused):
    """No session has this id."""

    code = "not_found"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"there is no session {session}")


class SessionExists(Refused):
    """A session with this id exists already, or existed and was deleted. Ids are used once."""

    code = "exists"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"session {session} exists already")


class NotMember(Refused):
    """The user is not a participant of the session."""

    code = "not_member"

    def __init__(self, session: str, user: str) -> None:
        self.session, self.user = session, user
        super().__init__(f"{user} is not a participant of session {session}")


class NotHost(Refused):
    """Only the host may do this."""

    code = "not_host"

    def __init__(self, session: str, user: str, host: str) -> None:
        self.session, self.user, self.host = session, user, host
        super().__init__(f"{user} is not the host of session {session}")


class NotAllowed(Refused):
    """The participant's role does not permit this; `permission` is what it lacks."""

    code = "not_allowed"

    def __init__(self, session: str, user: str, role: str, permission: str) -> None:
        self.session, self.user, self.role, self.permission = session, user, role, permission
        super().__init__(f"{user}, {role} of session {session}, has no permission to {permission}")


class BadRole(Refused):
    """The session has no such role, or none that may be asked for; `roles` are those it has."""

    code = "bad_role"

    def __init__(self, session: str, role: str, roles: tuple[str, ...]) -> None:
        self.session, self.role, self.roles = session, role, roles
        super().__init__(f"session {session} has no role {role} to join in, but {', '.join(roles)}")


class VersionConflict(Refused):
    """Somebody else changed `key` first: it holds `value`, as of revision `version`."""

    code = "conflict"

    def __init__(
        self, session: str, *, key: str, expected: int, version: int, value: object
    ) -> None:
        self.session, self.key = session, key
        self.expected, self.version, self.value = expected, version, value
        super().__init__(
            f"{key} of session {session} was changed at revision {version}, after {expected}"
        )


class IdempotencyConflict(Refused):
    """The idempotency key was used before, for another command."""

    code = "idempotency_conflict"

    def __init__(self, session: str, key: str) -> None:
        self.session, self.key = session, key
        super().__init__(f"key {key} was used in session {session} for another command")


class NotPending(Refused):
    """The user has not asked to join."""

    code = "not_pending"

    def __init__(self, session: str, user: str) -> None:
        self.session, self.user = session, user
        super().__init__(f"{user} has not asked to join session {session}")


class JoinClosed(Refused):
    """The session takes no new participants."""

    code = "join_closed"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"session {session} takes no new participants")


class SessionFull(Refused):
    """The session has as many participants as it may have."""

    code = "full"

    def __init__(self, session: str, limit: int) -> None:
        self.session, self.limit = session, limit
        super().__init__(f"session {session} already has {limit} participants")


class WrongState(Refused):
    """The session is not in a state in which this is possible."""

    code = "wrong_state"

    def __init__(self, session: str, state: str, allowed: tuple[str, ...]) -> None:
        self.session, self.state, self.allowed = session, state, allowed
        super().__init__(f"session {session} is {state}; this needs it {' or '.join(allowed)}")


class SessionEnded(WrongState):
    """The session has ended; that is final."""

    code = "ended"

    def __init__(self, session: str, allowed: tuple[str, ...]) -> None:
        super().__init__(session, "ended", allowed)


class WrongPhase(Refused):
    """A session in this phase cannot go to that one; `allowed` are those it can go to."""

    code = "wrong_phase"

    def __init__(self, session: str, phase: str, to: str, allowed: tuple[str, ...]) -> None:
        self.session, self.phase, self.to, self.allowed = session, phase, to, allowed
        super().__init__(
            f"session {session} is {phase} and cannot be {to} next, but {' or '.join(allowed)}"
        )


class TurnBusy(Refused):
    """A turn is running and the message asked not to wait for it (`policy="reject"`)."""

    code = "turn_busy"
    retryable = True

    def __init__(self, session: str, turn: str) -> None:
        self.session, self.turn = session, turn
        super().__init__(f"session {session} is running turn {turn}")


class TurnQueueFull(Refused):
    """As many turns are queued as the session allows."""

    code = "turn_queue_full"
    retryable = True

    def __init__(self, session: str, limit: int) -> None:
        self.session, self.limit = session, limit
        super().__init__(f"session {session} already has {limit} turns waiting")


class TurnNotFound(Refused):
    """The session has no such turn, or ended it too long ago to remember."""

    code = "turn_not_found"

    def __init__(self, session: str, turn: str) -> None:
        self.session, self.turn = session, turn
        super().__init__(f"session {session} has no turn {turn}")


class NoApproval(Refused):
    """There is nothing to decide: no approval is pending, or another one; or somebody was first."""

    code = "no_approval"

    def __init__(self, session: str, approval: str | None = None) -> None:
        self.session, self.approval = session, approval
        which = "no approval" if approval is None else f"approval {approval} not"
        super().__init__(f"session {session} has {which} pending")


class TooManyWakes(Refused):
    """The session has as many timers set as it may. Cancel one, or set one of them anew."""

    code = "too_many_wakes"

    def __init__(self, session: str, *, limit: int) -> None:
        self.session, self.limit = session, limit
        super().__init__(f"session {session} has {limit} of {limit} timers set")


class TurnOverLimit(GreenroomError):
    """A turn took more of something than it may. It ends the turn as failed, as its reason."""

    code = "turn_limit"

    def __init__(self, what: str, limit: float) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"the turn took more than {limit:,} {what}")


class AnswerNotExpected(Refused):
    """No turn that was interrupted waits for a late answer with this key: nothing was placed."""

    code = "not_expected"

    def __init__(self, session: str, key: str) -> None:
        self.session, self.key = session, key
        super().__init__(f"no interrupted turn of session {session} waits for the answer {key!r}")


class NoPipeline(Refused):
    """The runtime was started without a pipeline, so a session can run no turn."""

    code = "no_pipeline"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"session {session} has no pipeline to run a turn with")


class NoCompactor(Refused):
    """The runtime was started without a compactor, so no transcript can be summarised.

    Unlike `NoPipeline`, its sessions may well answer.
    """

    code = "no_compactor"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"session {session} has no compactor to summarise its transcript")


class NothingToCompact(Refused):
    """Nothing, or only a summary, stands before what is to be kept. Later there may be more."""

    code = "nothing_to_compact"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"session {session} has nothing to summarise before what is to be kept")


# --- the journal ---------------------------------------------------------------------------------


class NotKept(Refused):
    """The events up to `revision` are no longer kept: the oldest state there is has `oldest`."""

    code = "not_kept"

    def __init__(self, session: str, *, revision: int, oldest: int) -> None:
        self.session, self.revision, self.oldest = session, revision, oldest
        super().__init__(
            f"session {session} is kept from revision {oldest} on, not at revision {revision}"
        )


class ArchiveFailed(GreenroomError):
    """A session could not be archived, and so it was not removed. The same may work later."""

    code = "archive_failed"

    def __init__(self, session: str, *, why: str) -> None:
        self.session, self.why = session, why
        super().__init__(f"session {session} cannot be archived: {why}")


class NotExportable(GreenroomError):
    """What a session holds cannot be exported, or the redaction hook failed on it: nothing of it
    was written. `where` is the place in its record."""

    code = "not_exportable"

    def __init__(self, session: str, *, where: str, why: str) -> None:
        self.session, self.where, self.why = session, where, why
        super().__init__(f"session {session} cannot be exported: {where}: {why}")


class JournalError(GreenroomError):
    """Root of what a journal reports."""

    code = "journal"


class JournalLocked(JournalError):
    """Another process owns this journal."""

    code = "journal_locked"
    retryable = True

    def __init__(self, path: str, *, pid: int | None, started: str | None) -> None:
        self.path, self.pid, self.started = path, pid, started
        super().__init__(f"journal {path} is in use by process {pid}, started {started}")


class JournalFormat(JournalError):
    """The journal was written in a format this version does not read; it was not touched."""

    code = "journal_format"

    def __init__(self, path: str, *, found: str, readable: str) -> None:
        self.path, self.found, self.readable = path, found, readable
        super().__init__(f"journal {path} has format {found}; this version reads {readable}")


class Fenced(JournalError):
    """A newer epoch owns the session; nothing was written and this activation must stop."""

    code = "fenced"

    def __init__(self, session: str, *, epoch: int) -> None:
        self.session, self.epoch = session, epoch
        super().__init__(f"epoch {epoch} of session {session} is no longer its owner")


class Conflict(JournalError):
    """The session does not end at the revision the append follows; nothing was written."""

    code = "conflict"

    def __init__(self, session: str, *, after: int) -> None:
        self.session, self.after = session, after
        super().__init__(f"session {session} does not end at revision {after}")


class Rejected(JournalError, Refused):
    """These bytes can never be written: `size` exceeds `limit`. Nothing was written."""

    code = "rejected"

    def __init__(self, session: str, *, size: int, limit: int) -> None:
        self.session, self.size, self.limit = session, size, limit
        super().__init__(f"{size} bytes for session {session} exceed the journal's {limit}")


class NotWritten(JournalError):
    """The store refused (full, read-only, busy). Nothing was written; the same may work later."""

    code = "not_written"
    retryable = True

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the journal could not write: {why}")


class JournalFailed(JournalError):
    """The store did not answer: what was in hand may or may not be durable. Claim, then look."""

    code = "journal_failed"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the journal failed: {why}")


class JournalUnavailable(JournalError):
    """The journal cannot be opened or read."""

    code = "journal_unavailable"

    def __init__(self, path: str, *, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"journal {path} cannot be used: {why}")


def _shown(value: object) -> str:
    """`repr(value)`, cut short; also of an int too long for it, or anything else it fails on."""
    try:
        shown = repr(value)
    except Exception:
        shown = f"a {type(value).__name__} that cannot be shown"
    return shown if len(shown) <= 80 else shown[:77] + "..."


def without_frames(error: BaseException) -> BaseException:
    """Drop the tracebacks of `error` and of all that it came from, and return it.

    A stored exception would otherwise keep every object of its frames alive, the actor included.
    """
    seen: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        links += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            links += link.exceptions
    return error


def text_of(error: BaseException) -> str:
    """`Type: message` of any exception, also of one whose `str()` raises."""
    try:
        return f"{type(error).__name__}: {error}"[:2000]
    except BaseException:  # a pipeline's exception may do anything in __str__
        return type(error).__name__
