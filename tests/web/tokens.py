"""Tokens as an issuer, or somebody who would like to be one, makes them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from greenroom.adapters.web.auth.jwt import JwtAuthenticator
from greenroom.adapters.web.principal import Credentials, Principal

AUDIENCE, ISSUER = "greenroom", "https://id.example.org"


@cache
def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@cache
def public_pem(name: str = "ours") -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private_key(name).public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def claims(user: str = "ann", **more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": user, "aud": AUDIENCE, "iss": ISSUER, "exp": now + 3600, "iat": now} | more


def signed(user: str = "ann", *, key: str = "ours", kid: str | None = None, **more: Any) -> str:
    """A token of the issuer: valid, unless `more` says otherwise."""
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims(user, **more), private_key(key), algorithm="EdDSA", headers=headers)


def forged(header: dict[str, Any], payload: dict[str, Any], secret: bytes | None = None) -> str:
    """A token put together by hand: without a signature, or signed with HS256."""
    head = ".".join(_part(json.dumps(each).encode()) for each in (header, payload))
    tail = b"" if secret is None else hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{_part(tail)}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def believer(**options: Any) -> JwtAuthenticator:
    """Believes what is signed by `ours`."""
    options = {"algorithms": ["EdDSA"], "audience": AUDIENCE, "issuer": ISSUER} | options
    if "jwks" not in options:
        options.setdefault("key", public_pem())
    return JwtAuthenticator(**options)


def shown(token: str) -> Credentials:
    return Credentials(authorization=f"Bearer {token}")


def drive(answer: Any) -> Principal | None:
    """The end of a coroutine that waits for nothing."""
    try:
        answer.send(None)
    except StopIteration as end:
        found: Principal | None = end.value
        return found
    raise AssertionError("it waited")
