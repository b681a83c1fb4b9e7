"""`greenroom top`: a running server in the terminal."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from ...actors.errors import ExtraMissing


def top(
    *,
    server: Annotated[
        str, Parameter(help="Its address.", env_var="GREENROOM_SERVER")
    ] = "http://127.0.0.1:8000",
    token: Annotated[
        str,
        Parameter(
            help="An operator's access token or API key; with serve --dev, any name.",
            env_var="GREENROOM_TOKEN",
            show_default=False,
        ),
    ] = "operator",
    user: Annotated[
        str | None, Parameter(help="Who you say you are, to a server in its dev mode.")
    ] = None,
) -> int:
    """Watch a running server: its gauges, and its sessions with the deepest mailboxes.

    Keys: / finds, s sorts, e evicts, p parks, r revives, x ends a session, q quits.
    SIGTERM gives the terminal back, with status 143.
    """
    try:
        from ..tui.house import House
        from ..tui.top import Top
    except ImportError as error:
        raise ExtraMissing("greenroom top", install="greenroom[tui]") from error

    async def run() -> int:
        async with House(server, token if user is None else user) as house:
            shown = Top(house)
            # By itself the signal would leave the terminal as it is: on another screen, raw.
            loop, stop = asyncio.get_running_loop(), signal.SIGTERM
            loop.add_signal_handler(stop, partial(shown.exit, return_code=128 + stop))
            await shown.run_async()
        return shown.return_code or 0

    return asyncio.run(run())
