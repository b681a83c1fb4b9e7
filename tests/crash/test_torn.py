"""Journals whose files were cut short or overwritten: damage is reported, never served as truth."""

from __future__ import annotations

import pytest
from crash.torn import Copies

from greenroom.adapters.testing.torn import WAYS

COPIES = 30
"""Of each kind: 240 in all. `run.py --torn` makes more."""


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    return Copies(tmp_path_factory.mktemp("torn"), seed=5)


@pytest.mark.parametrize("way", WAYS)
def test_p21_sx2_a_torn_log_is_an_older_state_that_lacks_only_the_last_commits(
    copies: Copies, way: str
) -> None:
    """A write that was torn is as if it had not begun."""
    for what, found in copies.tear("-wal", way, COPIES):
        assert found.opened, what
        assert (found.reported, found.lies) == ([], []), what
        assert found.heads in copies.written.heads, what


@pytest.mark.parametrize("way", WAYS)
def test_sx3_a_file_that_is_damaged_says_so_and_invents_nothing(copies: Copies, way: str) -> None:
    """What cannot be read is an error of a known kind; what is read was written.

    Sessions that are lost with a piece of an index are for a check of the whole file to find:
    SQLite cannot notice when it looks for them.
    """
    for what, found in copies.tear("", way, COPIES):
        assert found.lies == [], what
        if found.opened and not found.reported and found.sound:
            assert found.heads == copies.written.heads[-1], what
    assert copies.told["reported"]
