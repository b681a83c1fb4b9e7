"""The simulation finds what it is there to find: a handful of `mutations.py`."""

from __future__ import annotations

import pytest
from sim.mutations import MUTATIONS, ROOT, find

HANDFUL = (
    "the mailbox does not look a second time",
    "a command is answered before its commit",
    "a slot is freed and its owner still counted",
    "open tool calls are not closed",
)


@pytest.mark.parametrize("name", HANDFUL)
def test_a_broken_line_is_found(name: str) -> None:
    mutation = next(mutation for mutation in MUTATIONS if mutation.name == name)

    found = find(mutation, seeds=300)

    assert found.seed is not None
    assert found.promise


def test_every_line_is_still_there() -> None:
    for mutation in MUTATIONS:
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, mutation.name
