"""A value that nothing shows: a token, a key, a password."""

from __future__ import annotations

from typing import Any, Final, Self

from ..errors import InvalidInput

HIDDEN: Final = "Secret(***)"


class Secret:
    """Text that is only to be had by asking for it.

    `repr`, `str`, `format` and every log show `Secret(***)`. Pickling it raises TypeError, as do
    the encoders of JSON and msgspec; in a free-form value it is refused with `InvalidInput`, so it
    cannot reach a journal or a client. Two are equal if their texts are, and comparing them takes
    as long wherever they differ. It is not hashable, and a copy of it is itself.

    Raises InvalidInput if `value` is no text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if type(value) is not str:
            raise InvalidInput("secret", type(value).__name__, "text")
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """`text`, with `Secret(***)` wherever this stood in it: for what others have written."""
        return text.replace(self._value, HIDDEN) if self._value else text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # 2 ms, with hashlib and OpenSSL, for those who compare

        ours, theirs = (secret._value.encode(errors="surrogatepass") for secret in (self, other))
        return hmac.compare_digest(ours, theirs)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __getstate__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self
