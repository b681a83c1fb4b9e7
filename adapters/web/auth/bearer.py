"""The `Authorization` header, and what of a token becomes a principal."""

from __future__ import annotations

from typing import Any

from ....actors.errors import InvalidInput
from ....actors.session import values
from ..errors import Unauthenticated
from ..principal import Credentials


def bearer(credentials: Credentials) -> str | None:
    """The token of `Authorization: Bearer TOKEN`; None: there is none."""
    scheme, _, token = (credentials.authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def user_of(given: Any) -> str:
    """A user id. Raises Unauthenticated."""
    try:
        return values.name(given, "user")
    except InvalidInput as error:
        raise Unauthenticated(str(error)) from None


def name_of(given: Any) -> str:
    """How somebody is shown; empty: not as the token says, which no session would take."""
    try:
        return values.name(given, "name")
    except InvalidInput:
        return ""


def scopes_of(given: Any) -> frozenset[str]:
    """Scopes, from a list or from words with spaces between them. Raises Unauthenticated."""
    if given is None:
        return frozenset()
    words = given.split() if isinstance(given, str) else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Unauthenticated("scopes are words")
    return frozenset(words)
