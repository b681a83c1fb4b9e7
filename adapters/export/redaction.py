"""Every string of a record through the redaction hook, before anything is written (SX27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from ...actors.errors import text_of
from .shapes import AsText, Each, Leaf, Object, Shape

Redact: TypeAlias = Callable[[str, str], str]
"""From a string, and where it stands, as in `chat_history[3].content`, to what is exported."""

_UNKNOWN: Final = Object({}, more=True)


class Unfit(Exception):
    """A record cannot be exported: what is wrong at which place of it."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where}: {why}")


class Redaction:
    """Takes records apart by their shape, and hands all that is data in them to a hook.

    That is every string but the layout's own keys and words: also the keys of free-form objects,
    which are handed over as `a key of metadata` before their values are, as `metadata.KEY` with
    KEY as it came back. Of keys that come back alike each but the first gets a number, as in
    `[name]~2`, so that no value is lost. Without a hook they stay as they are.
    """

    def __init__(self, hook: Redact | None) -> None:
        self._hook = hook

    def record(self, record: dict[str, Any], shape: Object) -> dict[str, Any]:
        """The record as it is exported: a copy. Raises Unfit."""
        return self._object(record, shape, "")

    def _value(self, value: Any, shape: Shape, where: str) -> Any:
        kind = type(value)
        if kind is str:
            return value if shape is Leaf.OWN else self._text(value, where)
        if type(shape) is AsText:
            inner = self._value(value, shape.inner, where)
            return None if inner is None else exact_json(inner, where).decode()
        if kind is dict:
            return self._object(value, shape if type(shape) is Object else _UNKNOWN, where)
        if kind is list:
            item = shape.item if type(shape) is Each else Leaf.FREE
            return [self._value(one, item, f"{where}[{n}]") for n, one in enumerate(value)]
        return value

    def _object(self, value: dict[str, Any], shape: Object, where: str) -> dict[str, Any]:
        after: dict[str, Any] = {}
        own = shape.fields
        for key, item in value.items():
            if key in own:
                kept, inner = key, own[key]
            else:
                kept, inner = self._key(key, where, own, after), Leaf.FREE
            after[kept] = self._value(item, inner, f"{where}.{kept}" if where else kept)
        return after

    def _key(self, key: Any, where: str, *taken: Any) -> str:
        place = f"a key of {where}" if where else "a key"
        if type(key) is not str:
            raise Unfit(place, f"it is a {type(key).__name__}, and JSON has only text there")
        once = kept = self._text(key, place)
        number = 1
        while any(kept in some for some in taken):
            number += 1
            kept = f"{once}~{number}"
        return kept

    def _text(self, text: str, where: str) -> str:
        if self._hook is None:
            return text
        try:
            redacted = self._hook(text, where)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a hook that exits must not take the other sessions along
            raise Unfit(where, f"redaction failed: {text_of(error)}") from error
        if type(redacted) is not str:
            why = f"redaction returned a {type(redacted).__name__}, and no text"
            raise Unfit(where, why)
        return redacted


def exact_json(value: Any, where: str) -> bytes:
    """`value` as JSON that says exactly the same, non-ASCII as it is. Raises Unfit.

    All that is taken at the door of a session can be written so (`values.plain`), and all else
    is refused here: an encoder would make null of NaN, and text of bytes and of keys.
    """
    try:
        body = msgspec.json.encode(value)
        if msgspec.json.decode(body) == value:
            return body
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise Unfit(where, f"JSON cannot hold it: {text_of(error)}") from error
    raise Unfit(where, "JSON cannot hold it as it is")
