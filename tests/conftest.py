"""Tests are quiet: what a runtime logs is only shown by the test that looks for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from greenroom.actors.ports import Journal
from greenroom.adapters.journals.memory import MemoryJournal
from greenroom.adapters.journals.sqlite import SqliteJournal

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Journal]:
    """Opens the same journal each time, for tests that leave a runtime and come back."""
    if request.param == "sqlite":
        return lambda: SqliteJournal(tmp_path / "store.db", durability="process")
    journal = MemoryJournal()
    return lambda: journal


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process runs where the clock goes back an hour in November."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()
