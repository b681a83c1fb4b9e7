"""The settings of a runtime: one frozen struct, from code, TOML or the environment."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from ..actors.errors import ConfigError, InvalidInput
from ..actors.session import values
from ..actors.session.approvals import MAX_EXPIRES_S
from ..actors.session.backstage import TimeBoxes
from ..actors.session.watchdog import TurnLimits

OPTIONAL_LIMITS: Final = (
    "max_sessions_per_tenant",
    "max_running_turns",
    "max_running_turns_per_user",
)
KINDS: Final[dict[str, Any]] = {
    "int": int,
    "float": float,
    "str | None": str | None,
    "int | None": int | None,
}
"""The types of settings, as they are written here."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a runtime holds, and for how long. Checked when it is built.

    Raises:
        ConfigError: a value out of range, or two that contradict each other; it names the field.
    """

    max_sessions: int = 200
    """Resident sessions. Creating one more passivates the least recently active idle one."""

    max_sessions_per_user: int = 10
    """Resident sessions of one owner. One more is refused."""

    max_sessions_per_tenant: int | None = None
    """Resident sessions of all owners of one tenant; one more is refused. None: no limit, and
    nobody has a tenant. With one, the tenant of user `acme/ann` is `acme`: all before the first
    `/`; a user id without one, or that begins with it, is in no tenant."""

    admission_wait_s: float = 0.0
    """How long a session waits for a slot when all are taken and none of them is idle, before it
    is refused. Users take turns. 0: it is refused at once. At the limits of one user and of one
    tenant nobody waits."""

    max_waiting: int = 1_000
    """How many wait so in all, beside those for whom a session is leaving already."""

    max_running_turns: int | None = None
    """Turns that run at once; others wait, as queued ones, and users take turns. One that is
    suspended for approval does not run. None: no limit."""

    max_running_turns_per_user: int | None = None
    """Turns that run at once in the sessions of one owner. None: no limit."""

    idle_s: float = 900.0
    """A session without a command, a turn start or a turn end for longer is passivated."""

    keep_awake_max_s: float = 3600.0
    """How long one scope of `session.keep_awake` keeps a session on stage, at most."""

    subscriber_pin_s: float = 0.0
    """How long after its last activity a session stays on stage, idle or not, as somebody reads
    its events. 0: who only reads keeps nothing on stage."""

    mailbox_capacity: int = 1024
    """Commands that may wait for one session."""

    live_events: int = 2048
    """Published events a session keeps for readers to resume from, and ..."""

    live_age_s: float = 120.0
    """... for how long."""

    max_restarts: int = 3
    """Restarts of one session within ..."""

    restart_window_s: float = 60.0
    """... this time; one more crash parks it."""

    restart_delay_s: float = 0.05
    """Before the first restart in a window; doubled for each further one, up to ..."""

    max_restart_delay_s: float = 5.0
    """... this."""

    restart_jitter: float = 0.2
    """Up to this fraction of the delay, drawn at random, is added to it, so that sessions that have
    crashed together are not started again together. 0: nothing; at most 1."""

    turn_attempts: int = 1
    """How often in all a turn is run that a crash interrupts. 1: it is lost, and says so."""

    approval_expires_s: float = 24 * 60 * 60.0
    """How long a turn waits for the approval of its calls, unless its request says so itself."""

    turn_timeout_s: float = 3600.0
    """How long a turn may take in all, and ..."""

    turn_silence_s: float = 600.0
    """... without an output."""

    turn_max_outputs: int = 2_000_000
    """Outputs of one turn, and ..."""

    turn_max_bytes: int = 8 << 20
    """... their bytes: at most 8 MiB, so that a journal can take each one."""

    pipeline_grace_s: float = 3.0
    """How long a pipeline may take to stop when its turn was ended, before it is given up on."""

    open_timeout_s: float = 30.0
    """How long a session's resources may take to open, ..."""

    close_timeout_s: float = 5.0
    """... to close, ..."""

    hook_timeout_s: float = 5.0
    """... and how long one call of a hook may take."""

    stop_budget_s: float = 5.0
    """How long stopping waits for running turns before it hands them back.

    With resources or a hook it is for these as well: turns have the first half of it, closing
    what they worked with another quarter, and hooks the rest.
    """

    snapshot_bytes: int = 64 * 1024
    """Events written since the last snapshot before the next one, at least."""

    ended_retention_s: float = 7 * 24 * 3600.0
    """An ended session that nobody touches for longer is deleted; infinite: never."""

    session_max_age_s: float = float("inf")
    """A session in whatever state that nobody touches for longer is found no more, and is archived
    and deleted, unless it is on stage; infinite: never. At least `idle_s` (spec S11)."""

    deleted_retention_s: float = 24 * 3600.0
    """A deleted session that was hidden for longer has its bytes erased; infinite: never."""

    tombstone_retention_s: float = 30 * 24 * 3600.0
    """The id of a session that was deleted longer ago may be used again, once all of it is erased;
    infinite: never. At least `deleted_retention_s`."""

    event_retention_s: float = 7 * 24 * 3600.0
    """Events from before the room history are dropped when they are older, so that a cursor younger
    than that finds everything; infinite: they are kept. Interactions are always kept."""

    journal_max_bytes: float = float("inf")
    """While the journal takes more, what was deleted is erased, events from before the room history
    are dropped, and ended sessions are deleted, in that order and before their time."""

    dev_user: str | None = None
    """For development only: a user without a limit of its own, who may see every session of the
    registry. None: no user id means anything."""

    min_frame_interval_ms: int = 0
    """Between two frames that a session accepts, at least, whatever its settings say: as whoever
    looks at them demands. Many a model's provider wants 1,000 or more."""

    def __post_init__(self) -> None:
        for field in ("max_sessions", "max_sessions_per_user", "mailbox_capacity", "live_events"):
            self._require(field, getattr(self, field) >= 1, "at least 1")
        for field in ("turn_attempts", "snapshot_bytes", "turn_max_outputs", "turn_max_bytes"):
            self._require(field, getattr(self, field) >= 1, "at least 1")
        self._require("max_waiting", self.max_waiting >= 1, "at least 1")
        for field in OPTIONAL_LIMITS:
            limit = getattr(self, field)
            self._require(field, limit is None or limit >= 1, "at least 1, or None: no limit")
        most = TurnLimits().bytes
        self._require("turn_max_bytes", self.turn_max_bytes <= most, f"at most {most}")
        times = (
            "idle_s",
            "live_age_s",
            "restart_window_s",
            "turn_timeout_s",
            "turn_silence_s",
            "open_timeout_s",
            "close_timeout_s",
            "hook_timeout_s",
            "keep_awake_max_s",
        )
        for field in times:
            self._require(field, 0 < getattr(self, field) < float("inf"), "positive and finite")
        for field in (
            "restart_delay_s",
            "max_restart_delay_s",
            "stop_budget_s",
            "pipeline_grace_s",
            "admission_wait_s",
            "subscriber_pin_s",
        ):
            self._require(
                field, 0 <= getattr(self, field) < float("inf"), "finite and not negative"
            )
        self._require("restart_jitter", 0 <= self.restart_jitter <= 1, "between 0 and 1")
        for field in ("ended_retention_s", "session_max_age_s", "journal_max_bytes"):
            self._require(field, getattr(self, field) > 0, "greater than 0")
        for field in ("deleted_retention_s", "tombstone_retention_s", "event_retention_s"):
            self._require(field, getattr(self, field) >= 0, "not negative")
        self._require_at_least("session_max_age_s", "idle_s")
        self._require_at_least("tombstone_retention_s", "deleted_retention_s")
        dev = self.dev_user
        self._require("dev_user", dev is None or _is_name(dev), "a user id")
        limit = f"positive, and at most {MAX_EXPIRES_S:.0f} s"
        self._require("approval_expires_s", 0 < self.approval_expires_s <= MAX_EXPIRES_S, limit)
        for field in ("max_restarts", "min_frame_interval_ms"):
            self._require(field, getattr(self, field) >= 0, "at least 0")
        self._require_at_least("max_restart_delay_s", "restart_delay_s")

    @property
    def time_boxes(self) -> TimeBoxes:
        """What opening and closing resources, and an end hook, may take."""
        return TimeBoxes(
            open_s=self.open_timeout_s, close_s=self.close_timeout_s, hook_s=self.hook_timeout_s
        )

    @property
    def turn_limits(self) -> TurnLimits:
        """What a turn may take."""
        return TurnLimits(
            wall_s=self.turn_timeout_s,
            silence_s=self.turn_silence_s,
            outputs=self.turn_max_outputs,
            bytes=self.turn_max_bytes,
            grace_s=self.pipeline_grace_s,
        )

    def _require(self, field: str, holds: bool, limit: str) -> None:
        if not holds:
            raise ConfigError(field, getattr(self, field), limit)

    def _require_at_least(self, field: str, least: str) -> None:
        bound = getattr(self, least)
        self._require(field, getattr(self, field) >= bound, f"at least {least} ({bound})")

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, strict: bool = True) -> Config:
        """A config from plain data; with `strict=False`, numbers may be written as text."""
        unknown = settings.keys() - set(cls.__struct_fields__)
        if unknown:
            known = f"one of {', '.join(cls.__struct_fields__)}"
            raise ConfigError("setting", min(unknown), known)
        given: dict[str, Any] = {}
        for field, value in settings.items():
            kind: Any = cls.__annotations__[field]
            wanted: Any = KINDS[kind]
            try:
                given[field] = msgspec.convert(value, wanted, strict=strict)
            except msgspec.ValidationError as error:
                raise ConfigError(field, value, f"of type {kind}") from error
        # Not converted as a whole: msgspec would turn a ConfigError into one of its own.
        return cls(**given)

    @classmethod
    def from_toml(cls, path: str | Path) -> Config:
        """A config from a TOML file's `[greenroom]` table. Raises ConfigError, OSError."""
        import tomllib  # 3 ms, for those who have such a file

        with open(path, "rb") as file:
            try:
                tables = tomllib.load(file)
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ConfigError(str(path), str(error), "valid TOML") from error
        settings = tables.get("greenroom", {})
        if not isinstance(settings, dict):
            raise ConfigError("greenroom", settings, "a table")
        return cls.of(settings)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """A config from variables such as `GREENROOM_MAX_SESSIONS`; others are left alone."""
        prefix = "GREENROOM_"
        given: dict[str, Any] = {
            field: environ[prefix + field.upper()]
            for field in cls.__struct_fields__
            if prefix + field.upper() in environ
        }
        return cls.of(given, strict=False)


def _is_name(value: str) -> bool:
    with suppress(InvalidInput):
        return bool(values.name(value, "dev_user"))
    return False
