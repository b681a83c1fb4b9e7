"""A stored session as one of greenroom's: how it begins, and the events that follow.

`record_wire.stored_session` makes the same stored session of it again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast, get_args

import msgspec
from msgspec.structs import astuple, replace

from ..errors import InvalidInput
from ..ports import UserId
from .entry import Entry
from .events import SessionStarted
from .record_wire import StoredInteraction, StoredMessage, StoredSession
from .records import COUNTED, NOTHING, Foreign, InteractionRecorded, Records
from .settings import Settings
from .state import Genesis
from .transcript import ImportedMessage, Line, Role
from .values import MAX_NAME, copied, session_id


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of an imported session: its beginning, and `entries` from revision 1 on.

    They are its interactions, each at its own time, and at last that it was started, at the time
    it was last updated. Until that is written the session takes no messages.
    """

    genesis: Genesis
    entries: tuple[Entry, ...]


def plan_of(
    stored: StoredSession, *, incarnation: str, owner: UserId, owner_name: str, now_ms: int
) -> Plan:
    """The session that `stored` is from now on, as the session of `owner`, who has done it all.

    A session that lacks the time of its creation was created when the first thing happened in it
    that has a time; one that lacks that of its update was updated when the last did; both are
    `now_ms` if it has no time at all. A message or an interaction without a time keeps 0.

    Raises InvalidInput for an id or a language that no session can have (spec SX1).
    """
    _check(stored)
    dated = _dated(stored, now_ms)
    genesis = Genesis(
        id=dated.session_id,
        incarnation=incarnation,
        owner=owner,
        owner_name=owner_name,
        name="",
        created_ms=dated.created_ms,
        started=False,
        settings=Settings(),
        history=[_line(message) for message in dated.messages],
        records=_records(dated),
    )
    done = (Entry(acted.at_ms, _recorded(acted, owner)) for acted in dated.interactions)
    started = Entry(dated.updated_ms, SessionStarted(by=owner))
    return Plan(genesis=genesis, entries=(*done, started))


def same(one: Any, other: Any) -> bool:
    """Whether two plans, or parts of them, are equal, types and all: 1, 1.0 and True are not.

    Their encodings cannot tell: a default is left out of one or not by which object it is.
    """
    if type(one) is not type(other):
        return False
    match one:
        case msgspec.Struct():
            return same(astuple(one), astuple(other))
        case list() | tuple():
            return len(one) == len(other) and all(map(same, one, other))
        case dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case _:
            return bool(one == other)


def _check(stored: StoredSession) -> None:
    try:
        session_id(stored.session_id)
    except InvalidInput as refusal:
        raise InvalidInput("session.session_id", refusal.value, refusal.limit) from None
    if len(stored.language) > MAX_NAME:
        limit = f"at most {MAX_NAME} characters"
        raise InvalidInput("session.language", stored.language[:60], limit)


def _dated(stored: StoredSession, now_ms: int) -> StoredSession:
    said = [message.at_ms for message in stored.messages]
    done = [acted.at_ms for acted in stored.interactions]
    known = [at_ms for at_ms in (stored.created_ms, stored.updated_ms, *said, *done) if at_ms]
    return replace(
        stored,
        created_ms=stored.created_ms or min(known, default=now_ms),
        updated_ms=stored.updated_ms or max(known, default=now_ms),
    )


def _line(message: StoredMessage) -> Line:
    known = message.role in get_args(Role)
    return ImportedMessage(
        text=message.content,
        role=cast("Role", message.role) if known else "assistant",
        at_ms=message.at_ms,
        language=message.language,
        source_role=None if known else message.role,
        unknown=copied(message.unknown) or None,
    )


def _recorded(acted: StoredInteraction, user: UserId) -> InteractionRecorded:
    return InteractionRecorded(
        user=user,
        action=acted.action_type,
        node=acted.node_id,
        content=acted.content,
        feedback=acted.feedback,
        metadata=copied(acted.metadata),
        unknown=copied(acted.unknown),
    )


def _records(stored: StoredSession) -> Records | None:
    """Its counters come out at what was stored when its interactions have been counted."""
    counted = Counter(acted.feedback for acted in stored.interactions)
    records = Records(
        language=stored.language,
        metadata=copied(stored.metadata),
        graph_state=copied(stored.graph_state),
        **{name: stored.feedback.get(name, 0) - counted[name] for name in COUNTED},
        foreign=_foreign(stored),
    )
    return None if records == NOTHING else records


def _foreign(stored: StoredSession) -> Foreign | None:
    others = {name: value for name, value in stored.feedback.items() if name not in COUNTED}
    if not others and not stored.unknown:
        return None
    return Foreign(unknown=copied(stored.unknown), feedback=copied(others))
