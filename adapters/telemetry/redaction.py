"""Credentials in what people read, such as logs: found by where they stand and how they look."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final

REDACTED: Final = "[redacted]"

MAX_DEPTH: Final = 8
"""Of what is held in each other; what lies deeper is not shown."""

_NAMES: Final = (
    r"password|passwd|passphrase|secret|token|api[_-]?key|authorization|cookie"
    r"|credential|private[_-]?key|ticket"
)

_KEY: Final = re.compile(_NAMES, re.IGNORECASE)

_VALUE: Final = re.compile(
    r"""
    (?=[:?&;\s"'bBgsxAe-])                   # one look at most places, not one for each form
    (?:
      (?P<url>://[^\s/:@]{0,256}:)[^\s/@]{1,256}(?=@)                 # https://user:PASSWORD@host
    | (?P<pair>[?&;\s"'](?:(?i:access_|refresh_|id_)?(?i:NAMES))=)[^\s&;"'#]+   # ?ticket=VALUE
    | (?P<scheme>\b(?i:bearer|basic)\ +)[\w.~+/=-]{16,}               # Authorization: Bearer VALUE
    | \bgr_[0-9a-f]{12}_[\w-]{20,}                                    # an API key of our own
    | \bsk-[\w-]{16,}
    | \b(?:gh[pousr]_|github_pat_)\w{16,}
    | \bxox[abprs]-[\w-]{10,}
    | \bAKIA[0-9A-Z]{16}\b
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*                               # a JSON Web Token
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z\ ]*PRIVATE\ KEY-----|\Z)
    )
    """.replace("NAMES", _NAMES),
    re.VERBOSE | re.DOTALL,
)


def redact(text: str) -> str:
    """`text` with `[redacted]` in the place of all in it that looks like a credential.

    Those are keys and tokens of well-known forms, private keys, what follows `Bearer`, passwords in
    addresses, and parameters such as `?ticket=`. What looks like nothing special is not found.
    """
    return _VALUE.sub(_replaced, text)


def redacted(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A copy of a value with every text in it redacted, and all that stands under a telling key.

    Telling are keys with a word such as `password`, `token` or `cookie` in them. Numbers stay, also
    there: `max_tokens` is one. What is neither plain data nor text is shown as its `repr`.
    """
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {
            _shown(key): _hidden(item) if _is_telling(str(key)) else redacted(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(item, depth - 1) for item in value]
    return redact(repr(value))


def redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: to be put after those that add texts, such as `format_exc_info`."""
    for key, value in event.items():
        if _is_telling(key):
            event[key] = _hidden(value)
        elif type(value) is str:
            event[key] = redact(value)
        elif type(value) is not int and key != "exc_info":
            event[key] = redacted(value)
    return event


@lru_cache(1024)
def _is_telling(key: str) -> bool:
    return _KEY.search(key) is not None


def _hidden(value: Any) -> Any:
    """What is shown of a value under a telling key: nothing, unless it is no text."""
    return value if value is None or isinstance(value, (bool, int, float)) else REDACTED


def _shown(key: Any) -> Any:
    return redact(key) if isinstance(key, str) else key


def _replaced(match: re.Match[str]) -> str:
    return (match["url"] or match["pair"] or match["scheme"] or "") + REDACTED
