"""Everybody is who they say they are: for trying things out on one's own machine."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import structlog

from ....actors.session import values
from ..errors import Unauthenticated
from ..principal import OPERATOR, Credentials, Principal
from .bearer import bearer, user_of

log = structlog.get_logger()


class DevAuthenticator:
    """Believes any name, from this very machine only.

    One is who one says by `Authorization: Bearer NAME` or `X-Greenroom-User`; a page of the
    built-in ones, by the cookie `greenroom_dev_user` or `?user=`. These two a page of another
    origin could have a browser send as well, so what changes something is believed only if no
    such page can have sent it (`Credentials.is_simple`). `operators` run the house.

    None: everybody does.

    Connections that are not from this machine, or that came by way of a proxy, are refused. That
    it is in force is logged as a warning. Raises InvalidInput.
    """

    def __init__(self, operators: Iterable[str] | None = ()) -> None:
        self._operators = (
            None
            if operators is None
            else frozenset(values.name(user, "operators") for user in operators)
        )
        log.warning("dev_mode", warning="everybody on this machine is who they say they are")

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Who they say they are. Raises Unauthenticated."""
        said = bearer(credentials) or credentials.said_user
        user = said or credentials.ambient_user
        if user is None:
            return None
        if credentials.is_forwarded or not is_loopback(credentials.host):
            raise Unauthenticated("the dev mode is for connections from this machine")
        if said is None and credentials.is_simple:
            raise Unauthenticated("a page of another origin could have sent this")
        user = user_of(user)
        runs = self._operators is None or user in self._operators
        scopes = frozenset({OPERATOR}) if runs else frozenset[str]()
        return Principal(user=user, name=user, scopes=scopes)


def is_loopback(host: str | None) -> bool:
    """Whether an address is this very machine."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(address.is_loopback or (mapped is not None and mapped.is_loopback))
