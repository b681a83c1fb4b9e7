"""What strangers are told of a session that cannot say who takes part in it."""

from __future__ import annotations

from typing import Final

from ...actors.errors import GreenroomError, NotMember, SessionDamaged, SessionParked
from ...actors.ports import SessionId
from ...supervisor.runtime import Runtime
from .principal import Principal

UNASKED: Final = (SessionParked, SessionDamaged)
"""Errors of sessions that are off the stage: there nobody is asked for who takes part."""


async def veiled(
    error: Exception, runtime: Runtime, principal: Principal, session: SessionId | None
) -> Exception:
    """The error, or, to who does not take part by the journal's index, that there is no session.

    Operators are told everything. If the index cannot be read, nobody else is told more.
    """
    if session is None or not isinstance(error, UNASKED) or principal.is_operator:
        return error
    try:
        if await runtime.may_access(principal.user, session):
            return error
        joined = await runtime.sessions_of(principal.user)
    except GreenroomError:
        joined = []
    return error if any(row.id == session for row in joined) else NotMember(session, principal.user)
