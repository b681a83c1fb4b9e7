"""One call of the API: who calls, what for, and what is told beside the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from ...actors.errors import InvalidInput
from ...actors.ports import SessionId
from .errors import Forbidden
from .principal import Principal
from .veil import veiled

if TYPE_CHECKING:
    from ...supervisor.runtime import Runtime
    from ...supervisor.session import Session
    from .hall import Hall

MAX_KEY: Final = 128


class Call:
    """What an endpoint is given of the request, beside its own parameters.

    `headers` are sent with the answer; `status`, if it is set, in the place of the endpoint's own.
    """

    def __init__(self, hall: Hall, principal: Principal, request: Request) -> None:
        self.hall = hall
        self.principal = principal
        self.request = request
        self.headers: dict[str, str] = {}
        self.status: int | None = None

    @property
    def runtime(self) -> Runtime:
        """What hosts the sessions."""
        return self.hall.runtime

    @property
    def user(self) -> str:
        """The user in whose name all is done."""
        return self.principal.user

    @property
    def key(self) -> str | None:
        """The `Idempotency-Key`, if one was sent. Raises InvalidInput."""
        key = self.request.headers.get("idempotency-key")
        if key is None:
            return None
        if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            raise InvalidInput("Idempotency-Key", key, f"1 to {MAX_KEY} printable characters")
        return key

    def path(self, path: str) -> str:
        """`path`, as it is reached from outside, also where this application is mounted."""
        root: str = self.request.scope.get("root_path", "")
        return root + path

    def most(self, wait_s: float) -> float:
        """For how many seconds a request may wait that asks for `wait_s`."""
        return min(wait_s, self.hall.settings.wait_max_s)

    def session(self, id: SessionId) -> Session:  # noqa: A002
        """The handle of a session. Raises InvalidInput."""
        return self.runtime.session(id)

    async def membership(self, id: SessionId) -> Session:  # noqa: A002
        """The handle of a session in which the caller takes part. Raises NotMember."""
        session = self.session(id)
        await session.require_member(self.user)
        return session

    async def shown(self, error: Exception, session: SessionId | None) -> Exception:
        """What the caller may know of an error."""
        return await veiled(error, self.runtime, self.principal, session)

    def require_operator(self) -> None:
        """Raises Forbidden unless the caller runs the house."""
        if not self.principal.is_operator:
            raise Forbidden("this is for operators")
