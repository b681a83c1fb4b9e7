"""Cron expressions in the time zones of people, by the library `cronsim` (the extra `cron`)."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import structlog

from ..actors.errors import ExtraMissing, GreenroomError, InvalidInput, text_of

if TYPE_CHECKING:
    from cronsim import CronSim

log = structlog.get_logger()


class CronCalendar:
    """Implements `Calendar` with the machine's time zones; the library is imported when asked."""

    def check(self, cron: str, zone: str) -> None:
        """Refuse what is no cron expression, or no zone. Raises InvalidInput and ExtraMissing."""
        _schedule(cron, datetime.now(_zone(zone)))

    def next_ms(self, cron: str, zone: str, after_ms: int) -> int | None:
        """The first instant later than `after_ms`; None if there is none, or none is known."""
        try:
            begin = datetime.fromtimestamp(after_ms / 1000, _zone(zone))
            instants = (round(at.timestamp() * 1000) for at in _schedule(cron, begin))
            # In an hour that comes twice the library begins with the first one.
            return next((at_ms for at_ms in instants if at_ms > after_ms), None)
        except (GreenroomError, ValueError, OverflowError, OSError) as error:
            log.warning("cron_without_instant", cron=cron, zone=zone, error=text_of(error))
            return None


def _schedule(cron: str, begin: datetime) -> CronSim:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise ExtraMissing("a cron expression", install="greenroom[cron]") from None
    try:
        return CronSim(cron, begin)
    except (CronSimError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput("every", cron, f"a cron expression ({text_of(error)})") from error


def _zone(zone: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # 5 ms, for those who have wakes by cron

    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("zone", zone, "a time zone that this machine knows") from error
