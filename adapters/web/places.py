"""Where a page of a listing has ended: the token that leads to the next one, and back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from msgspec import Meta

from ...actors.ports import SESSION_ID, IndexRow
from ...actors.session.values import MAX_TIME_MS
from .errors import WrongShape


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page has ended."""

    updated_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]
    id: Annotated[str, Meta(pattern=f"^{SESSION_ID.pattern}$")]


_decode = msgspec.json.Decoder(_Place).decode


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
