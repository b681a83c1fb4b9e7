"""Pages of a listing, and the tokens that lead from one to the next."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, TypeAlias
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from ....actors.ports import SESSION_ID, IndexRow
from ....actors.session.values import MAX_TIME_MS
from ..call import Call
from ..errors import WrongShape

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=1000, description="Rows on one page.")]

After: TypeAlias = Annotated[
    str, Meta(max_length=512, description="The `next` of the page before: opaque.")
]


class SessionRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions, most recently updated first. `next` leads to the next one, if any."""

    rows: list[IndexRow]
    next: str | None = None


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page has ended."""

    updated_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]
    id: Annotated[str, Meta(pattern=f"^{SESSION_ID.pattern}$")]


_decode = msgspec.json.Decoder(_Place).decode


def page(call: Call, rows: list[IndexRow], *, more: bool) -> SessionRows:
    """A page of rows; the `Link` header says the same as its `next`."""
    if not more:
        return SessionRows(rows=rows)
    token = token_of(rows[-1])
    query = {**call.request.query_params, "after": token}
    path = quote(call.request.scope["path"])
    call.headers["link"] = f'<{path}?{urlencode(query)}>; rel="next"'
    return SessionRows(rows=rows, next=token)


def token_of(row: IndexRow) -> str:
    """What leads to the rows after `row`."""
    place = msgspec.json.encode(_Place(row.updated_ms, row.id))
    return urlsafe_b64encode(place).rstrip(b"=").decode()


def row_at(after: str | None) -> IndexRow | None:
    """As much of the last row of the page before as a listing needs. Raises WrongShape."""
    if after is None:
        return None
    try:
        place = _decode(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (ValueError, msgspec.DecodeError):
        raise WrongShape("after", "the `next` of a page is wanted") from None
    return IndexRow(
        id=place.id, owner="", name="", state="", created_ms=0, updated_ms=place.updated_ms
    )
