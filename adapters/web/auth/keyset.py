"""A file of public keys: a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec

from ....actors.errors import ConfigError


def read_keys(data: bytes, algorithms: frozenset[str]) -> dict[str, jwt.PyJWK]:
    """The keys of a set that sign with one of `algorithms`, by their `kid`.

    All others are left out: those that encrypt, that have no `kid`, or that are not understood.
    Raises ConfigError: there is none that can be used, or two of the same `kid`.
    """
    try:
        given: Any = msgspec.json.decode(data)
        members = [dict(each) for each in given["keys"]]
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        raise ConfigError("jwks", "not a key set", 'JSON as in {"keys": [...]}') from None
    found: dict[str, jwt.PyJWK] = {}
    for member in members:
        key = _key(member)
        if key is None or key.algorithm_name not in algorithms:
            continue
        kid = member["kid"]
        if kid in found:
            raise ConfigError("jwks", kid, "a set in which each kid stands once")
        found[kid] = key
    if not found:
        raise ConfigError("jwks", "without a key", f"a set with a key for {sorted(algorithms)}")
    return found


def _key(member: dict[str, Any]) -> jwt.PyJWK | None:
    if not isinstance(member.get("kid"), str) or member.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(member)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
