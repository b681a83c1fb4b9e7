"""A whole server: its settings, who may come in, and its life."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ...actors.errors import ConfigError
from ...actors.session.secret import Secret
from ...supervisor.config import Config
from ...supervisor.runtime import Runtime
from .app import application
from .auth.api_keys import ApiKeyAuthenticator
from .auth.dev import DevAuthenticator, is_loopback
from .auth.jwt import JwtAuthenticator
from .exporting import Export
from .following import Follow
from .hall import Hall
from .principal import Authenticator
from .server import Server, address_of, listen
from .settings import WebSettings

TABLES: Final = ("greenroom", "web", "auth")


class Jwt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[auth.jwt]`: of `JwtAuthenticator`, with a file in the place of the key itself."""

    algorithms: list[str]
    key_file: Path | None = None
    jwks: Path | None = None
    audience: str | None = None
    issuer: str | None = None
    leeway_s: float = 0.0

    def authenticator(self) -> JwtAuthenticator:
        """Raises ConfigError, OSError, ExtraMissing."""
        key = None if self.key_file is None else Secret(self.key_file.read_text().strip())
        return JwtAuthenticator(
            key,
            jwks=self.jwks,
            algorithms=self.algorithms,
            audience=self.audience,
            issuer=self.issuer,
            leeway_s=self.leeway_s,
        )


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[auth]`: JSON web tokens, API keys (a file that `greenroom keys new` has made lines of)."""

    jwt: Jwt | None = None
    api_keys: Path | None = None


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is set up: the tables of one TOML file."""

    runtime: Config
    web: WebSettings
    auth: Auth

    @classmethod
    def of(cls, path: Path | None) -> Setup:
        """From a file with `[greenroom]`, `[web]` and `[auth]`; None: the defaults.

        Files that it names are found from its own folder, wherever the process was started.
        Raises ConfigError and OSError.
        """
        tables: Mapping[str, Any] = {} if path is None else _read(path)
        unknown = tables.keys() - set(TABLES)
        if unknown:
            raise ConfigError(str(path), min(unknown), f"tables {', '.join(TABLES)}")
        return cls(
            runtime=Config.of(tables.get("greenroom", {})),
            web=_table(tables.get("web", {}), WebSettings, "web"),
            auth=_table(
                tables.get("auth", {}), Auth, "auth", Path() if path is None else path.parent
            ),
        )


def for_trying(setup: Setup) -> Setup:
    """The same for one person who tries it out: one user may have as many sessions as there are."""
    runtime = msgspec.structs.replace(
        setup.runtime, max_sessions_per_user=setup.runtime.max_sessions
    )
    return msgspec.structs.replace(setup, runtime=runtime)


def authenticators(auth: Auth, *, dev: bool, host: str) -> Sequence[Authenticator]:
    """Who may come in. Raises ConfigError: nobody could, or the dev mode is not on loopback."""
    if dev:
        if not (is_loopback(host) or host == "localhost"):
            raise ConfigError("dev", host, "on loopback, such as 127.0.0.1")
        return [DevAuthenticator(operators=None)]
    found: list[Authenticator] = []
    if auth.jwt is not None:
        found.append(auth.jwt.authenticator())
    if auth.api_keys is not None:
        found.append(ApiKeyAuthenticator(auth.api_keys))
    if not found:
        raise ConfigError("auth", "nothing", "[auth.jwt] or api_keys in the config, or --dev")
    return found


async def serve(
    runtime: Runtime,
    setup: Setup,
    *,
    host: str,
    port: int,
    dev: bool,
    budget_s: float | None = None,
    export: Export | None = None,
    follow: Follow | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
) -> Server:
    """Serve `runtime` until SIGTERM or SIGINT, and drain it; the server, with its report.

    `on_ready` hears of the address once connections are taken and signals are heeded. Raises
    ConfigError and OSError.
    """
    hall = Hall(
        runtime,
        authenticators(setup.auth, dev=dev, host=host),
        setup.web,
        export=export,
        follow=follow,
    )
    app = application(hall, "dev" if dev else "token")
    listening = listen(host, port)
    address = address_of(listening)
    server = Server(app, hall, budget_s=budget_s, on_started=lambda: on_ready(address))
    await server.serve([listening])
    return server


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), str(error), "valid TOML") from error


def _table(table: Any, kind: Any, name: str, folder: Path = Path()) -> Any:
    def of_text(kind: type, value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError("a text is wanted")
        return Secret(value) if kind is Secret else (folder / value).absolute()

    try:
        return msgspec.convert(table, kind, dec_hook=of_text)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ConfigError):
            raise error.__cause__ from None
        raise ConfigError(name, str(error), "a table of its settings") from error
