"""Processes that are killed at random instants, and what they had acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash.killer import Series
from crash.run import SERIES

KILLS = 42
"""In each series: more than 200 in all. `run.py` kills more."""


@pytest.mark.parametrize("name", SERIES)
def test_p21_p07_what_was_acknowledged_or_heard_is_there_after_every_kill(
    tmp_path: Path, name: str
) -> None:
    """None missing, none doubled, no gap in revisions, each as it was published.

    While it activates, plays, snapshots, checkpoints and passivates. The message that nobody
    acknowledged, said again under its key, is there once. What is finished in the end is the
    recorded dialogues, exactly.
    """
    figures = Series(tmp_path, seed=21, **SERIES[name]).run(KILLS)

    assert figures.kills == KILLS
    assert figures.acknowledged > 5 * KILLS
