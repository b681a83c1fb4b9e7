"""What every part of a session's handle does with a command: queue it, and give its reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ...actors.errors import InvalidInput
from ...actors.kernel.dispatcher import Dispatcher
from ...actors.kernel.reply import Reply
from ...actors.ports import SessionId
from ...actors.session import values
from ...actors.session.commands import Command
from ...actors.session.messages import Keyed

if TYPE_CHECKING:
    from ..runtime import Runtime

T = TypeVar("T")

MAX_DATA_BYTES: Final = 4 << 20
"""Of one free-form value, as it is journaled: well below what a journal takes at once, so that no
caller's data can fail a write."""


class Handle:
    """The part that all parts share."""

    __slots__ = ("_runtime", "id")

    def __init__(self, runtime: Runtime, session: SessionId) -> None:
        self._runtime = runtime
        self.id = session

    def __repr__(self) -> str:
        return f"<Session {self.id}>"

    def _do(
        self, command: Command, key: str | None, to: Callable[[Any], Any] | None = None
    ) -> Reply[Any]:
        """Queue a command that adds something, under its idempotency key if it has one."""
        if key is None:
            return self._runtime.ask(self.id, command, to)
        return self._ask(Keyed(values.name(key, "key"), command), to)

    def _ask(self, message: object, to: Callable[[Any], Any] | None = None) -> Reply[Any]:
        return self._runtime.ask(self.id, message, to)


def follow(
    first: Reply[Any], dispatcher: Dispatcher, conclude: Callable[[Reply[Any]], T]
) -> Reply[T]:
    """A reply with what `conclude` makes of the first one once that is answered, or raises."""
    second: Reply[T] = Reply(dispatcher)

    def settle(done: Reply[Any]) -> None:
        try:
            second.set(conclude(done))
        except Exception as error:
            second.set_error(error)

    first.on_done(settle)
    return second


def revision_of(value: Any, field: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise InvalidInput(field, value, "a revision, from 0")
    return value


def bounded(value: Any, field: str) -> Any:
    """A copy of a plain value that one event can hold. Raises InvalidInput."""
    copied = values.plain(value, field)
    size = len(msgspec.msgpack.encode(copied))
    if size > MAX_DATA_BYTES:
        raise InvalidInput(field, f"{size} bytes", f"at most {MAX_DATA_BYTES} bytes, encoded")
    return copied


def plain_dict(value: Any, field: str) -> dict[str, Any]:
    """A copy of a dict of plain data that one event can hold. Raises InvalidInput."""
    if type(value) is not dict:
        raise InvalidInput(field, value, "a dict")
    copied: dict[str, Any] = bounded(value, field)
    return copied
