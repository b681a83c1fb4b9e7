"""Versions of what can be fetched, as HTTP names them (RFC 9110, 8.8.3 and 13.1)."""

from __future__ import annotations

import re
from typing import Final

ANY: Final = "*"

MAX_TAGS: Final = 16
"""Of one header: nobody holds more versions of one thing."""

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


def etag(tag: str) -> str:
    """The `ETag` header of a version: a strong one, as the same version is the same bytes."""
    return f'"{tag}"'


def tags_of(header: str, *, weak: bool) -> list[str]:
    """The versions that `If-Match` or `If-None-Match` names; `*` alone is `ANY`.

    `weak`: also those that are only said to be much the same, as `If-None-Match` compares.
    """
    if header.strip() == ANY:
        return [ANY]
    found = _TAG.findall(header[: MAX_TAGS * 128])
    return [tag for is_weak, tag in found[:MAX_TAGS] if weak or not is_weak]


def is_fresh(header: str | None, tag: str) -> bool:
    """Whether whoever sends `If-None-Match` has the version `tag` already."""
    return header is not None and not {ANY, tag}.isdisjoint(tags_of(header, weak=True))
