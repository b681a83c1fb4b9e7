"""How long what is kept: the settings, and what follows from them, without a journal."""

from __future__ import annotations

import math

import pytest

from greenroom.actors.errors import ConfigError
from greenroom.supervisor.config import Config
from greenroom.supervisor.retention import MOST_S, OFTEN_S, Retention, before_ms

DAY_S = 24 * 3600.0


def test_the_defaults_of_retention() -> None:
    policy = Retention.of(Config())

    assert policy == Retention(
        ended_retention_s=7 * DAY_S,
        session_max_age_s=math.inf,
        deleted_retention_s=DAY_S,
        tombstone_retention_s=30 * DAY_S,
        event_retention_s=7 * DAY_S,
        journal_max_bytes=math.inf,
    )
    assert policy.period_s == MOST_S


def test_it_is_looked_as_often_as_the_shortest_time_asks_for() -> None:
    assert Retention().period_s == MOST_S
    assert Retention(ended_retention_s=400.0).period_s == 100.0
    assert Retention(event_retention_s=40.0, ended_retention_s=400.0).period_s == 10.0
    assert Retention(journal_max_bytes=1.0).period_s == OFTEN_S
    assert Retention(deleted_retention_s=0.0).period_s == OFTEN_S
    assert Retention(deleted_retention_s=0.0, ended_retention_s=40.0).period_s == 10.0


def test_what_was_before_is_older_than_the_age() -> None:
    assert before_ms(10_000, 2.5) == 7_500
    assert before_ms(10_000, 0.0) == 10_000
    assert before_ms(10_000, math.inf) is None
    assert -(2**63) < before_ms(10_000, 1e300) < 0  # type: ignore[operator]


@pytest.mark.parametrize("field", ["ended_retention_s", "session_max_age_s", "journal_max_bytes"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_what_must_be_greater_than_0(field: str, value: float) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.of({field: value})

    assert (refusal.value.field, refusal.value.limit) == (field, "greater than 0")


@pytest.mark.parametrize(
    "field", ["deleted_retention_s", "tombstone_retention_s", "event_retention_s"]
)
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_what_may_be_at_once(field: str, value: float) -> None:
    Config(deleted_retention_s=0.0, tombstone_retention_s=0.0, event_retention_s=0.0)
    with pytest.raises(ConfigError) as refusal:
        Config.of({field: value})

    assert (refusal.value.field, refusal.value.limit) == (field, "not negative")


def test_no_session_is_too_old_before_it_is_idle() -> None:
    assert Config(idle_s=60.0, session_max_age_s=60.0)
    with pytest.raises(ConfigError) as refusal:
        Config(idle_s=60.0, session_max_age_s=59.0)
    assert (refusal.value.field, refusal.value.limit) == (
        "session_max_age_s",
        "at least idle_s (60.0)",
    )


def test_no_id_is_free_before_its_bytes_are() -> None:
    assert Config(deleted_retention_s=5.0, tombstone_retention_s=5.0)
    with pytest.raises(ConfigError) as refusal:
        Config(deleted_retention_s=5.0, tombstone_retention_s=4.0)
    assert refusal.value.field == "tombstone_retention_s"
