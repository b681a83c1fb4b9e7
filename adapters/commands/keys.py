"""`greenroom keys`: API keys for programs."""

from __future__ import annotations

import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...actors.errors import ExtraMissing
from .output import console


def new(
    *,
    user: Annotated[str, Parameter(help="In whose name the program acts.")],
    scope: Annotated[
        tuple[str, ...], Parameter(help="What else it may do, such as operator.", negative="")
    ] = (),
    name: Annotated[str, Parameter(help="How it is shown.")] = "",
    expires: Annotated[date | None, Parameter(help="The first day on which it is refused.")] = None,
    file: Annotated[Path | None, Parameter(help="Add the lines to this file of keys.")] = None,
) -> int:
    """Make a key, and print it this once, with the lines for the server's file of keys.

    The lines go to standard output too, unless --file names the file to which they are added: a
    running server takes notice by itself. Only a hash of the key is in them.
    """
    if find_spec("starlette") is None:
        raise ExtraMissing("an API key", install="greenroom[web]")
    from ..web.auth.api_keys import new_key

    key, lines = new_key(user, scope, name, expires)
    if file is None:
        console().print(f"{key}\n\n{lines}", end="", soft_wrap=True)
        return 0
    with file.open("a", encoding="utf-8") as kept:
        kept.write(f"\n{lines}" if kept.tell() else lines)
    console().print(key, soft_wrap=True)
    sys.stderr.write(f"added to {file}; the key is not shown again\n")
    return 0
