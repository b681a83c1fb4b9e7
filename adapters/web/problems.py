"""Errors on the network: RFC 9457 problem details, with stable codes and nothing internal."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

import msgspec
import structlog
from starlette.responses import Response

from ...actors.errors import CapacityError, GreenroomError, NotMember, SessionParked, text_of
from ..telemetry.redaction import redact

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[str, int]] = {
    "archive_failed": 503,
    "bad_frame": 422,
    "bad_role": 422,
    "closed": 503,
    "conflict": 412,
    "damaged": 503,
    "draining": 503,
    "ended": 409,
    "exists": 409,
    "fenced": 503,
    "forbidden": 403,
    "foreign_origin": 403,
    "full": 409,
    "idempotency_conflict": 422,
    "invalid": 422,
    "invalid_cursor": 400,
    "join_closed": 409,
    "journal": 503,
    "journal_failed": 503,
    "journal_unavailable": 503,
    "malformed": 400,
    "misdirected": 421,
    "no_approval": 404,
    "no_compactor": 409,
    "no_pipeline": 409,
    "not_allowed": 403,
    "not_expected": 409,
    "not_exportable": 409,
    "not_found": 404,
    "not_host": 403,
    "not_kept": 410,
    "not_offered": 501,
    "not_pending": 409,
    "not_written": 503,
    "nothing_to_compact": 409,
    "outcome_unknown": 503,
    "overloaded": 429,
    "parked": 503,
    "poison": 500,
    "precondition": 428,
    "rejected": 422,
    "timeout": 503,
    "too_large": 413,
    "too_many_requests": 429,
    "too_many_wakes": 409,
    "too_many_watches": 409,
    "turn_busy": 409,
    "turn_not_found": 404,
    "turn_queue_full": 429,
    "unauthenticated": 401,
    "unsupported_type": 415,
    "wrong_phase": 409,
    "wrong_session": 403,
    "wrong_state": 409,
}
"""The status of each code that a caller can meet, but for `capacity`; of all others, 500."""

_SHOWN: Final = (
    "session",
    "field",
    "limit",
    "in_use",
    "scope",
    "turn",
    "state",
    "retry_after_s",
    "key",
    "version",
)
"""Fields of errors that are told to the caller, where the error has them."""

_UNSAID: Final[Mapping[str, str]] = {
    "archive_failed": "the session could not be archived, and stays as it is",
    "damaged": "the session cannot be read",
    "journal": "the journal has failed",
    "journal_failed": "the journal did not answer: this may be done, or not",
    "journal_unavailable": "the journal cannot be read",
    "not_written": "the journal takes nothing just now: nothing was done",
    "outcome_unknown": "this may be done, or not: look before trying again",
    "parked": "the session has crashed too often, and waits for an operator",
}
"""What is told of errors that quote others, which may name anything."""

log = structlog.get_logger()


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. `code` is stable, `title` and `detail` are for people.

    `retryable`: the same request may succeed later, after `retry_after_s` seconds if that can be
    said. `field` names what is wrong, and `limit` what it would have to be. `key` was changed
    first by somebody else, at revision `version`; or it is an idempotency key that was used before.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    retryable: bool = False
    retry_after_s: float | None = None
    session: str | None = None
    field: str | None = None
    limit: Any = None
    in_use: int | None = None
    scope: str | None = None
    turn: int | None = None
    state: str | None = None
    key: str | None = None
    version: int | None = None


def status_of(error: GreenroomError) -> int:
    """The HTTP status of an error: a user's own limit is 429, the house's 503."""
    if isinstance(error, CapacityError):
        return 503 if error.scope == "global" else 429
    return STATUS.get(error.code, 500)


def problem_of(error: Exception, session: str | None = None) -> Problem:
    """What the caller is told of an error. Of what is not raised on purpose: only that it was.

    Who takes no part in a session is answered as if there were none.
    """
    if not isinstance(error, GreenroomError):
        log.error("request_failed", error=text_of(error), exc_info=error)
        return _problem(500, "internal", "internal error")
    if isinstance(error, NotMember):
        name = error.session if session is None else session
        return _problem(404, "not_found", f"there is no session {name}", session=name)
    status = status_of(error)
    if status == 500 and error.code not in STATUS:
        log.error("request_failed", error=text_of(error), exc_info=error)
        return _problem(500, "internal", "internal error")
    fields = {name: getattr(error, name, None) for name in _SHOWN}
    if isinstance(fields["turn"], str):
        fields["turn"] = int(fields["turn"])
    return _problem(status, error.code, _detail(error), retryable=error.retryable, **fields)


def _detail(error: GreenroomError) -> str:
    """What an error says of itself, but nothing of what a program or a store said of its failure.

    The reason for which an operator has parked a session is meant to be told.
    """
    if error.code not in _UNSAID or (isinstance(error, SessionParked) and error.restarts is None):
        return str(error)
    log.warning("request_refused", code=error.code, error=text_of(error))
    return _UNSAID[error.code]


def _problem(status: int, code: str, detail: str, **fields: Any) -> Problem:
    return Problem(
        type=f"urn:greenroom:{code}",
        title=code.replace("_", " "),
        status=status,
        code=code,
        detail=redact(detail),
        **fields,
    )


_encode = msgspec.json.Encoder().encode


def response(problem: Problem) -> Response:
    """The problem as a response, with `Retry-After` where it can be said, in whole seconds."""
    headers = {}
    if problem.retry_after_s is not None and problem.status in (429, 503):
        headers["retry-after"] = str(max(1, ceil(problem.retry_after_s)))
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(_encode(problem), problem.status, headers, MEDIA_TYPE)
