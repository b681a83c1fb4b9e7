"""How a session is set up when it is created."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ..errors import ConfigError
from ..ports import Policy
from .frames import VisualSettings
from .roles import Roles, check_roles
from .values import MAX_NAME, name

POLICIES: Final = get_args(Policy)

Mode: TypeAlias = Literal["omni", "standard"]
"""How a voice session's next pipeline meets one that does not stop at once.

omni: it starts beside it. standard: it waits until the old one has stopped, or is given up."""

MODES: Final[Mapping[Any, Mode]] = {
    "omni": "omni",
    "standard": "standard",
    "voice_llm": "omni",
    0: "omni",
    1: "standard",
}
"""The modes by their names, an alias, and their numbers (spec V02)."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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

    mode: Literal["omni", "standard", "voice_llm", 0, 1] = "standard"
    """How pipelines follow each other, `omni` or `standard`. An alias or a number is taken too,
    and read back as one of the two."""

    character_id: str = ""
    """Who the pipeline speaks as, for clients to show."""
    visual: VisualSettings | None = None
    """Which frames the session takes, and how many it keeps; None: as `VisualSettings()`."""

    def __post_init__(self) -> None:
        for field in ("max_participants", "max_events"):
            self._require_int(field, 1)
        for field in ("max_queued_turns", "key_ttl_ms"):
            self._require_int(field, 0)
        # What has another type is written as such, and would not be read back.
        for field in ("allow_join", "require_approval", "record_session", "cut_undelivered"):
            if type(getattr(self, field)) is not bool:
                raise ConfigError(field, getattr(self, field), "True or False")
        if self.visual is not None and type(self.visual) is not VisualSettings:
            raise ConfigError("visual", self.visual, "VisualSettings or None")
        check_roles(self.roles)
        self._check_policies()
        self._check_voice()

    def _check_voice(self) -> None:
        """Refuse what no client knows; keep the mode by its one name."""
        mode, character = self.mode, self.character_id
        if type(mode) not in (str, int) or mode not in MODES:
            raise ConfigError("mode", mode, f"of {', '.join(map(str, MODES))}")
        msgspec.structs.force_setattr(self, "mode", MODES[mode])
        if type(character) is not str or len(character) > MAX_NAME or not character.isprintable():
            limit = f"at most {MAX_NAME} printable characters"
            raise ConfigError("character_id", character, limit)

    def _check_policies(self) -> None:
        limit = f"of {', '.join(POLICIES)}"
        if self.policy not in POLICIES:
            raise ConfigError("policy", self.policy, limit)
        if type(self.policies) is not dict:
            raise ConfigError("policies", self.policies, "a dict of lists of policies")
        for role, allowed in self.policies.items():
            name(role, "role")
            if type(allowed) is not list:
                raise ConfigError(f"policies of role {role}", allowed, "a list of policies")
            unknown = [policy for policy in allowed if policy not in POLICIES]
            if unknown:
                raise ConfigError(f"policies of role {role}", unknown, limit)

    def _require_int(self, field: str, least: int) -> None:
        value = getattr(self, field)
        if type(value) is not int or not least <= value < 2**63:
            raise ConfigError(field, value, f"an integer of 64 bits, at least {least}")


def shared(settings: Settings) -> Settings:
    """The one object for all sessions that are set up like `settings`; nobody may change it.

    272 B less for each of them. A copy: no caller holds anything of it.
    """
    return _decoded(_encode(settings))


_encode = msgspec.msgpack.Encoder().encode
_decoded = lru_cache(maxsize=256)(msgspec.msgpack.Decoder(Settings).decode)
