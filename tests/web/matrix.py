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
    content: bytes | None = None
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
    "compact": Row(SPEAKERS, {}, codes=("nothing_to_compact",)),
    "fork": Row(PARTICIPANTS, {}),
    "verify": Row(PARTICIPANTS),
    "replay": Row(PARTICIPANTS, query="?speed=1000"),
    # records
    "get_records": Row(PARTICIPANTS),
    "record_interaction": Row(SPEAKERS, {"action_type": "look"}),
    "add_feedback": Row(SPEAKERS, {"node_id": "n", "feedback": "correct"}),
    "put_graph_state": Row(SPEAKERS, {"value": 1}),
    "put_language": Row(SPEAKERS, {"language": "de"}),
    "patch_metadata": Row(SPEAKERS, {"a": 1}),
    "put_title": Row(SPEAKERS, {"title": "t"}),
    "put_export": Row(SPEAKERS, {"allowed": False}),
    "export": Row(PARTICIPANTS),
    # voice, visual input, timers
    "put_phase": Row(SPEAKERS, {"phase": "connected"}),
    "greet": Row(SPEAKERS, {}),
    "touch": Row(PARTICIPANTS),
    "get_dialog": Row(PARTICIPANTS),
    "put_dialog": Row(SPEAKERS, {"dialog": []}),
    "start_visual": Row(SPEAKERS, {"source": "camera"}),
    "stop_visual": Row(SPEAKERS),
    "offer_frame": Row(
        SPEAKERS,
        content=b"no image",
        query="?source=camera&width=1&height=1",
        headers={"content-type": "image/jpeg"},
        codes=("bad_frame",),
    ),
    "list_frames": Row(PARTICIPANTS),
    "list_wakes": Row(PARTICIPANTS),
    "put_wake": Row(SPEAKERS, {"after_s": 60}, path={"name": "w"}),
    "cancel_wake": Row(SPEAKERS, path={"name": "w"}),
    # those who run the house
    "list_residents": Row(OPERATORS),
    "explain": Row(OPERATORS),
    "get_capacity": Row(OPERATORS),
    "get_stats": Row(OPERATORS),
    "get_stacks": Row(OPERATORS),
    "evict": Row(OPERATORS, {}),
    "park": Row(OPERATORS, {}),
    "revive": Row(OPERATORS),
    "end": Row(OPERATORS, {}),
    "drain": Row(OPERATORS, {}),
    # access
    "get_me": Row(ANYBODY),
    "create_ticket": Row(ANYBODY, {}),
}

STREAMS: Final[dict[str, frozenset[str]]] = {
    "/v1/sessions/{id}/events": PARTICIPANTS,
    "/v1/sessions/{id}/ws": PARTICIPANTS,
    "/v1/admin/overview": OPERATORS,
    "/v1/admin/sessions/{id}/events": OPERATORS,
}
"""By the path of the route."""

OPEN: Final[frozenset[str]] = frozenset(
    {
        "/",
        "/dashboard",
        "/healthz",
        "/readyz",
        "/static/dashboard.css",
        "/static/dashboard.js",
        "/static/favicon.svg",
        "/static/feed.js",
        "/static/page.css",
        "/static/parts.js",
        "/static/talk.js",
        "/v1/docs",
        "/v1/docs.css",
        "/v1/docs.js",
        "/v1/openapi.json",
    }
)
"""Routes that answer whoever asks."""
