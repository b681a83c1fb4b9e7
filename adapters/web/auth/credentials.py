"""What a request or a stream shows of who sends it."""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection

from ..principal import Credentials

DEV_COOKIE: Final = "greenroom_dev_user"

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def shown(connection: HTTPConnection, *, stream: bool) -> Credentials:
    """All that `connection` shows. A ticket counts for streams only."""
    headers, client, query = connection.headers, connection.client, connection.query_params
    cookie = connection.cookies.get(DEV_COOKIE) if "cookie" in headers else None
    return Credentials(
        authorization=headers.get("authorization"),
        api_key=headers.get("x-api-key"),
        said_user=headers.get("x-greenroom-user"),
        ambient_user=cookie or query.get("user") or None,
        ticket=query.get("ticket") if stream else None,
        host=None if client is None else client.host,
        is_simple=_is_simple(connection),
        is_forwarded="forwarded" in headers or "x-forwarded-for" in headers,
    )


def _is_simple(connection: HTTPConnection) -> bool:
    """Whether it asks for a change, and a page of any origin can have a browser send it so.

    For another type of the body, or a header of our own, a browser asks the server first (a
    preflight), and is told no.
    """
    if connection.scope.get("method", "GET") in SAFE:
        return False
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind != "application/json" and connection.headers.get("x-greenroom") != "1"
