"""The calendar: what cron expressions mean in the time zones of people."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import ExtraMissing, InvalidInput
from greenroom.adapters.cron import CronCalendar

CALENDAR = CronCalendar()


def instants(cron: str, zone: str, begin: str, count: int) -> list[str]:
    """The next ones after `begin` (UTC), each asked for with the one before."""
    at_ms = int(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp() * 1000)
    found = list[str]()
    for _ in range(count):
        next_ms = CALENDAR.next_ms(cron, zone, at_ms)
        assert next_ms is not None
        assert next_ms > at_ms
        at_ms = next_ms
        found.append(datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%M"))
    return found


def test_a_daily_instant_keeps_its_hour_when_clocks_change() -> None:
    spring = instants("0 9 * * *", "Europe/Berlin", "2026-03-28", 3)
    autumn = instants("0 9 * * *", "Europe/Berlin", "2026-10-24", 3)

    assert spring == ["03-28 08:00", "03-29 07:00", "03-30 07:00"]
    assert autumn == ["10-24 07:00", "10-25 08:00", "10-26 08:00"]


def test_what_falls_into_the_hour_that_is_left_out_runs_right_after_it() -> None:
    """02:30 does not come on 29 March 2026: clocks go from 02:00 to 03:00, which is 01:00 UTC."""
    assert instants("30 2 * * *", "Europe/Berlin", "2026-03-28", 3) == [
        "03-28 01:30",
        "03-29 01:00",
        "03-30 00:30",
    ]


def test_what_falls_into_the_hour_that_comes_twice_runs_once() -> None:
    """02:30 comes twice on 25 October 2026, at 00:30 and 01:30 UTC."""
    whole = instants("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)
    within = instants("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15", 1)  # its second 02:15

    assert whole == ["10-25 00:30", "10-26 01:30"]
    assert within == ["10-26 01:30"]


def test_every_hour_is_every_hour_whatever_clocks_say() -> None:
    assert instants("0 * * * *", "Europe/Berlin", "2026-03-29T00:30", 3) == [
        "03-29 01:00",
        "03-29 02:00",
        "03-29 03:00",
    ]
    assert instants("0 * * * *", "Europe/Berlin", "2026-10-24T23:30", 3) == [
        "10-25 00:00",
        "10-25 01:00",
        "10-25 02:00",
    ]


@given(
    begin=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001
    cron=st.sampled_from(
        ["30 2 * * *", "*/20 * * * *", "15 2-3 * * *", "0 9 * * 1-5", "5 4 1 * *"]
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_the_next_instant_is_later_and_there_is_none_between(
    begin: datetime, cron: str, zone: str
) -> None:
    at_ms = int(begin.replace(tzinfo=UTC).timestamp() * 1000)
    first = CALENDAR.next_ms(cron, zone, at_ms)
    assert first is not None
    assert first > at_ms
    second = CALENDAR.next_ms(cron, zone, first)
    assert second is not None
    assert second > first
    assert CALENDAR.next_ms(cron, zone, (at_ms + first) // 2) == first
    assert CALENDAR.next_ms(cron, zone, first - 1) == first
    assert first - at_ms <= timedelta(days=32).total_seconds() * 1000


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "60 * * * *", "0 0 31 2 *", "@daily", "1/0 * * * *"]
)
def test_what_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(InvalidInput, match="every"):
        CALENDAR.check(cron, "UTC")


def test_what_is_no_zone_is_refused() -> None:
    for zone in ("Europe/Nowhere", "/etc", "Europe", "\0", ""):
        with pytest.raises(InvalidInput, match="zone"):
            CALENDAR.check("0 9 * * *", zone)


def test_next_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CALENDAR.next_ms("nonsense", "UTC", 0) is None
    assert CALENDAR.next_ms("0 9 * * *", "Europe/Nowhere", 0) is None
    assert CALENDAR.next_ms("0 9 * * *", "UTC", 10**17) is None
    assert CALENDAR.next_ms("0 9 * * *", "UTC", 253_402_300_799_999) is None
    monkeypatch.setitem(sys.modules, "cronsim", None)
    assert CALENDAR.next_ms("0 9 * * *", "UTC", 0) is None
    with pytest.raises(ExtraMissing):
        CALENDAR.check("0 9 * * *", "UTC")
