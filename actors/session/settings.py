"""How a session is set up when it is created."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from ..errors import ConfigError
from ..ports import Policy
from .roles import Roles, check_roles

POLICIES: Final = get_args(Policy)


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a session admits people and turns, and what it retains; fixed when it is created.

    Raises:
        ConfigError: a value out of range; it names the field.
        InvalidInput: a role that cannot be defined.
    """

    max_participants: int = 10
    """Participants, the host and observers among them."""

    allow_join: bool = True
    """Whether anybody may join at all."""

    require_approval: bool = False
    """Whether the host must approve who joins."""

    record_session: bool = True
    """Whether the room keeps a history for its participants. The journal keeps every event."""

    max_events: int = 1000
    """Events of room history; one more, and the newest half (rounded up) is kept (spec R27)."""

    max_queued_turns: int = 16
    """Turns that may wait behind the running one."""

    policy: Policy = "enqueue"
    """How a message meets a running turn, unless it says so itself."""

    cut_undelivered: bool = False
    """Whether pipelines see of an interrupted answer only what its readers say they have seen."""

    policies: dict[str, list[Policy]] = {}
    """The policies that a role may choose; a role that is not named may choose any."""

    key_ttl_ms: int = 24 * 60 * 60 * 1000
    """How long an idempotency key is remembered, at least, also across restarts."""

    roles: Roles = {}
    """Roles of this session's own, beside host, participant and observer: their permissions."""

    def __post_init__(self) -> None:
        for field in ("max_participants", "max_events"):
            self._require_int(field, 1)
        for field in ("max_queued_turns", "key_ttl_ms"):
            self._require_int(field, 0)
        # What has another type is written as such, and would not be read back.
        for field in ("allow_join", "require_approval", "record_session", "cut_undelivered"):
            if type(getattr(self, field)) is not bool:
                raise ConfigError(field, getattr(self, field), "True or False")
        check_roles(self.roles)
        self._check_policies()

    def _check_policies(self) -> None:
        limit = f"of {', '.join(POLICIES)}"
        if self.policy not in POLICIES:
            raise ConfigError("policy", self.policy, limit)
        for role, allowed in self.policies.items():
            unknown = [policy for policy in allowed if policy not in POLICIES]
            if unknown:
                raise ConfigError(f"policies of role {role}", unknown, limit)

    def _require_int(self, field: str, least: int) -> None:
        value = getattr(self, field)
        if type(value) is not int or not least <= value < 2**63:
            raise ConfigError(field, value, f"an integer of 64 bits, at least {least}")
