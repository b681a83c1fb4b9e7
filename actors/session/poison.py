"""What becomes of the message in hand when its session crashes (promise P6)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from ..errors import OutcomeUnknown, PoisonCommand, text_of
from ..kernel.mailbox import Mail
from ..kernel.reply import Reply
from .legacy import NOTHING
from .messages import Keyed
from .part import Phase
from .turns import TurnOutput

if TYPE_CHECKING:
    from .actor import SessionActor

log = structlog.get_logger()


class Retried(Mail):
    """A command over which its session has crashed once, before anything of it was written."""


def after_crash(actor: SessionActor, mail: Mail, error: BaseException) -> None:
    """Have the command run once more, in its place before all others, or answer it.

    Nothing of it has been handed to the journal: then it has had no effect, and the next activation
    runs it again. Crashing that as well, it is poison: it is set aside, and returned to its sender.
    Otherwise its outcome is unknown, and it is not run again. Questions are not, either: whoever
    asks may ask again.

    A turn over whose outputs the session crashes twice fails, however often it may be attempted.
    """
    message, reply = mail.message, mail.reply_to
    if type(message) is TurnOutput:
        _suspect(actor, message.turn)
    if not _is_undone(actor, message):
        if isinstance(reply, Reply):
            reply.set_error(OutcomeUnknown(actor.state.id, why=text_of(error)))
    elif type(mail) is not Retried:
        actor.actor_inbox.put_back(Retried(message, reply))
    else:
        _set_aside(actor, message, reply, error)


def _is_undone(actor: SessionActor, message: object) -> bool:
    """Whether `message` is a command that has had no effect."""
    command = message.command if type(message) is Keyed else message
    return actor.undone is command and actor.phase is Phase.LIVE


def _set_aside(actor: SessionActor, message: object, reply: Any, error: BaseException) -> None:
    session, why = actor.state.id, text_of(error)
    actor._stage.stats.poisoned += 1
    kind = type(message.command if type(message) is Keyed else message).__name__
    with suppress(BaseException):  # a log that fails must not keep the sender from an answer
        log.error("command_set_aside", session=session, command=kind, error=why)
    if isinstance(reply, Reply):
        reply.set_error(PoisonCommand(session, error=why, returned=message))


def _suspect(actor: SessionActor, turn: int) -> None:
    legacy = actor.legacy or NOTHING
    again = legacy.suspect == turn
    actor.legacy = msgspec.structs.replace(
        legacy, suspect=turn, condemned=turn if again else legacy.condemned
    )
