"""Bearer tokens that somebody else has signed: JSON Web Tokens (RFC 7519, RFC 8725)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import jwt
from jwt.types import Options

from ....actors.errors import ConfigError, ExtraMissing
from ....actors.session.secret import Secret
from ...system import now_ms
from ..errors import Unauthenticated
from ..principal import Credentials, Principal
from .bearer import bearer, name_of, scopes_of, user_of
from .keyset import read_keys
from .watched import Watched

SYMMETRIC: Final = frozenset({"HS256"})
ASYMMETRIC: Final = frozenset({"EdDSA", "ES256", "RS256"})

MAX_TOKEN: Final = 8192
"""Characters; longer ones are not looked at."""

MAX_BELIEVED: Final = 1024

MIN_SECRET: Final = 32
"""Bytes of a secret for HS256 (RFC 7518, 3.2)."""


class JwtAuthenticator:
    """Believes `Authorization: Bearer` tokens that are signed with a key of those given here.

    `key` is a secret for HS256, of at least 32 bytes, or a public key as PEM for all others; `jwks`
    is a file of public keys (RFC 7517) in its place, which is read again when it changes, and of
    which a token names one by its `kid`. `algorithms` are those that a token may be signed with:
    what it says of itself never adds one, and secrets and public keys are never mixed. `audience`
    and `issuer`, where given, must be those of the token; without an `audience`, tokens that are
    meant for one are refused. A token must have `exp`, which may be past by `leeway_s`.

    A token that was verified is believed until its `exp` without being verified again, as long as
    the keys are the same: 128 us of EdDSA, or 28 us of HS256, on each request, were up to twice
    what the request itself costs. Of such tokens only hashes are kept, of the last 1,024.

    `sub` is the user, `name` how they are shown (if a session would take such a name), and `scope`
    or `scopes` what else they may do. A bearer token of another form is left to other
    authenticators.

    Raises ConfigError, ExtraMissing for a public key without the library for them, and OSError.
    """

    def __init__(
        self,
        key: Secret | str | None = None,
        *,
        jwks: Path | None = None,
        algorithms: Sequence[str],
        audience: str | None = None,
        issuer: str | None = None,
        leeway_s: float = 0.0,
    ) -> None:
        self._algorithms = _checked(algorithms)
        if (key is None) == (jwks is None):
            raise ConfigError("key", "not one of key and jwks", "one of them")
        text = key.reveal() if isinstance(key, Secret) else key
        self._key: Any = None if text is None else _usable(text, self._algorithms)
        self._keys = None if jwks is None else _file(jwks, self._algorithms)
        if not 0 <= leeway_s <= 300:
            raise ConfigError("leeway_s", leeway_s, "0 to 300")
        self._audience, self._issuer, self._leeway_s = audience, issuer, leeway_s
        required = ["exp", "sub"] + ["aud"] * bool(audience) + ["iss"] * bool(issuer)
        self._believed: OrderedDict[bytes, Principal] = OrderedDict()
        self._believed_with: object = None
        self._options = Options(require=required, enforce_minimum_key_length=True)

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Who the token is about. Raises Unauthenticated."""
        token = bearer(credentials)
        if token is None or token.count(".") != 2:
            return None
        if len(token) > MAX_TOKEN:
            raise Unauthenticated(f"a token of more than {MAX_TOKEN} characters")
        keys = self._key if self._keys is None else self._keys.get()
        if keys is not self._believed_with:
            self._believed, self._believed_with = OrderedDict(), keys
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        principal = self._believed.get(digest)
        if principal is None or cast("float", principal.expires_s) * 1000 <= now_ms():
            principal = self._believed[digest] = self._principal(self._verified(token))
            if len(self._believed) > MAX_BELIEVED:
                self._believed.popitem(last=False)
        return principal

    def _principal(self, claims: dict[str, Any]) -> Principal:
        try:
            expires_s = int(claims["exp"]) + self._leeway_s
        except OverflowError:
            raise Unauthenticated("exp is beyond numbers") from None
        return Principal(
            user=user_of(claims["sub"]),
            name=name_of(claims.get("name")),
            scopes=scopes_of(claims.get("scope")) | scopes_of(claims.get("scopes")),
            expires_s=expires_s,
        )

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._key if self._keys is None else self._named(token),
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options=self._options,
            )
        except Unauthenticated:
            raise
        except Exception as error:  # whatever a hostile token makes the library raise
            raise Unauthenticated(f"{type(error).__name__}: {error}") from None

    def _named(self, token: str) -> jwt.PyJWK:
        """The key that the token names."""
        assert self._keys is not None
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._keys.get().get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthenticated("the token is signed with a key that is not known")
        return key


def _checked(algorithms: Sequence[str]) -> list[str]:
    given = set() if isinstance(algorithms, str) else set(algorithms)
    if not given or not (given <= SYMMETRIC or given <= ASYMMETRIC):
        limit = f"{', '.join(SYMMETRIC)} alone, or some of {', '.join(sorted(ASYMMETRIC))}"
        raise ConfigError("algorithms", algorithms, limit)
    if given <= ASYMMETRIC and find_spec("cryptography") is None:
        raise ExtraMissing("a token signed with a private key", install="greenroom[jwt]")
    return sorted(given)


def _usable(key: str, algorithms: list[str]) -> Any:
    """The key in the library's own form, made once."""
    if set(algorithms) <= SYMMETRIC:
        if len(key.encode()) < MIN_SECRET or "-----BEGIN" in key:
            raise ConfigError("key", "not fit", f"a secret of at least {MIN_SECRET} bytes")
        return key.encode()
    if len(algorithms) != 1:
        raise ConfigError("algorithms", algorithms, "one, as there is one key")
    if "PRIVATE KEY" in key:
        raise ConfigError("key", "a private one", "the public key: no other is needed here")
    try:
        return jwt.get_algorithm_by_name(algorithms[0]).prepare_key(key)
    except Exception:
        raise ConfigError("key", "not fit", f"a public key for {algorithms[0]}, as PEM") from None


def _file(jwks: Path, algorithms: list[str]) -> Watched[dict[str, jwt.PyJWK]]:
    if set(algorithms) <= SYMMETRIC:
        raise ConfigError("algorithms", algorithms, "those of public keys, for a file of keys")
    return Watched(jwks, lambda data: read_keys(data, frozenset(algorithms)))
