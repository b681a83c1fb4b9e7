"""One request, and what is made of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from ...actors.errors import InvalidInput

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

MAX_KEY = 128


class Answer(msgspec.Struct, frozen=True):
    """A success."""

    status: int
    body: bytes


def nothing(_: Answer) -> None:
    """What an answer without a body tells."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent to a server. `path` is what follows its address.

    `json` is the body, unless `content` is, which is of `content_type`. `to` makes the result of
    an answer. `is_safe`: sent twice, it does no more than once. `wait_s` is how long the server is
    asked to wait.
    """

    method: Method
    path: str
    json: Any = msgspec.UNSET
    content: bytes | None = None
    content_type: str = "application/json"
    query: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    key: str | None = None
    to: Callable[[Answer], Any] = nothing
    is_safe: bool = False
    wait_s: float = 0.0

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again when nobody knows what has become of it."""
        return self.is_safe or self.method == "GET" or self.key is not None

    def under(self, key: str) -> Request:
        """The same under an idempotency key. Raises InvalidInput."""
        if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            raise InvalidInput("key", key, f"1 to {MAX_KEY} printable ASCII characters")
        return msgspec.structs.replace(self, key=key)


def as_(kind: Any) -> Callable[[Answer], Any]:
    """What makes a result of this type."""
    decode = msgspec.json.Decoder(kind).decode
    return lambda answer: decode(answer.body)
