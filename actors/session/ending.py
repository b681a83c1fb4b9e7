"""The ways in which a session's actor ends it: after a grace, or for good with its deletion."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..errors import (
    ArchiveFailed,
    Fenced,
    GreenroomError,
    NotWritten,
    OutcomeUnknown,
    SessionClosed,
    SessionNotFound,
    text_of,
)
from ..kernel.mailbox import Mail
from ..kernel.reply import Reply
from ..ports import Archive
from .backstage import EndReason
from .commands import Conclude
from .events import SessionClosing
from .messages import Departure, GraceOver
from .rules.ending import is_settled

if TYPE_CHECKING:
    from .actor import SessionActor


def begin_grace(actor: SessionActor, event: SessionClosing) -> None:
    """Give the running turn of a closing session its time."""
    if actor.state.closing is not None:
        box, clock = actor.actor_inbox, actor._stage.clock
        actor.grace = clock.call_later(event.grace_s, lambda: box.signal(GraceOver()))


def end_grace(actor: SessionActor, _: Mail) -> None:
    """End the session, if it has not ended by itself. One that leaves ends when it is back."""
    if actor.state.closing is not None and not actor.leaving:
        actor.run_command(Conclude(), None)


def erase(actor: SessionActor, mail: Mail) -> None:
    """End the session; when that is durable and published, have it hidden (spec A17, V32).

    A crash in between leaves a session that has ended, and can be deleted again.
    """
    asked, state = mail.message, actor.state
    kept = asked.archived == state.revision and is_settled(state)
    archive = actor._stage.archive if asked.archive and not kept else None
    ended: Reply[object] = Reply()
    ended.on_done(lambda _: _hide(actor, mail, archive, ended.error))
    actor.run_command(asked.command, ended)


def _hide(
    actor: SessionActor, mail: Mail, archive: Archive | None, error: BaseException | None
) -> None:
    if error is not None:
        _tell(mail, error)
    elif actor.erasure is not None:
        actor.erasure.askers.append(mail)
    else:
        erasure = actor.erasure = Erasure(actor, mail, archive)
        actor.clear(EndReason.DELETED)  # before its end takes effect: the hook is called once
        actor.go(EndReason.DELETED, erasure.begin)


class Erasure:
    """The deletion of an ended session that takes no more commands, and who has asked for it.

    If there is an `archive` it is archived first. If that fails it comes back, as it is: ended.
    """

    def __init__(self, actor: SessionActor, mail: Mail, archive: Archive | None) -> None:
        self.askers = [mail]
        self._actor = actor
        self._archive = archive
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask the journal; everything that was decided before is durable."""
        self._task = asyncio.get_running_loop().create_task(self._hide())

    def give_up(self, error: BaseException) -> None:
        """The activation is gone, and nobody waits for the journal any more."""
        while self.askers:
            _tell(self.askers.pop(0), error)

    async def _hide(self) -> None:
        actor = self._actor
        journal, session = actor._stage.journal, actor.state.id
        if self._archive is not None and not await self._keep(self._archive):
            return
        try:
            await journal.delete(session, epoch=actor.epoch)
        except SessionNotFound:  # an earlier attempt of unknown outcome has turned out well
            self._done()
        except Exception as error:
            self._failed(error)
        else:
            self._done()

    async def _keep(self, archive: Archive) -> bool:
        """Archive the session; whether to go on."""
        actor, stats = self._actor, self._actor._stage.stats
        try:
            stats.archived += await archive.put(actor.state.id, actor._stage.journal)
        except Exception as error:
            stats.archives_failed += 1
            failed = ArchiveFailed(actor.state.id, why=text_of(error))
            self.give_up(error if isinstance(error, ArchiveFailed) else failed)
            self._depart(Departure.RECALLED)
            return False
        return actor.leaving  # or it was given up meanwhile

    def _done(self) -> None:
        """Leave before answering: who asks again, or makes another session, comes after it."""
        askers, self.askers = self.askers, []
        self._depart(Departure.DELETED)
        for mail in askers:
            told = True if mail is askers[0] else SessionNotFound(self._actor.state.id)
            _tell(mail, told)

    def _failed(self, error: Exception) -> None:
        """Start anew, as after any commit that failed, with a session that has ended."""
        session = self._actor.state.id
        told: GreenroomError
        if isinstance(error, NotWritten):
            told = error
        elif isinstance(error, Fenced):
            told = SessionClosed(session)
        else:
            told = OutcomeUnknown(session, why=text_of(error))
        self.give_up(told)
        how = Departure.FENCED if isinstance(error, Fenced) else Departure.CRASHED
        self._depart(how, text_of(error))

    def _depart(self, how: Departure, error: str = "") -> None:
        if self._actor.leaving:
            self._actor._depart(how, error)


def _tell(mail: Mail, answer: object) -> None:
    reply = mail.reply_to
    if not isinstance(reply, Reply):
        return
    if isinstance(answer, BaseException):
        reply.set_error(answer)
    else:
        reply.set(answer)
