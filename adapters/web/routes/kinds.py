"""What several endpoints take as parameters."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

TurnId: TypeAlias = Annotated[
    int, Meta(ge=1, le=2**63 - 1, description="The turns of a session are counted from 1.")
]

WaitS: TypeAlias = Annotated[
    float,
    Meta(ge=0, description="How many seconds to wait at most; the house may allow fewer."),
]
