"""What the records of a layout look like: which words are its own, and which are data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


class Leaf(enum.Enum):
    """A value that has no parts a layout knows of.

    OWN: a word of the layout, such as `function`. TEXT: text, or null. COUNT: an integer from 0 to
    2**64 - 1, or null. FREE: any plain value; the keys of its objects are data, too.
    """

    OWN = enum.auto()
    TEXT = enum.auto()
    COUNT = enum.auto()
    FREE = enum.auto()


@dataclass(frozen=True)
class Each:
    """A list of alike values."""

    item: Shape


@dataclass(frozen=True)
class Object:
    """An object with these keys, in this order, of which any may be missing.

    `more`: it may have others, which nobody knows, with free-form values.
    """

    fields: Mapping[str, Shape]
    more: bool = False


@dataclass(frozen=True)
class AsText:
    """A value that is exported as text: text as it is, null as null, any other as its JSON."""

    inner: Shape


Shape: TypeAlias = Leaf | Each | Object | AsText
