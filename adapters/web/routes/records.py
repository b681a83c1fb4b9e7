"""Records: what people did with a session, what is kept of it, and its export."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta
from starlette.responses import Response

from ....actors.errors import NotExportable
from ....actors.session.answers import Receipt
from ....actors.session.records import SessionRecords
from ....actors.session.values import MAX_NAME
from ....supervisor.handles.records import MAX_LANGUAGE
from ..call import Call
from ..endpoint import JSON, Endpoint, endpoint
from ..errors import Forbidden, NotOffered
from .replay import NDJSON
from .state import MERGE_PATCH

TAG: Final = "records"

RECORDING: Final = ("ended", "idempotency_conflict", "not_allowed", "not_found", "rejected")
SETTING: Final = ("ended", "not_allowed", "not_found", "rejected")

KEY: Final = ("Idempotency-Key",)

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]

Node: TypeAlias = Annotated[str, Meta(max_length=1024)]


class Interaction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller did, and to which node of the graph. The `feedback` `correct`, `incorrect`
    or `partial` is counted; any other is kept as it is."""

    action_type: Name
    node_id: Node | None = None
    content: str | None = None
    feedback: str | None = None
    metadata: dict[str, Any] = {}


class Feedback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller thinks of a node of the graph, and in which context."""

    node_id: Node
    feedback: str
    context: Any = None


class GraphState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The graph state: any value; null is none."""

    value: Any


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The language of a session, such as `en`."""

    language: Annotated[str, Meta(min_length=1, max_length=MAX_LANGUAGE)]


class Title(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A title; with null the session is called by its first message again."""

    title: Name | None


class MayExport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the session may be exported and archived."""

    allowed: bool


@endpoint("GET", "/v1/sessions/{id}/records", tag=TAG, raises=("not_found",))
async def get_records(call: Call, id: str) -> SessionRecords:  # noqa: A002
    """Title, language, metadata, graph state, and how it was judged. For participants."""
    return await call.session(id).records(call.user)


@endpoint(
    "POST", "/v1/sessions/{id}/interactions", tag=TAG, status=201, raises=RECORDING, takes=KEY
)
async def record_interaction(call: Call, id: str, body: Interaction) -> Receipt:  # noqa: A002
    """Record that the caller did something with the session."""
    session = await call.membership(id)
    return await session.record_interaction(
        call.user,
        body.action_type,
        node_id=body.node_id,
        content=body.content,
        feedback=body.feedback,
        metadata=body.metadata,
        key=call.key,
    )


@endpoint("POST", "/v1/sessions/{id}/feedback", tag=TAG, status=201, raises=RECORDING, takes=KEY)
async def add_feedback(call: Call, id: str, body: Feedback) -> Receipt:  # noqa: A002
    """Judge a node of the graph."""
    session = await call.membership(id)
    return await session.add_feedback(
        call.user, body.node_id, body.feedback, context=body.context, key=call.key
    )


@endpoint("PUT", "/v1/sessions/{id}/graph-state", tag=TAG, raises=SETTING)
async def put_graph_state(call: Call, id: str, body: GraphState) -> Receipt:  # noqa: A002
    """Replace the graph state."""
    return await call.session(id).set_graph_state(call.user, body.value)


@endpoint("PUT", "/v1/sessions/{id}/language", tag=TAG, raises=SETTING)
async def put_language(call: Call, id: str, body: Language) -> Receipt:  # noqa: A002
    """Say which language the session is in."""
    return await call.session(id).set_language(call.user, body.language)


@endpoint(
    "PATCH",
    "/v1/sessions/{id}/metadata",
    tag=TAG,
    raises=RECORDING,
    takes=KEY,
    consumes=(MERGE_PATCH, JSON),
)
async def patch_metadata(call: Call, id: str, body: dict[str, Any]) -> Receipt:  # noqa: A002
    """Merge the body into the metadata, by RFC 7396: null removes a key."""
    session = await call.membership(id)
    return await session.set_metadata(call.user, body, key=call.key)


@endpoint("PUT", "/v1/sessions/{id}/title", tag=TAG, raises=SETTING)
async def put_title(call: Call, id: str, body: Title) -> Receipt:  # noqa: A002
    """Give the session a title."""
    return await call.session(id).set_title(call.user, body.title)


@endpoint("PUT", "/v1/sessions/{id}/export", tag=TAG, raises=("not_allowed", "not_found"))
async def put_export(call: Call, id: str, body: MayExport) -> Receipt:  # noqa: A002
    """Say whether the session may be exported and archived, also once it has ended."""
    return await call.session(id).set_export(call.user, body.allowed)


@endpoint(
    "GET",
    "/v1/sessions/{id}/export",
    tag=TAG,
    raises=("forbidden", "not_exportable", "not_found", "not_offered"),
    produces=(NDJSON,),
    gives=("Content-Disposition",),
)
async def export(
    call: Call,
    id: str,  # noqa: A002
    format: Literal["rlhf", "chat", "preferences"] = "rlhf",  # noqa: A002
) -> Response:
    """The session as records for training, one on a line. For participants, unless it has opted
    out (403).
    """
    await call.membership(id)
    if call.hall.export is None:
        raise NotOffered("export")
    output = BytesIO()
    done = await call.hall.export(
        call.runtime.journal, output, layout=format, format="jsonl", sessions=[id]
    )
    if done.opted_out:
        raise Forbidden("this session may not be exported")
    for failure in done.failures:
        raise NotExportable(id, where="session", why=failure.why)
    call.headers["content-disposition"] = f'attachment; filename="{id}.{format}.jsonl"'
    return Response(output.getvalue(), media_type=NDJSON)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    get_records,
    record_interaction,
    add_feedback,
    put_graph_state,
    put_language,
    patch_metadata,
    put_title,
    put_export,
    export,
)
