"""What an agent client submits to a session: one tagged struct per operation (spec A02)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class UserInput(msgspec.Struct, frozen=True, tag="user_input"):
    """The user says something, to be answered in a turn."""

    text: str


class Interrupt(msgspec.Struct, frozen=True, tag="interrupt"):
    """Cancel the running turn. It waits for nothing that was submitted before."""


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """End the session when the running turn has ended, or after a grace."""


Operation: TypeAlias = UserInput | Interrupt | Shutdown
