"""The codes with which the server closes a WebSocket.

4000 to 4499: connect again, with the last cursor. 4500 to 4999: it would be in vain. What is wrong
before the WebSocket is there is an HTTP problem.
"""

from __future__ import annotations

from typing import Final

NORMAL: Final = 1000
"""The session has ended, or the user has left it: the frame `end` says which."""

DRAINING: Final = 4000
"""The server stops; the frame `draining` says how long to wait."""

BROKEN: Final = 4001
"""The session can be read no more just now; an `error` frame says why."""

TOO_SLOW: Final = 4008
"""The reader has taken nothing for too long."""

TOO_MANY: Final = 4029
"""More commands than this principal may send."""

EXPIRED: Final = 4401
"""The credentials have expired: connect with others."""

FAILED: Final = 4500
"""The session can be read no more; an `error` frame says why."""
