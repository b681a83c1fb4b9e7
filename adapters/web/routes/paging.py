"""Pages of a listing."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from ....actors.ports import IndexRow
from ..call import Call
from ..places import token_of

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=1000, description="Rows on one page.")]

After: TypeAlias = Annotated[
    str, Meta(max_length=512, description="The `next` of the page before: opaque.")
]


class SessionRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions, most recently updated first. `next` leads to the next one, if any."""

    rows: list[IndexRow]
    next: str | None = None


def page(call: Call, rows: list[IndexRow], *, more: bool) -> SessionRows:
    """A page of rows; the `Link` header says the same as its `next`."""
    if not more:
        return SessionRows(rows=rows)
    token = token_of(rows[-1])
    query = {**call.request.query_params, "after": token}
    path = quote(call.request.scope["path"])
    call.headers["link"] = f'<{path}?{urlencode(query)}>; rel="next"'
    return SessionRows(rows=rows, next=token)
