"""What happens in a workload, step by step: data, so that a part of it can be played again."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Trouble: TypeAlias = Literal["full", "rejected", "silent", "written", "bug", "claim"]


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask", omit_defaults=True):
    """Somebody calls a method of a session's handle, at the process that is in front.

    With `follow` the result of the turn that comes of it is waited for. With `elder` it is asked of
    the process that was there before, if there are two.
    """

    session: str
    call: str
    args: dict[str, Any] = {}
    follow: bool = False
    elder: bool = False


class Create(msgspec.Struct, frozen=True, kw_only=True, tag="create", omit_defaults=True):
    """Somebody makes a session. `obtain`: unless it is there."""

    session: str
    user: str
    settings: dict[str, Any] = {}
    obtain: bool = False


class Read(msgspec.Struct, frozen=True, kw_only=True, tag="read", omit_defaults=True):
    """The session's reader comes, with the cursor of the last item it has seen.

    Between two items it lets `lag` passes of the loop go by; with -1 it reads none at all.
    """

    session: str
    lag: int = 0


class Unread(msgspec.Struct, frozen=True, kw_only=True, tag="unread"):
    """The session's reader goes."""

    session: str


class Show(msgspec.Struct, frozen=True, kw_only=True, tag="show"):
    """A frame is offered."""

    session: str
    user: str
    source: str
    number: int


class Watch(msgspec.Struct, frozen=True, kw_only=True, tag="watch"):
    """Somebody looks at the frames of a session from now on."""

    session: str
    user: str
    buffer: int


class Passivate(msgspec.Struct, frozen=True, kw_only=True, tag="passivate", omit_defaults=True):
    """The session is told to leave the stage."""

    session: str
    force: bool = False


class Crash(msgspec.Struct, frozen=True, kw_only=True, tag="crash", omit_defaults=True):
    """A handler of the session raises: in its turn, or, `urgent`, before all that waits."""

    session: str
    urgent: bool = False


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """The journal's next write, or claim, fails.

    full: nothing was written, and may be later. rejected: it can never be. silent: no answer, and
    it was not written. written: no answer, and it was. bug: the append raises. claim: no answer to
    the next claim.
    """

    kind: Trouble


class Hold(msgspec.Struct, frozen=True, kw_only=True, tag="hold"):
    """The journal is slow: writes wait."""


class Let(msgspec.Struct, frozen=True, kw_only=True, tag="let", omit_defaults=True):
    """So many writes that wait are made; without a number all, and the journal is fast again."""

    count: int | None = None


class Kill(msgspec.Struct, frozen=True, kw_only=True, tag="kill", omit_defaults=True):
    """Every process dies at once; a new one opens the journal.

    Of the writes that wait, the first `keep` are in it.
    """

    keep: int = 0


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag="drain"):
    """The process begins to stop, within its budget."""

    budget_s: float


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Another process opens the journal: after the one that drains, or beside the one that runs."""


class Advance(msgspec.Struct, frozen=True, kw_only=True, tag="advance"):
    """Time passes, and all that falls due in it happens."""

    seconds: float


class Wait(msgspec.Struct, frozen=True, kw_only=True, tag="wait"):
    """So many passes of the loop go by."""

    passes: int


Step: TypeAlias = (
    Ask
    | Create
    | Read
    | Unread
    | Show
    | Watch
    | Passivate
    | Crash
    | Fault
    | Hold
    | Let
    | Kill
    | Drain
    | Open
    | Advance
    | Wait
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The house that a workload is played in: its limits, and what its programs have."""

    max_sessions: int = 4
    max_sessions_per_user: int = 2
    live_events: int = 8
    max_restarts: int = 1000
    turn_attempts: int = 2
    ended_retention_s: float = 1e6
    max_running_turns: int | None = None
    max_running_turns_per_user: int | None = None
    admission_wait_s: float = 0.0
    backstage: bool = True


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A workload: all that happens from outside. The seed draws the schedule within.

    As text it has a line of JSON for the seed and the options, and one for each step.
    """

    seed: int
    options: Options
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        head = msgspec.json.encode({"seed": self.seed, "options": self.options})
        lines = [head, *map(msgspec.json.encode, self.steps)]
        return "".join(line.decode() + "\n" for line in lines)

    @classmethod
    def read(cls, text: str) -> Script:
        """A script as it was printed. Raises msgspec.DecodeError, a ValueError."""
        head, *lines = [line for line in text.splitlines() if line.strip()]
        known = msgspec.json.decode(head, type=_Head)
        steps = tuple(msgspec.json.decode(line, type=Step) for line in lines)
        return cls(seed=known.seed, options=known.options, steps=steps)


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    options: Options
