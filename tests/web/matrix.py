"""Who may do what over the network: one row for each operation and each stream.

An operation without a row fails `test_auth_matrix.py`. The people: ann is the host, bob takes part,
oli only reads (an observer), eve is a stranger, and opa is a stranger who runs the house.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

ROLES: Final = {
    "host": "ann",
    "member": "bob",
    "observer": "oli",
    "stranger": "eve",
    "operator": "opa",
}

ANYBODY: Final = frozenset(ROLES)
PARTICIPANTS: Final = frozenset({"host", "member", "observer"})
SPEAKERS: Final = frozenset({"host", "member"})
HOST: Final = frozenset({"host"})
OPERATORS: Final = frozenset({"operator"})


class Row(NamedTuple):
    """Who may, and a request by which it shows: `codes` are problems that say they might have."""

    may: frozenset[str]
    body: Any = None
    codes: tuple[str, ...] = ()
    path: dict[str, str] = {}  # noqa: RUF012
    query: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012


TURN: Final = {"turn": "1"}

OPERATIONS: Final[dict[str, Row]] = {
    # sessions
    "create_session": Row(ANYBODY, {}),
    "list_sessions": Row(ANYBODY),
    "get_session": Row(PARTICIPANTS),
    "delete_session": Row(HOST),
    "start_session": Row(HOST, codes=("wrong_state",)),
    "pause_session": Row(HOST),
    "resume_session": Row(HOST, codes=("wrong_state",)),
    "end_session": Row(HOST),
    "shut_down_session": Row(HOST, {}),
    # participants
    "list_participants": Row(PARTICIPANTS),
    "join": Row(ANYBODY, {}),
    "approve": Row(HOST, {"user": "pat"}, codes=("not_pending",)),
    "deny": Row(HOST, {"user": "pat"}, codes=("not_pending",)),
    "leave": Row(PARTICIPANTS),
    "get_host": Row(PARTICIPANTS),
    "transfer_host": Row(HOST, {"host": "bob"}),
    "put_presence": Row(ANYBODY, {}),  # ignored of a stranger
    # messages and turns
    "send_message": Row(SPEAKERS, {"text": "hi"}),
    "steer": Row(SPEAKERS, {"text": "hi"}),
    "get_turn": Row(PARTICIPANTS, path=TURN),
    "cancel_turn": Row(SPEAKERS, path=TURN),
    "interrupt": Row(SPEAKERS),
    "get_stopped": Row(PARTICIPANTS, path=TURN),
    "put_delivered": Row(ANYBODY, {"chars": 1}, path=TURN),  # ignored of a stranger
    "place_answer": Row(HOST, {"key": "k", "text": "t"}, codes=("not_expected",)),
    # approvals
    "list_approvals": Row(PARTICIPANTS),
    "get_approval": Row(PARTICIPANTS, path={"approval": "a1"}, codes=("no_approval",)),
    "decide": Row(SPEAKERS, {"decisions": {}}, path={"approval": "a1"}, codes=("no_approval",)),
    # state
    "get_state": Row(PARTICIPANTS),
    "patch_state": Row(SPEAKERS, {"a": 1}, headers={"if-match": "*"}),
    "add_memory": Row(SPEAKERS, {"memory": "m"}),
    "act": Row(SPEAKERS, {"action": "wave"}),
    "acknowledge": Row(PARTICIPANTS, {"revision": 0}),
    # history
    "get_history": Row(PARTICIPANTS),
    "get_transcript": Row(PARTICIPANTS),
    "get_snapshot": Row(PARTICIPANTS),
    "undo": Row(SPEAKERS),
    "truncate": Row(SPEAKERS, {"message": 0}),
    "compact": Row(SPEAKERS, {}, codes=("no_compactor", "nothing_to_compact")),
    "fork": Row(PARTICIPANTS, {}),
    "verify": Row(PARTICIPANTS),
    # tickets
    "create_ticket": Row(ANYBODY, {}),
}

STREAMS: Final[dict[str, frozenset[str]]] = {
    "/v1/sessions/{id}/events": PARTICIPANTS,
    "/v1/sessions/{id}/ws": PARTICIPANTS,
}
"""By the path of the route."""

OPEN: Final[frozenset[str]] = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs"})
"""Routes that answer whoever asks."""
