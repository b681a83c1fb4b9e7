"""What is kept of a session beside the conversation: what people did with it, and what it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from ..ports import UserId
from .shared import merged
from .transcript import Line, Message
from .values import copied

if TYPE_CHECKING:
    from .state import State

COUNTED: Final = ("correct", "incorrect", "partial")
"""The feedback that is counted. Any other is kept and not counted (spec S05)."""

LANGUAGE: Final = "en"
"""Of a session that nobody has set a language for."""

UNTITLED: Final = "New Chat"
"""A session in which nobody has spoken, and that has no title of its own."""

TITLE_LENGTH: Final = 35
"""Code points of a title; what is longer is cut, and three dots are put behind it (spec S06)."""


class InteractionRecorded(
    msgspec.Struct, frozen=True, kw_only=True, tag="interaction.recorded", omit_defaults=True
):
    """`user` did something with the session that is worth learning from, or judged it.

    `action` says what, `node` with which part of the graph. All the rest is as it was given.
    `unknown` are the fields that an imported one had beside these (spec SX4).
    """

    user: UserId
    action: str
    node: str | None = None
    content: str | None = None
    feedback: str | None = None
    metadata: dict[str, Any] = {}
    unknown: dict[str, Any] = {}


class GraphStateSet(msgspec.Struct, frozen=True, kw_only=True, tag="graph.set"):
    """The graph state was replaced; None: there is none any more."""

    user: UserId
    value: Any


class LanguageSet(msgspec.Struct, frozen=True, kw_only=True, tag="language.set"):
    user: UserId
    language: str


class MetadataUpdated(msgspec.Struct, frozen=True, kw_only=True, tag="metadata.updated"):
    """`patch` was merged into the session's metadata, by RFC 7396."""

    user: UserId
    patch: dict[str, Any]


class TitleSet(msgspec.Struct, frozen=True, kw_only=True, tag="title.set"):
    """The session has a title of its own; None: it is called by its first message again."""

    user: UserId
    title: str | None


class ExportSet(msgspec.Struct, frozen=True, kw_only=True, tag="export.set"):
    """Whether the session may be exported and archived was decided anew."""

    user: UserId
    allowed: bool


RecordEvent: TypeAlias = (
    InteractionRecorded | GraphStateSet | LanguageSet | MetadataUpdated | TitleSet | ExportSet
)


class Foreign(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an imported session had that greenroom has no use for: it is kept and exported again.

    `unknown` are the session's other fields, `feedback` what stood beside the three counters.
    """

    unknown: dict[str, Any] = {}
    feedback: dict[str, Any] = {}


class Records(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the state keeps of it. A session that uses none of it has none.

    Interactions are counted; they themselves are events in the journal. `opening` is the title
    that a summary has taken the first message of. `export`: see `may_export`. Of an imported
    session the counters begin with what was stored beyond its interactions, and come out at what
    was stored.
    """

    language: str = LANGUAGE
    title: str | None = None
    opening: str | None = None
    metadata: dict[str, Any] = {}
    graph_state: Any = None
    interactions: int = 0
    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    export: bool = True
    foreign: Foreign | None = None

    @property
    def feedback(self) -> dict[str, int]:
        """The counters by their names."""
        return {name: getattr(self, name) for name in COUNTED}

    def inherited(self) -> Records:
        """What a fork has of it: nobody has done anything with that yet."""
        foreign = None if self.foreign is None else replace(self.foreign, feedback={})
        return replace(self, interactions=0, correct=0, incorrect=0, partial=0, foreign=foreign)


NOTHING: Final = Records()


class SessionRecords(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is called, what it is about, and how it was judged. All of it is a copy.

    `title` is never empty for want of one: see `title_of`. `interactions` are counted, `feedback`
    is how often each of `correct`, `incorrect` and `partial` was said. `export` tells whether the
    session may be exported and archived. Times are UTC milliseconds.
    """

    title: str
    language: str
    metadata: dict[str, Any]
    graph_state: Any
    interactions: int
    feedback: dict[str, int]
    updated_ms: int
    export: bool = True


def noted(records: Records | None, event: RecordEvent) -> Records:
    """`records` with `event` folded in; nothing that can be changed is shared with the event."""
    known = NOTHING if records is None else records
    match event:
        case InteractionRecorded(feedback=feedback):
            counted = replace(known, interactions=known.interactions + 1)
            if feedback in COUNTED:
                return replace(counted, **{feedback: getattr(counted, feedback) + 1})
            return counted
        case GraphStateSet(value=value):
            return replace(known, graph_state=copied(value))
        case LanguageSet(language=language):
            return replace(known, language=language)
        case MetadataUpdated(patch=patch):
            return replace(known, metadata=merged(known.metadata, copied(patch)))
        case TitleSet(title=title):
            return replace(known, title=title)
        case ExportSet(allowed=allowed):
            return replace(known, export=allowed)


def with_opening(records: Records | None, gone: Iterable[Line]) -> Records | None:
    """`records`, after a summary was put in the place of the lines that are `gone`.

    The session is still called by the first message of all.
    """
    if records is not None and records.opening is not None:
        return records
    opening = _first_said(gone)
    return records if opening is None else replace(records or NOTHING, opening=shortened(opening))


def shortened(text: str, longest: int = TITLE_LENGTH) -> str:
    """`text`, if it has at most `longest` code points; else so many of them, and three dots."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def title_of(state: State, longest: int = TITLE_LENGTH) -> str:
    """What a session is called: the title it was given, or else what a person said first (S06).

    Cut to `longest` code points, of which a first message that a summary stands for has 35 at
    most. That message is one of the first lines of a transcript: looking for it takes no time.
    """
    records = state.records
    if records is not None:
        own = records.opening if records.title is None else records.title
        if own is not None:
            return shortened(own, longest)
    said = _first_said(state.history)
    return UNTITLED if said is None else shortened(said, longest)


def records_of(state: State) -> SessionRecords:
    """The records of a session, copied out of its state."""
    records = NOTHING if state.records is None else state.records
    return SessionRecords(
        title=title_of(state) if records.title is None else records.title,
        language=records.language,
        metadata=copied(records.metadata),
        graph_state=copied(records.graph_state),
        interactions=records.interactions,
        feedback=records.feedback,
        updated_ms=state.updated_ms,
        export=records.export,
    )


def may_export(state: State) -> bool:
    """Whether the session may be exported and archived: unless somebody has opted out (SX27)."""
    return state.records is None or state.records.export


def _first_said(lines: Iterable[Line]) -> str | None:
    for line in lines:
        if isinstance(line, Message) and line.role == "user":
            return line.text
    return None
