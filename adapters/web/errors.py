"""What only the network can get wrong; all else is in actors/errors.py."""

from __future__ import annotations

from ...actors.errors import GreenroomError, InvalidInput


class Malformed(GreenroomError):
    """What was sent is not what its content type says, such as JSON that does not parse."""

    code = "malformed"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the body cannot be read: {why}")


class WrongShape(GreenroomError):
    """A part of what was sent has another type than it must have, is missing, or is unknown.

    To whoever has sent it that is one thing with a value that can never be accepted.
    """

    code = InvalidInput.code

    def __init__(self, field: str, why: str) -> None:
        self.field, self.limit = field, why
        super().__init__(f"{field}: {why}")


class UnsupportedType(GreenroomError):
    """The body's content type is none that this endpoint takes."""

    code = "unsupported_type"

    def __init__(self, given: str, wanted: str) -> None:
        self.given, self.wanted = given, wanted
        super().__init__(f"content type {given!r}: {wanted} is wanted")


class TooLarge(GreenroomError):
    """The body has more than `limit` bytes."""

    code = "too_large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"a body may have at most {limit:,} bytes")


class Unauthenticated(GreenroomError):
    """Nobody has been told who asks, or what was shown of it does not hold. Why is logged only."""

    code = "unauthenticated"

    def __init__(self, why: str = "") -> None:
        self.why = why
        super().__init__("credentials are missing or are not valid")


class Forbidden(GreenroomError):
    """Whoever asks is known, and may not do this."""

    code = "forbidden"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class TooManyRequests(GreenroomError):
    """The `limit` of `what` for one principal, or one session, is reached.

    Try again after `retry_after_s`.
    """

    code = "too_many_requests"
    retryable = True

    def __init__(
        self,
        what: str,
        limit: float,
        retry_after_s: float | None = None,
        *,
        of: str = "one principal",
    ) -> None:
        self.what, self.limit, self.retry_after_s = what, limit, retry_after_s
        super().__init__(f"{what}: at most {limit:g} for {of}")


class Preconditions(GreenroomError):
    """A condition such as `If-Match` is missing or does not hold."""

    code = "precondition"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Misdirected(GreenroomError):
    """The `Host` that was asked is none of this server's."""

    code = "misdirected"

    def __init__(self) -> None:
        super().__init__("this server is not called so: see allowed_hosts")


class ForeignOrigin(GreenroomError):
    """A page of another origin, which is not an allowed one, has had a browser send this."""

    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("a page of this origin may not do so: see allowed_origins")


class NotMatching(GreenroomError):
    """`If-Match` names no version that this is, or has been, in. Look at it again."""

    code = "conflict"

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"session {session} is in no version that If-Match names")


class NotOffered(GreenroomError):
    """This server was set up without `what` is asked for."""

    code = "not_offered"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"this server offers no {what}")
