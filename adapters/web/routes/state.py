"""What participants share beside messages: context, memories, actions, and what they have seen."""

from __future__ import annotations

from types import NoneType
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from ....actors.session.answers import Receipt
from ....actors.session.shared import SharedContext
from ....actors.session.values import MAX_NAME
from ..call import Call
from ..endpoint import JSON, Endpoint, endpoint
from ..errors import NotMatching, Preconditions, WrongShape
from ..etags import ANY, etag, is_fresh, tags_of

TAG: Final = "state"

MERGE_PATCH: Final = "application/merge-patch+json"

SHARING: Final = ("ended", "idempotency_conflict", "not_allowed", "not_found", "rejected")

MAX_DIGITS: Final = 18

Expected: TypeAlias = Annotated[
    str, Meta(description="A revision, or an object of revisions by key, in JSON.")
]

_decode_versions: Final = msgspec.json.Decoder(int | dict[str, int]).decode


class NewMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A memory to share, by its id."""

    memory: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class NewAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is no message. `data` may not name `action_type`."""

    action: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    data: dict[str, Any] = {}


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller has seen every event up to `revision`."""

    revision: Annotated[int, Meta(ge=0, le=2**63 - 1)]


@endpoint(
    "GET",
    "/v1/sessions/{id}/state",
    tag=TAG,
    also={304: NoneType},
    raises=("not_found",),
    takes=("If-None-Match",),
    gives=("ETag",),
)
async def get_state(call: Call, id: str) -> SharedContext | None:  # noqa: A002
    """The shared context and memories. `ETag` is the version of the context, for `PATCH`.

    304: with `If-None-Match`, if neither was changed since. For participants.
    """
    shared = await call.session(id).context(call.user)
    tag = f"{_tag(shared.incarnation, shared.version)}.{len(shared.memories)}"
    call.headers["etag"] = etag(tag)
    if is_fresh(call.request.headers.get("if-none-match"), tag):
        call.status = 304
        return None
    return shared


@endpoint(
    "PATCH",
    "/v1/sessions/{id}/state",
    tag=TAG,
    raises=(*SHARING, "conflict", "precondition"),
    takes=("If-Match", "Idempotency-Key"),
    consumes=(MERGE_PATCH, JSON),
)
async def patch_state(
    call: Call,
    id: str,  # noqa: A002
    body: dict[str, Any],
    expected: Expected | None = None,
    if_absent: bool = False,
) -> Receipt:
    """Merge the body into the shared context, by RFC 7396: null removes a key.

    `If-Match` must be the `ETag` of the context that this is meant for: if anybody has changed it
    since, nothing is changed (412). `*` is any: of one key the last writer wins. Memories are
    none of its business. The receipt's `revision` is the new version. With `*`, `expected` may say
    after which revision no key of the body, or which key after which one, may have been changed.
    With `if_absent` keys that are there are left alone.
    """
    session = await call.membership(id)
    header = call.request.headers.get("if-match")
    if header is None:
        raise Preconditions("If-Match is required: the ETag of the state, or * for any")
    tags = tags_of(header, weak=False)
    whole = tags != [ANY]
    if whole and expected is not None:
        raise WrongShape("expected", "left out unless If-Match is *")
    versions = None if expected is None else _versions(expected)
    return await session.update_context(
        call.user,
        body,
        expected_version=await _expected(call, id, tags) if whole else versions,
        whole=whole,
        if_absent=if_absent,
        key=call.key,
    )


def _versions(expected: str) -> int | dict[str, int]:
    try:
        versions: int | dict[str, int] = _decode_versions(expected)
    except (msgspec.DecodeError, RecursionError):
        raise WrongShape("expected", "a revision, or revisions by key, in JSON") from None
    return versions


async def _expected(call: Call, id: str, tags: list[str]) -> int:  # noqa: A002
    """The version that the context must be in. Which one it is in, the session decides."""
    shared = await call.session(id).context(call.user)
    versions = {_version(tag, shared.incarnation) for tag in tags} - {None}
    if shared.version in versions:
        return shared.version
    for version in versions:
        if version is not None:
            return version  # a conflict; or the same patch again, under its idempotency key
    raise NotMatching(id)


@endpoint("POST", "/v1/sessions/{id}/memories", tag=TAG, status=201, raises=SHARING)
async def add_memory(call: Call, id: str, body: NewMemory) -> Receipt:  # noqa: A002
    """Share a memory; one that is shared already changes nothing."""
    session = await call.membership(id)
    return await session.add_memory(call.user, body.memory, key=call.key)


@endpoint(
    "POST",
    "/v1/sessions/{id}/actions",
    tag=TAG,
    status=201,
    raises=SHARING,
    takes=("Idempotency-Key",),
)
async def act(call: Call, id: str, body: NewAction) -> Receipt:  # noqa: A002
    """Do something that is no message: the room hears of it."""
    session = await call.membership(id)
    return await session.act(call.user, body.action, body.data, key=call.key)


@endpoint("PUT", "/v1/sessions/{id}/acknowledged", tag=TAG, raises=("not_found",))
async def acknowledge(call: Call, id: str, body: Acknowledgement) -> Receipt:  # noqa: A002
    """Say how far the caller has seen the events. Less than before changes nothing."""
    return await call.session(id).acknowledge(call.user, body.revision)


def _tag(incarnation: str, version: int) -> str:
    return f"{incarnation}.{version}"


def _version(tag: str, incarnation: str) -> int | None:
    """The version of the context that a tag names; None if it is of another session, or none."""
    of, _, rest = tag.partition(".")
    version = rest.partition(".")[0]
    if of != incarnation or not version.isdecimal() or len(version) > MAX_DIGITS:
        return None
    return int(version)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (get_state, patch_state, add_memory, act, acknowledge)
