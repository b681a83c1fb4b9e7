"""How a session is brought back from the journal."""

from __future__ import annotations

import structlog

from ..actors.errors import GreenroomError, SessionDamaged, text_of
from ..actors.ports import Journal, NewSession, SessionId
from ..actors.session.fold import restore
from .messages import NotOpened, Opened

log = structlog.get_logger()


async def claim(journal: Journal, session: SessionId, new: NewSession | None) -> Opened | NotOpened:
    """Claim the session (or create it) and fold its state. Never raises."""
    try:
        claimed = await journal.claim(session, create=new)
        return Opened(session, claimed, restore(claimed, session))
    except GreenroomError as error:
        return NotOpened(session, error)
    except Exception as error:
        log.error("claim_failed", session=session, error=text_of(error), exc_info=error)
        return NotOpened(session, SessionDamaged(session, revision=0, why=text_of(error)))
