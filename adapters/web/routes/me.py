"""Who the caller is."""

from __future__ import annotations

from typing import Final

import msgspec

from ..call import Call
from ..endpoint import Endpoint, endpoint


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the server takes the caller for. `expires_s`: UTC seconds; None: never."""

    user: str
    name: str
    scopes: list[str]
    expires_s: float | None


@endpoint("GET", "/v1/me", tag="access")
async def get_me(call: Call) -> Me:
    """Whom the server takes the caller for."""
    me = call.principal
    return Me(user=me.user, name=me.name, scopes=sorted(me.scopes), expires_s=me.expires_s)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (get_me,)
