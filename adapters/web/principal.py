"""Who asks, and how that is found out."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from ...actors.ports import UserId

OPERATOR: Final = "operator"
"""The scope of those who run the house: the endpoints under `/v1/admin`, and the dashboard."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever has been authenticated: for sessions, the user `user`.

    What a user may do in a session is decided there, by ownership and membership. `name` is how
    they are shown. `scopes` say what else they may do. `expires_s` (UTC seconds) ends their
    streams; None: never. `session`, if there is one, is the only session that they may follow:
    that of a stream ticket.
    """

    user: UserId
    name: str = ""
    scopes: frozenset[str] = frozenset()
    expires_s: float | None = None
    session: str | None = None

    @property
    def is_operator(self) -> bool:
        """Whether they run the house."""
        return OPERATOR in self.scopes


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a request shows of who sends it; None where it does not.

    `authorization`, `api_key` (`X-API-Key`) and `said_user` (`X-Greenroom-User`) are headers,
    `ticket` is a query parameter, of streams only. `ambient_user` is the cookie
    `greenroom_dev_user` or the query parameter `user`: what a page of another origin could have a
    browser send. `is_simple`: it asks for a change in a form that browsers let any page send.
    `host` is the address of the other end, `is_forwarded` whether a proxy is named between.
    """

    authorization: str | None = None
    api_key: str | None = None
    said_user: str | None = None
    ambient_user: str | None = None
    ticket: str | None = None
    host: str | None = None
    is_simple: bool = False
    is_forwarded: bool = False


class Authenticator(Protocol):
    """Finds out who asks."""

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Who it is; None: nothing was shown that this one understands, another may.

        Raises Unauthenticated: what was shown is invalid, and no other shall be asked.
        """
        ...
