"""Which errors an operation may answer with, by their codes and statuses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from inspect import getdoc
from typing import Any, Final

from ....actors import errors as core
from ....actors.errors import GreenroomError
from .. import errors
from ..problems import STATUS

_OTHERS: Final[dict[str, tuple[int, ...]]] = {
    "capacity": (429, 503),
    "internal": (500,),
    "method_not_allowed": (405,),
    "no_route": (404,),
}
"""Statuses of codes that have not exactly one, or belong to no command."""

_SAID: Final = {
    "closed": "The session stopped before it handled this; nothing was done.",
    "internal": "Something went wrong here that should not have. It was logged.",
    "method_not_allowed": "The path takes other methods: `Allow` names them.",
    "no_route": "There is no such path.",
}

EVERYWHERE: Final = (
    "internal",
    "invalid",
    "misdirected",
    "too_many_requests",
    "unauthenticated",
)

OF_BODIES: Final = ("malformed", "too_large", "unsupported_type")

OF_PATHS: Final = ("method_not_allowed", "no_route")
"""A part of a path that holds a slash makes another path of it."""

OF_SESSIONS: Final = ("capacity", "overloaded", "poison")

OF_THE_HOUSE: Final = tuple(code for code, status in STATUS.items() if status == 503)


def by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    """The codes in order, by the statuses that they are answered with."""
    found: dict[int, list[str]] = {}
    for code in sorted(set(codes)):
        for status in _OTHERS.get(code) or (STATUS[code],):
            found.setdefault(status, []).append(code)
    return dict(sorted(found.items()))


_HEADERS: Final = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def response(codes: list[str], status: int) -> dict[str, Any]:
    """What an operation answers with one of these codes."""
    exact = {"type": "object", "properties": {"code": {"enum": codes}}}
    described: dict[str, Any] = {
        "description": "\n".join(f"- `{code}`: {_said().get(code, code)}" for code in codes),
        "content": {
            "application/problem+json": {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, exact]}
            }
        },
    }
    headers = _HEADERS.get(status, ())
    if headers:
        described["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return described


class Shared:
    """The answers of all operations, each kept once: most operations refuse for the same reasons.

    `responses` are those that were asked for, by name.
    """

    def __init__(self) -> None:
        self.responses: dict[str, dict[str, Any]] = {}
        self._names: dict[tuple[int, tuple[str, ...]], str] = {}

    def of(self, codes: Iterable[str]) -> dict[str, Any]:
        """What is answered with each of these codes, by status."""
        return {
            str(status): {"$ref": f"#/components/responses/{self._name(status, named)}"}
            for status, named in by_status(codes).items()
        }

    def _name(self, status: int, named: list[str]) -> str:
        place = (status, tuple(named))
        if place not in self._names:
            others = sum(status == other for other, _ in self._names)
            name = self._names[place] = f"refused-{status}-{others + 1}"
            self.responses[name] = response(named, status)
        return self._names[place]


@cache
def _said() -> dict[str, str]:
    """What each code means: the first paragraph of its error's description."""
    said = dict(_SAID)
    for kind in (*vars(core).values(), *vars(errors).values()):
        if isinstance(kind, type) and issubclass(kind, GreenroomError) and "code" in vars(kind):
            said.setdefault(kind.code, " ".join((getdoc(kind) or "").partition("\n\n")[0].split()))
    return said
