"""The errors of a server, as the classes that a runtime in this process raises."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, signature
from typing import Any, Final

import msgspec

from ...actors import errors as core
from ...actors.errors import GreenroomError, SessionClosed
from ..web import errors as network
from .errors import ServerFailed


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a problem (RFC 9457) says of an error."""

    code: str | None = None
    detail: str = ""
    status: int = 500
    retry_after_s: float | None = None
    session: str | None = None
    field: str | None = None
    limit: Any = None
    in_use: int | None = None
    scope: str | None = None
    turn: int | None = None
    state: str | None = None
    key: str | None = None
    version: int | None = None


_FIELDS: Final = tuple(
    name for name in Told.__struct_fields__ if name not in ("code", "detail", "status")
)


def _kinds() -> Iterator[type[GreenroomError]]:
    for kind in (*vars(core).values(), *vars(network).values()):
        if isinstance(kind, type) and issubclass(kind, GreenroomError) and "code" in vars(kind):
            yield kind


KINDS: Final[dict[str, type[GreenroomError]]] = {}
"""The class of each code. Of those that share one, what a session's commands are refused with."""

for _kind in _kinds():
    KINDS.setdefault(_kind.code, _kind)
KINDS["closed"] = SessionClosed

_decode: Final = msgspec.json.Decoder(Told).decode


def read(body: bytes, status: int) -> Told:
    """What the body of an answer says. Of one that is no problem: its status."""
    try:
        told = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Told(status=status, detail=body[:200].decode(errors="replace"))
    return told


def error_of(told: Told, user: str) -> GreenroomError:
    """The error that a problem tells `user` of.

    It has the fields of its class: those that the network does not tell are None.
    """
    kind = KINDS.get(told.code or "")
    if kind is None:
        return ServerFailed(told.status, code=told.code, detail=told.detail)
    error = kind.__new__(kind)
    Exception.__init__(error, told.detail)
    for name, parameter in signature(kind.__init__).parameters.items():
        if name != "self" and parameter.kind is not Parameter.VAR_KEYWORD:
            setattr(error, name, user if name == "user" else None)
    for name in _FIELDS:
        value = getattr(told, name)
        if value is not None:
            setattr(error, name, value)
    if isinstance(error, core.TurnBusy | core.TurnNotFound):
        error.turn = str(told.turn)  # their turn is a text
    return error
