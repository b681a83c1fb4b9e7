"""The handle's part on records: what people did with a session, and what is kept of it."""

from __future__ import annotations

from typing import Any, Final

from ...actors.errors import InvalidInput
from ...actors.kernel.reply import Reply
from ...actors.ports import UserId
from ...actors.session import values
from ...actors.session.answers import Receipt
from ...actors.session.commands import (
    RecordInteraction,
    SetExport,
    SetGraphState,
    SetLanguage,
    SetMetadata,
    SetTitle,
)
from ...actors.session.messages import GetRecords
from ...actors.session.records import SessionRecords
from .base import Handle, bounded, plain_dict

MAX_LANGUAGE: Final = 35
"""Characters of a language tag: what RFC 5646, 4.4.1 has implementations take."""

MAX_NODE_BYTES: Final = 1024


class Records(Handle):
    """Interactions and feedback, and the session's graph state, language, metadata and title.

    All of it may be recorded by whose role has the permission `record`, until the session ends;
    whether it may be exported, also afterwards.
    """

    __slots__ = ()

    def record_interaction(
        self,
        user: UserId,
        action_type: str,
        *,
        node_id: str | None = None,
        content: str | None = None,
        feedback: str | None = None,
        metadata: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Reply[Receipt]:
        """Record that `user` did something: with `action_type`, and a node of the graph, if any.

        The `feedback` `correct`, `incorrect` or `partial` is counted; any other is kept as it is.
        `metadata` is copied. Each is an event in the journal, and is never dropped; a state holds
        their number and the counters. Refused: NotMember, NotAllowed, SessionEnded.
        """
        interaction = RecordInteraction(
            user=values.name(user, "user"),
            action=values.name(action_type, "action_type"),
            node=_text(node_id, "node_id", MAX_NODE_BYTES),
            content=_text(content, "content"),
            feedback=_text(feedback, "feedback"),
            metadata=plain_dict({} if metadata is None else metadata, "metadata"),
        )
        return self._do(interaction, key)

    def add_feedback(
        self,
        user: UserId,
        node_id: str,
        feedback: str,
        *,
        context: Any = None,
        key: str | None = None,
    ) -> Reply[Receipt]:
        """Judge a node: the interaction `feedback`, with `context` in its metadata (spec S18).

        Refused: NotMember, NotAllowed, SessionEnded.
        """
        return self.record_interaction(
            user,
            "feedback",
            node_id=values.text(node_id, "node_id", MAX_NODE_BYTES),
            feedback=values.text(feedback, "feedback"),
            metadata={"context": bounded(context, "context")},
            key=key,
        )

    def set_graph_state(self, user: UserId, value: Any) -> Reply[Receipt]:
        """Replace the graph state: any plain value of at most 4 MiB, which is copied; None: none.

        Refused: NotMember, NotAllowed, SessionEnded.
        """
        copied = bounded(value, "graph_state")
        return self._ask(SetGraphState(user=values.name(user, "user"), value=copied))

    def set_language(self, user: UserId, language: str) -> Reply[Receipt]:
        """Say which language the session is in: 1 to 35 printable characters, `en` before that.

        Refused: NotMember, NotAllowed, SessionEnded.
        """
        if type(language) is str and len(language) > MAX_LANGUAGE:
            limit = f"1 to {MAX_LANGUAGE} printable characters"
            raise InvalidInput("language", language[:60], limit)
        language = values.name(language, "language")
        return self._ask(SetLanguage(user=values.name(user, "user"), language=language))

    def set_metadata(
        self, user: UserId, patch: dict[str, Any], *, key: str | None = None
    ) -> Reply[Receipt]:
        """Merge `patch` into the metadata, by RFC 7396: None removes a key. It is copied.

        Of one key the last writer wins. All metadata together is at most 4 MiB, encoded:
        InvalidInput. Refused also: NotMember, NotAllowed, SessionEnded.
        """
        copied = plain_dict(patch, "patch")
        if not copied:
            raise InvalidInput("patch", patch, "a dict with at least one key")
        return self._do(SetMetadata(user=values.name(user, "user"), patch=copied), key)

    def set_title(self, user: UserId, title: str | None) -> Reply[Receipt]:
        """Give the session a title; with None it is called by its first message again.

        Listings show 35 characters of it. Refused: NotMember, NotAllowed, SessionEnded.
        """
        own = None if title is None else values.name(title, "title")
        return self._ask(SetTitle(user=values.name(user, "user"), title=own))

    def set_export(self, user: UserId, allowed: bool) -> Reply[Receipt]:
        """Say whether this session may be exported and archived; it may until somebody says no.

        Also once it has ended. What was written before stays where it is. A fork begins with what
        is said here when it is made, whatever revision it goes on from (spec SX27).

        Refused: NotMember, NotAllowed (the permission `record`).
        """
        if type(allowed) is not bool:
            raise InvalidInput("allowed", allowed, "True or False")
        return self._ask(SetExport(user=values.name(user, "user"), allowed=allowed))

    def records(self, user: UserId) -> Reply[SessionRecords]:
        """The title, language, metadata and graph state, and the counters: a copy.

        Refused: NotMember.
        """
        return self._ask(GetRecords(values.name(user, "user")))


def _text(value: Any, field: str, max_bytes: int = values.MAX_TEXT_BYTES) -> str | None:
    return None if value is None else values.text(value, field, max_bytes)
