"""The runtime on the network, within a program of one's own: an ASGI application.

    import greenroom.web

    app = greenroom.web.asgi(runtime, [greenroom.web.ApiKeyAuthenticator(Path("keys.toml"))])

It is served by any ASGI server, or mounted into a Starlette or FastAPI application, whose lifespan
enters the runtime: no framework runs the lifespan of what is mounted. `greenroom serve` is this
with a server around it. Needs the extra `web`; tokens that are signed with a public key, `jwt`.
"""

from __future__ import annotations

from .actors.errors import ExtraMissing

try:
    from .adapters.web.app import asgi
    from .adapters.web.auth.api_keys import ApiKeyAuthenticator, new_key
    from .adapters.web.auth.dev import DevAuthenticator
    from .adapters.web.auth.jwt import JwtAuthenticator
    from .adapters.web.errors import Unauthenticated
    from .adapters.web.principal import OPERATOR, Authenticator, Credentials, Principal
    from .adapters.web.settings import WebSettings
except ModuleNotFoundError as error:
    raise ExtraMissing("greenroom.web", install="greenroom[web]") from error

__all__ = [
    "OPERATOR",
    "ApiKeyAuthenticator",
    "Authenticator",
    "Credentials",
    "DevAuthenticator",
    "JwtAuthenticator",
    "Principal",
    "Unauthenticated",
    "WebSettings",
    "asgi",
    "new_key",
]
