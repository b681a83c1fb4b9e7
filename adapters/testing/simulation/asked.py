"""What somebody has asked for, and what he was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....actors.kernel.reply import Reply
from .process import Process


class Asked:
    """One command or question of a workload. `number` counts them from 1."""

    __slots__ = ("args", "call", "number", "process", "reply", "session", "steady")

    def __init__(
        self,
        number: int,
        process: Process,
        session: str,
        call: str,
        args: Mapping[str, Any],
        reply: Reply[Any],
    ) -> None:
        self.number, self.process = number, process
        self.session, self.call, self.args, self.reply = session, call, args, reply
        self.steady = process.steady

    def __repr__(self) -> str:
        return f"{self.call} {self.number} of {self.session}"

    @property
    def text(self) -> str | None:
        """What is said, if nobody else says the same."""
        text = self.args.get("text")
        return text if self.key is None and self.call in ("post", "send") else None

    @property
    def key(self) -> str | None:
        """The idempotency key, if there is one."""
        return self.args.get("key")

    @property
    def error(self) -> BaseException | None:
        """What it was refused with, if it was."""
        return self.reply.error

    @property
    def lost(self) -> bool:
        """Whether the process that was asked has died: nobody is left to be told."""
        return self.process.dead
