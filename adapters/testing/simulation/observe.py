"""Seeing all that is published and logged, while a workload is played."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from ....actors.session.items import Published
from ....actors.session.live import LiveLog


@contextmanager
def observed(
    published: Callable[[str, Published], None], logged: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    """Tell of each event as a live log takes it, and of each line that is logged.

    Readers see a part of what is published, and later: to say that they miss nothing one must know
    all of it. For the whole process, so one workload at a time.
    """
    publish, before = LiveLog.publish, structlog.get_config()

    def noting(self: LiveLog, *args: Any, **kwargs: Any) -> Published:
        item = publish(self, *args, **kwargs)
        published(self.session, item)
        return item

    def note(_: Any, __: str, line: Any) -> Any:
        logged(dict(line))
        raise structlog.DropEvent

    everything = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(
        processors=[note], wrapper_class=everything, cache_logger_on_first_use=False
    )
    LiveLog.publish = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        LiveLog.publish = publish  # type: ignore[method-assign]
        structlog.configure(**before)
