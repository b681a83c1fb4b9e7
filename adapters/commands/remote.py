"""The running server that a command is pointed at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from ...actors.errors import ExtraMissing

if TYPE_CHECKING:
    from ..client.client import Client

DEFAULT: Final = "http://127.0.0.1:8000"
"""Where `greenroom serve` listens unless told otherwise."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Remote:
    """A server, and who asks: by `user`, or by the token, which may be in the environment."""

    server: Annotated[str | None, Parameter(help="Address of a running server.")] = None
    token: Annotated[
        str | None,
        Parameter(
            help="Token or API key to show it.", env_var="GREENROOM_TOKEN", show_default=False
        ),
    ] = None
    user: Annotated[
        str | None, Parameter(help="Who you say you are, to a server in its dev mode.")
    ] = None

    def client(self, *, patience_s: float = 10.0) -> Client:
        """A client, not entered yet. Raises ConfigError and ExtraMissing."""
        try:
            from ..client.client import Client
        except ModuleNotFoundError as error:
            raise ExtraMissing("what asks a server", install="greenroom[client]") from error
        # In the dev mode, a name is all that there is to show.
        shown = self.token if self.user is None else self.user
        server = self.server or DEFAULT
        address = server if "://" in server else f"http://{server}"
        return Client(address, token=shown, patience_s=patience_s)


LOCAL: Final = Remote()
"""Nothing is said of it."""
