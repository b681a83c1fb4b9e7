"""What a check of a journal finds."""

from __future__ import annotations

import msgspec

from ...actors.ports import SessionId


class Damage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that is wrong: with a session at a revision, or with the journal if it is of none.

    `session` is empty, and `revision` None, where it is of none in particular.
    """

    session: SessionId = ""
    revision: int | None = None
    what: str

    def __str__(self) -> str:
        place = f"session {self.session}" if self.session else "journal"
        at = "" if self.revision is None else f" at revision {self.revision}"
        return f"{place}{at}: {self.what}"


class Checked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a check has come: `sessions` of `total`, their `events` and `bytes`.

    `unsummed` of them, and of the snapshots, are of an older format without checksums. `damaged`
    counts what was found to be wrong.
    """

    sessions: int = 0
    total: int = 0
    events: int = 0
    bytes: int = 0
    unsummed: int = 0
    damaged: int = 0
