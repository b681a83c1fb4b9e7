"""Judgements that are complete in one event: decisions on calls, feedback, corrections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ...actors.session.entry import Entry
from ...actors.session.events import ApprovalDecided, InteractionRecorded
from ...actors.session.state import State
from ...actors.session.transcript import Message, ToolCall
from ...actors.session.values import copied
from .answers import Answers, Piece
from .preference import Preference, Reason


def decided(
    state: State, answers: Answers, entry: Entry, event: ApprovalDecided
) -> Iterator[Preference]:
    """The calls that were approved, and those that were denied: these are no alternatives."""
    piece = answers.suspended(state, event.turn)
    calls = [line for line in piece.said if isinstance(line, ToolCall)]
    approved = tuple(call for call in calls if event.decisions.get(call.id) is True)
    denied = tuple(call for call in calls if event.decisions.get(call.id) is False)
    detail = {"turn": event.turn, "approval": event.approval}
    by = event.by or ""
    common = replace(_preference(state, piece, entry, by, "approve"), detail=detail)
    if approved:
        yield replace(common, chosen=approved)
    if denied:
        yield replace(common, reason="deny", rejected=denied, detail=dict(detail))


def judged(
    state: State, piece: Piece, entry: Entry, event: InteractionRecorded
) -> Preference | None:
    """What an interaction tells of the answer that it is about, if anything."""
    content = content_of(event)
    if event.action in ("edit", "regenerate"):
        return None if content is None else _corrected(state, piece, entry, event, content)
    if event.feedback not in ("correct", "incorrect"):
        return None
    preference = _preference(state, piece, entry, event.user, "feedback")
    side = "chosen" if event.feedback == "correct" else "rejected"
    return replace(preference, detail=_detail(piece, event), **{side: piece.said})


def content_of(event: InteractionRecorded) -> str | None:
    """The text that is in the interaction; None, if there is none, or nothing in it."""
    return event.content or None


def named_turn(event: InteractionRecorded, last: int) -> int | None:
    """The turn that the interaction names, of a session that has had `last`."""
    context = event.metadata.get("context")
    for metadata in (event.metadata, context if isinstance(context, dict) else {}):
        turn = metadata.get("turn")
        if type(turn) is int:
            return turn
    node = event.node or ""
    number = node.removeprefix("turn:")
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        return None
    # A mere number that no turn has is a node of some graph.
    return int(number) if number != node or 0 < int(number) <= last else None


def _corrected(
    state: State, piece: Piece, entry: Entry, event: InteractionRecorded, content: str
) -> Preference | None:
    """A text in the place of what was said; None, if it is the same, or nothing was said last."""
    rejected = piece.last_text()
    said = [line.text for line in rejected.said if isinstance(line, Message)]
    if not said or content in ("".join(said), "\n\n".join(said)):
        return None
    reason: Reason = "edit" if event.action == "edit" else "regenerate"
    of = {"of": "answer"} if reason == "edit" else {"by": "interaction"}
    return replace(
        _preference(state, rejected, entry, event.user, reason),
        chosen=(Message(text=content, turn=piece.turn, at_ms=entry.at_ms),),
        rejected=rejected.said,
        detail={**_detail(piece, event), **of},
    )


def _preference(state: State, piece: Piece, entry: Entry, user: str, reason: Reason) -> Preference:
    return Preference(
        session=state.id,
        revision=state.revision + 1,
        at_ms=entry.at_ms,
        user=user,
        reason=reason,
        context=piece.context(cut=state.settings.cut_undelivered),
    )


def _detail(piece: Piece, event: InteractionRecorded) -> dict[str, Any]:
    return {
        "turn": piece.turn,
        "status": piece.status,
        "node": event.node,
        "feedback": event.feedback,
        "metadata": copied(event.metadata),
    }
