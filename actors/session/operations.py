"""What an agent client submits to a session: one tagged struct per operation (spec A02)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class UserInput(msgspec.Struct, frozen=True, tag="user_input"):
    """The user says something, to be answered in a turn."""

    text: str


class CallApproval(msgspec.Struct, frozen=True):
    """Whether one tool call may be made."""

    tool_call_id: str
    approved: bool


class ExecApproval(msgspec.Struct, frozen=True, tag="exec_approval"):
    """The user decides on the calls that wait; those that are not named are rejected."""

    approvals: list[CallApproval]


class Interrupt(msgspec.Struct, frozen=True, tag="interrupt"):
    """Cancel the running turn. It waits for nothing that was submitted before."""


class Undo(msgspec.Struct, frozen=True, tag="undo"):
    """Drop the last message of people from the transcript, and all that followed it."""


class Compact(msgspec.Struct, frozen=True, tag="compact"):
    """Have a summary made of the older part of the transcript, to stand for it."""


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """End the session when the running turn has ended, or after a grace."""


Operation: TypeAlias = UserInput | ExecApproval | Interrupt | Undo | Compact | Shutdown
