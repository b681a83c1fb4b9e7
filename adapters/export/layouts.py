"""The layouts in which sessions are exported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ...supervisor.recording import Recording
from .chat import SHAPE as CHAT
from .chat import chat_records
from .preference import SHAPE as PREFERENCE
from .preferences import preference_wire, preferences_of
from .redaction import Redact, Redaction, exact_json
from .rlhf import SHAPE as RLHF
from .rlhf import rlhf_records
from .shapes import Object


@dataclass(frozen=True)
class Layout:
    """How one session becomes records, none, one or several, and what each looks like.

    A record is plain data (`values.plain`) that may share parts with the recording.
    """

    records: Callable[[Recording], Iterable[dict[str, Any]]]
    shape: Object


LayoutName: TypeAlias = Literal["rlhf", "chat", "preferences"]

LAYOUTS: Final[Mapping[str, Layout]] = {
    "rlhf": Layout(rlhf_records, RLHF),
    "chat": Layout(chat_records, CHAT),
    "preferences": Layout(lambda found: map(preference_wire, preferences_of(found)), PREFERENCE),
}


class Record(NamedTuple):
    """A record as it is exported, and the same as JSON."""

    value: dict[str, Any]
    body: bytes


def rendered(recording: Recording, layout: Layout, redact: Redact | None) -> list[Record]:
    """The records of a session, redacted. Raises Unfit, and what the layout raises."""
    redaction, records = Redaction(redact), list[Record]()
    for made in layout.records(recording):
        record = redaction.record(made, layout.shape)
        records.append(Record(record, exact_json(record, "record")))
    return records
