"""What takes more than one request: waiting for turns, and what must be looked up first."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ...actors.errors import NoApproval
from ...actors.session import commands, messages
from ...actors.session.answers import Receipt, StopFact
from ...actors.session.approvals import PendingApproval
from ...actors.session.info import SessionInfo, TurnResult
from ...actors.session.shared import SharedContext
from . import talking
from .link import Link
from .questions import QUESTIONS
from .request import Answer, Request, as_

WAIT_S: Final = 30.0
"""How long one request waits for what may take for ever."""

_result: Final = as_(TurnResult)
_receipt: Final = as_(Receipt)


class _Stopped(msgspec.Struct):
    fact: StopFact


_stopped: Final = as_(_Stopped)


async def turn_result(link: Link, session: str, asked: messages.AwaitTurn) -> TurnResult:
    """How a turn ended, when it has."""
    found = None
    while found is None:
        found = await _wait(link, session, f"turns/{asked.turn}", _ended, WAIT_S)
    result: TurnResult = found
    return result


async def turn_stopped(link: Link, session: str, asked: messages.AwaitStopped) -> StopFact:
    """Whether the pipeline of an ended turn has stopped. While it runs, its end is waited for."""
    while True:
        found = await _wait(link, session, f"turns/{asked.turn}/stopped", _fact, WAIT_S)
        if found is not None:
            fact: StopFact = found
            return fact
        await _wait(link, session, f"turns/{asked.turn}", _ended, WAIT_S)


async def settled(link: Link, session: str, asked: messages.AwaitSettled) -> bool:
    """Whether the turn that runs now is over; False at the time that was set."""
    info: SessionInfo = await link.ask(_info(session), session)
    turn = info.running_turn
    while turn is not None:
        left_s = WAIT_S
        if asked.until_s is not None:
            left_s = min(left_s, asked.until_s - link.clock.monotonic())
        if await _wait(link, session, f"turns/{turn}", _ended, max(left_s, 0.0)) is not None:
            return True
        if asked.until_s is not None and link.clock.monotonic() >= asked.until_s:
            return False
    return True


async def _wait(link: Link, session: str, where: str, to: Any, wait_s: float) -> Any:
    """What a server answers that waits for `wait_s`; None: it is not so far."""
    path = f"/v1/sessions/{session}/{where}"
    asked = Request(method="GET", path=path, query={"wait_s": wait_s}, to=to, wait_s=wait_s)
    return await link.ask(asked, session)


def _ended(answer: Answer) -> TurnResult | None:
    return _result(answer) if answer.status == 200 else None


def _fact(answer: Answer) -> StopFact | None:
    fact: StopFact | None = _stopped(answer).fact if answer.status == 200 else None
    return fact


def _info(session: str) -> Request:
    asked: Request = QUESTIONS[messages.GetInfo](f"/v1/sessions/{session}", None)
    return asked


async def decide(link: Link, session: str, decided: commands.Decide, key: str | None) -> Any:
    """Decide on what waits just now, where it is not said which one it is. Raises NoApproval."""
    path = f"/v1/sessions/{session}"
    if decided.approval is None:
        asked = QUESTIONS[messages.GetApproval](path, None)
        pending: PendingApproval | None = await link.ask(asked, session)
        if pending is None:
            raise NoApproval(session)
        decided = msgspec.structs.replace(decided, approval=pending.id)
    request = talking.decide(path, decided)
    return await link.ask(request if key is None else request.under(key), session)


async def update_context(
    link: Link, session: str, update: commands.UpdateContext, key: str | None
) -> Any:
    """Merge a patch into the shared context."""
    path = f"/v1/sessions/{session}"
    query: dict[str, Any] = {"if_absent": "true" if update.if_absent else None}
    match = "*"
    if update.whole:
        asked = QUESTIONS[messages.GetContext](path, None)
        shared: SharedContext = await link.ask(asked, session)
        match = f'"{shared.incarnation}.{update.expected}"'
    elif update.expected is not None:
        query["expected"] = msgspec.json.encode(update.expected).decode()
    request = Request(
        method="PATCH",
        path=f"{path}/state",
        json=update.patch,
        query=query,
        headers={"if-match": match},
        to=_receipt,
    )
    return await link.ask(request if key is None else request.under(key), session)


WAITS: Final[dict[type, Any]] = {
    messages.AwaitTurn: turn_result,
    messages.AwaitStopped: turn_stopped,
    messages.AwaitSettled: settled,
}
"""What may take long, by the type of what a handle asks."""

STEPS: Final[dict[type, Any]] = {
    commands.Decide: decide,
    commands.UpdateContext: update_context,
}
"""What is looked up first, by the type of what a handle asks."""
