"""How what is said, and what becomes of it, is asked of a server."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from ...actors.session import commands, messages
from ...actors.session.answers import (
    CancelReceipt,
    CutReceipt,
    PhaseReceipt,
    Receipt,
    TurnTicket,
    WaitsFor,
)
from ...actors.session.approvals import DecideReceipt
from .errors import NotRemote
from .request import Answer, Request, as_


class _Accepted(msgspec.Struct):
    turn: int = 0  # none was begun
    ahead: int = 0
    waits_for: WaitsFor | None = None


_accepted: Final = as_(_Accepted)
_receipt: Final = as_(Receipt)


def ticket(answer: Answer) -> TurnTicket:
    """The turn that was accepted. Its revision is not told."""
    told = _accepted(answer)
    return TurnTicket(turn=told.turn, ahead=told.ahead, revision=0, waits_for=told.waits_for)


def post(path: str, said: commands.Post) -> Request:
    body = {"text": said.text, "answer": False}
    return Request(method="POST", path=f"{path}/messages", json=body, to=_receipt)


def send(path: str, said: commands.Send) -> Request:
    body = {"text": said.text, "policy": said.policy, "answer_key": said.answer_key}
    return Request(method="POST", path=f"{path}/messages", json=body, to=ticket)


def greet(path: str, asked: commands.Greet) -> Request:
    body = {"prompt": asked.prompt}
    return Request(method="POST", path=f"{path}/greet", json=body, to=ticket)


def interrupt(path: str, asked: commands.Interrupt) -> Request:
    where = "interrupt" if asked.turn is None else f"turns/{asked.turn}/cancel"
    return Request(method="POST", path=f"{path}/{where}", to=as_(CancelReceipt))


def place_answer(path: str, placed: commands.PlaceAnswer) -> Request:
    answer = placed.answer
    if answer.at_ms:
        raise NotRemote("a late answer of a time of one's own")
    body = {"key": answer.key, "text": answer.text}
    return Request(method="POST", path=f"{path}/answers", json=body, to=_receipt)


def delivered(path: str, seen: messages.Delivered) -> Request:
    return Request(
        method="PUT",
        path=f"{path}/turns/{seen.turn}/delivered",
        json={"chars": seen.chars},
        is_safe=True,
    )


def decide(path: str, decided: commands.Decide) -> Request:
    return Request(
        method="POST",
        path=f"{path}/approvals/{quote(decided.approval or '', safe='')}",
        json={"decisions": decided.decisions},
        to=as_(DecideReceipt),
    )


def undo(path: str, _: commands.Undo) -> Request:
    return Request(method="POST", path=f"{path}/undo", to=as_(CutReceipt))


def truncate(path: str, cut: commands.Truncate) -> Request:
    body = {"message": cut.message}
    return Request(method="POST", path=f"{path}/truncate", json=body, to=as_(CutReceipt))


def compact(path: str, asked: commands.Compact) -> Request:
    body = {"keep": asked.keep, "prompt": asked.prompt}
    return Request(method="POST", path=f"{path}/compact", json=body, to=ticket)


def set_phase(path: str, asked: messages.SetPhase) -> Request:
    body = {"phase": asked.phase, "turn": asked.turn}
    return Request(method="PUT", path=f"{path}/phase", json=body, to=as_(PhaseReceipt))


def touch(path: str, _: messages.Touch) -> Request:
    return Request(method="POST", path=f"{path}/touch", to=_receipt, is_safe=True)


def set_dialog(path: str, told: commands.SetDialog) -> Request:
    body = {"dialog": told.dialog}
    return Request(method="PUT", path=f"{path}/dialog", json=body, to=_receipt)


TALKING: Final[dict[type, Any]] = {
    commands.Post: post,
    commands.Send: send,
    commands.Greet: greet,
    commands.Interrupt: interrupt,
    commands.PlaceAnswer: place_answer,
    commands.Decide: decide,
    commands.Undo: undo,
    commands.Truncate: truncate,
    commands.Compact: compact,
    commands.SetDialog: set_dialog,
    messages.Delivered: delivered,
    messages.SetPhase: set_phase,
    messages.Touch: touch,
}
"""By the type of what a handle asks."""
