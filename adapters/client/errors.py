"""What only a client can meet. All else is raised as actors/errors.py has it."""

from __future__ import annotations

from ...actors.errors import GreenroomError, Refused


class NotYou(Refused):
    """The client acts in the name of `me`, as the server says, and of nobody else.

    Nothing was sent. Unlike `NotAllowed` it is not the session that refuses.
    """

    code = "not_you"

    def __init__(self, user: str, *, me: str) -> None:
        self.user, self.me = user, me
        super().__init__(f"this client acts for {me}, not for {user}")


class NotRemote(Refused):
    """Only the process that hosts the session can do `what` is asked for. Nothing was sent."""

    code = "not_remote"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what}: only in the process that hosts the session")


class Unreachable(GreenroomError):
    """The server could not be asked for `patience_s` seconds, or was stopping all the time.

    What was to be sent has not been done; the same may work later.
    """

    code = "unreachable"
    retryable = True

    def __init__(self, address: str, *, patience_s: float, why: str) -> None:
        self.address, self.patience_s, self.why = address, patience_s, why
        super().__init__(f"{address} could not be reached for {patience_s:g} s: {why}")


class ServerFailed(GreenroomError):
    """The server answered `status` with an error that this client does not know: `code` says which
    one, if the server did. What was asked for may have been done or not.
    """

    code = "server_failed"

    def __init__(self, status: int, *, code: str | None, detail: str) -> None:
        self.status, self.detail = status, detail
        if code is not None:
            self.code = code  # type: ignore[misc]
        super().__init__(f"the server answered {status}: {detail}")
