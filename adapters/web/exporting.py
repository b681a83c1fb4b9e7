"""How a web application exports a session, without knowing what does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO, Literal, Protocol

from ...actors.ports import Journal, SessionId


class ExportFailure(Protocol):
    """Why a session was left out."""

    @property
    def why(self) -> str: ...


class Exported(Protocol):
    """What has come of it."""

    @property
    def opted_out(self) -> int: ...

    @property
    def failures(self) -> Sequence[ExportFailure]: ...


class Export(Protocol):
    """Writes sessions of a journal to `output`: `greenroom.export_sessions`, or what is like it.

    Whoever sets the application up hands it in.
    """

    async def __call__(
        self,
        journal: Journal,
        output: BinaryIO,
        *,
        layout: Literal["rlhf", "chat", "preferences"],
        format: Literal["jsonl"],  # noqa: A002
        sessions: Iterable[SessionId],
    ) -> Exported: ...
