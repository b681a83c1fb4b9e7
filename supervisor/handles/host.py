"""What a handle needs of what hosts its session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...actors.kernel.dispatcher import Dispatcher
from ...actors.kernel.reply import Reply
from ...actors.ports import Calendar, Clock, SessionId, UserId
from ...actors.session.commands import Delete
from ...actors.session.pins import Scope
from ..config import Config

if TYPE_CHECKING:
    from ..session import Session


class Host(Protocol):
    """A runtime in this process, or what stands for one elsewhere."""

    config: Config
    calendar: Calendar

    @property
    def dispatcher(self) -> Dispatcher:
        """Whose thread answers."""
        ...

    @property
    def clock(self) -> Clock:
        """By which the handle tells times."""
        ...

    def ask(
        self, session: SessionId, message: object, to: Callable[[Any], Any] | None = None
    ) -> Reply[Any]:
        """Queue `message` for a session; the reply is passed through `to`."""
        ...

    def tell_resident(self, session: SessionId, message: object) -> None:
        """Tell a session something if it is on stage."""
        ...

    def next_submission(self) -> str:
        """An id for a submission."""
        ...

    def let_sleep(self, session: SessionId, scope: Scope) -> None:
        """Keep a session awake no longer for the sake of `scope`."""
        ...

    def erase(self, session: SessionId, command: Delete, *, archive: bool) -> Reply[bool]:
        """Have a session ended and hidden."""
        ...

    def fork(
        self,
        source: SessionId,
        user: UserId,
        *,
        at: int | None,
        id: SessionId | None,  # noqa: A002
        name: str | None,
    ) -> Reply[Session]:
        """Make a session from another one."""
        ...
