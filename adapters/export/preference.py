"""A preference: what a person made known of something that was said, or of a call of a tool."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from ...actors.ports import SessionId, UserId
from ...actors.session.transcript import Line
from ...actors.session.values import copied
from ...actors.session.wire import iso
from .chat_wire import CHAT, chat_wire
from .shapes import Leaf, Object

Reason: TypeAlias = Literal[
    "interrupt", "undo", "edit", "regenerate", "approve", "deny", "feedback"
]


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """After `context`, `user` would have `chosen`, or would not have `rejected`. All is a copy.

    With both it is a pair, as for DPO; with one, an example that is good or bad, as for KTO. The
    event by which the person acted is `revision`, of `at_ms` (UTC milliseconds). `context` is the
    transcript as the model saw it just before, what it answers included: what stood before the
    turn as it began (after a compaction, a summary first), and then what is the turn's own. It is
    a valid transcript.

    `detail` has always the judged `turn`, and its `status` if it is over; and:

    - interrupt: `by` (`message`: another one that went first; `cancel`), `chars` that had been
      said in the last message, and how many of them were `delivered`, None if nobody told;
    - regenerate: `by` (`undo`, `truncate`, `rollback`, `message`, `cancel`, `interaction`), with
      chosen lines `chosen_turn`, and whether that one had the `same_context`: if not, it also saw
      the rejected answer, and the same message again;
    - edit: `of`: an `answer` that a person has corrected; or a `prompt` (`by` `undo` or
      `rollback`), with the new `text` of it;
    - approve, deny: `approval`, its id;
    - edit and regenerate by an interaction, feedback: its `node`, `feedback` and `metadata`.
    """

    session: SessionId
    revision: int
    at_ms: int
    user: UserId
    reason: Reason
    context: tuple[Line, ...]
    chosen: tuple[Line, ...] | None = None
    rejected: tuple[Line, ...] | None = None
    detail: dict[str, Any] = {}


SHAPE: Final = Object(
    {
        "session_id": Leaf.TEXT,
        "revision": Leaf.COUNT,
        "timestamp": Leaf.TEXT,
        "user_id": Leaf.TEXT,
        "reason": Leaf.OWN,
        "context": CHAT,
        "chosen": CHAT,
        "rejected": CHAT,
        "detail": Leaf.FREE,
    }
)
"""What `preference_wire` gives."""


def preference_wire(preference: Preference) -> dict[str, Any]:
    """A preference as it is exported: lines in the shape of chats (`chat_wire`), the time as ISO
    8601 in UTC."""
    chosen, rejected = preference.chosen, preference.rejected
    return {
        "session_id": preference.session,
        "revision": preference.revision,
        "timestamp": iso(preference.at_ms),
        "user_id": preference.user,
        "reason": preference.reason,
        "context": chat_wire(preference.context),
        "chosen": None if chosen is None else chat_wire(chosen),
        "rejected": None if rejected is None else chat_wire(rejected),
        "detail": copied(preference.detail),
    }
