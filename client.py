"""What a program needs to have its sessions on a server, and not in its own process.

    async with greenroom.client.Client("http://127.0.0.1:8000", token="...") as runtime:
        session = await runtime.create(user="ada")

A program moves from a runtime of its own to a server's, and back, by the line that makes it.
`pip install 'greenroom[client]'`.
"""

from __future__ import annotations

from .actors.errors import ExtraMissing

try:
    from .adapters.client.client import Client
    from .adapters.client.errors import NotRemote, NotYou, ServerFailed, Unreachable
    from .adapters.web.errors import Forbidden, TooManyRequests, Unauthenticated
except ModuleNotFoundError as error:
    raise ExtraMissing("greenroom.client", install="greenroom[client]") from error

__all__ = [
    "Client",
    "Forbidden",
    "NotRemote",
    "NotYou",
    "ServerFailed",
    "TooManyRequests",
    "Unauthenticated",
    "Unreachable",
]
