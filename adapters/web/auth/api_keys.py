"""Keys of programs, of which only hashes are kept."""

from __future__ import annotations

import hmac
import secrets
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from ....actors.errors import ConfigError
from ....actors.ports import UserId
from ....actors.session import values
from ...system import now_ms
from ..errors import Unauthenticated
from ..principal import Credentials, Principal
from .bearer import bearer, user_of
from .watched import Watched

PREFIX: Final = "gr_"

_NOBODY: Final = sha256(b"").hexdigest()


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as it is kept: whose it is, and the SHA-256 of its secret, in hexadecimal.

    A hash that is quick to compute is enough for a secret of 256 random bits. From `expires` on the
    key is refused: in the file a time with its offset from UTC, or a date, which begins in UTC.
    """

    user: UserId
    hash: str
    name: str = ""
    scopes: frozenset[str] = frozenset()
    expires: datetime | None = None

    @property
    def expires_s(self) -> float | None:
        """UTC seconds."""
        return None if self.expires is None else self.expires.timestamp()


class ApiKeyAuthenticator:
    """Believes the keys of a TOML file, shown as `X-API-Key` or `Authorization: Bearer`.

    A key reads `gr_ID_SECRET`; the file has a table `[keys.ID]` for each, as `new_key` writes it.
    It is read again when it changes, so that a key that is taken out is refused from then on;
    streams that it has opened stay open.

    Raises ConfigError if the file makes no sense, and OSError.
    """

    def __init__(self, path: Path) -> None:
        self._keys = Watched(path, read_keys)

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        """Whose the key is. Raises Unauthenticated."""
        shown = credentials.api_key or bearer(credentials)
        if shown is None or (credentials.api_key is None and not shown.startswith(PREFIX)):
            return None
        id, _, secret = shown.removeprefix(PREFIX).partition("_")  # noqa: A001
        kept = self._keys.get().get(id)
        # What is not known takes as long as what is wrong.
        same = hmac.compare_digest(_hash(secret), _NOBODY if kept is None else kept.hash)
        if kept is None or not same or not shown.startswith(PREFIX):
            raise Unauthenticated("an API key that is not known")
        if kept.expires_s is not None and kept.expires_s * 1000 <= now_ms():
            raise Unauthenticated(f"the API key {id} has expired")
        return Principal(
            user=user_of(kept.user), name=kept.name, scopes=kept.scopes, expires_s=kept.expires_s
        )


def read_keys(data: bytes) -> dict[str, ApiKey]:
    """The keys of a file, by their ids. Raises ConfigError."""
    try:
        given: Any = tomllib.loads(data.decode())
        tables = msgspec.convert(given.get("keys", {}), dict[str, dict[str, Any]])
        for table in tables.values():
            if type(day := table.get("expires")) is date:
                table["expires"] = datetime.combine(day, time(), UTC)
        found = msgspec.convert(tables, dict[str, ApiKey])
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError("keys", "not readable", f"tables such as [keys.ID]: {error}") from None
    for id, key in found.items():  # noqa: A001
        values.name(key.user, f"keys.{id}.user")
        if key.expires is not None and key.expires.tzinfo is None:
            raise ConfigError(f"keys.{id}.expires", key.expires, "a time with its offset from UTC")
        if len(key.hash) != len(_NOBODY) or not set(key.hash) <= set("0123456789abcdef"):
            raise ConfigError(f"keys.{id}.hash", "no hash", "a SHA-256 in hexadecimal")
    return found


def new_key(
    user: UserId, scopes: Sequence[str] = (), name: str = "", expires: date | None = None
) -> tuple[str, str]:
    """A key that nobody has yet, and the lines for the file. Raises InvalidInput.

    The key itself is not kept anywhere: it is to be handed over now.
    """
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)  # noqa: A001
    lines = [f"[keys.{id}]", f"user = {_quoted(values.name(user, 'user'))}"]
    if name:
        lines.append(f"name = {_quoted(values.name(name, 'name'))}")
    if scopes:
        words = ", ".join(_quoted(values.name(scope, "scope")) for scope in scopes)
        lines.append(f"scopes = [{words}]")
    if expires is not None:
        lines.append(f"expires = {expires.isoformat()}")
    lines.append(f'hash = "{_hash(secret)}"')
    return f"{PREFIX}{id}_{secret}", "\n".join(lines) + "\n"


def _hash(secret: str) -> str:
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _quoted(text: str) -> str:
    """Text as TOML: what is printable is written there as in JSON."""
    return msgspec.json.encode(text).decode()
