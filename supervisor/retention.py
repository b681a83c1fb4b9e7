"""How long a runtime keeps what: the policy alone, without a journal or a timer."""

from __future__ import annotations

from math import inf
from typing import Final

import msgspec

from .config import Config

MOST_S: Final = 3600.0
"""Between two rounds, so that nothing is kept for more than an hour too long."""

OFTEN_S: Final = 60.0
"""Between two rounds, where a journal has a size to keep to, or something is to go at once."""

EVERYTHING_MS: Final = (1 << 62) - 1
"""Later than whatever happens."""


class Retention(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The settings of `Config` that say for how long; each of them may be infinite."""

    ended_retention_s: float = inf
    session_max_age_s: float = inf
    deleted_retention_s: float = inf
    tombstone_retention_s: float = inf
    event_retention_s: float = inf
    journal_max_bytes: float = inf

    @classmethod
    def of(cls, config: Config) -> Retention:
        """What `config` says."""
        return cls(**{field: getattr(config, field) for field in cls.__struct_fields__})

    @property
    def period_s(self) -> float:
        """Between two rounds: a quarter of the shortest time, at most an hour."""
        times = (
            self.ended_retention_s,
            self.session_max_age_s,
            self.deleted_retention_s,
            self.tombstone_retention_s,
            self.event_retention_s,
        )
        often = OFTEN_S if 0 in times or self.journal_max_bytes < inf else MOST_S
        return min((often, *(time / 4 for time in times if time)))

    def __str__(self) -> str:
        """One line for those who ask which policy a journal is kept by."""
        return ", ".join(f"{name} {getattr(self, name):.12g}" for name in self.__struct_fields__)


def before_ms(now_ms: int, age_s: float) -> int | None:
    """What happened before is older than `age_s`, in UTC milliseconds; None: nothing ever is."""
    return None if age_s == inf else now_ms - min(int(age_s * 1000), EVERYTHING_MS)
