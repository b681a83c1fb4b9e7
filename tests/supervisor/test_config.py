from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from greenroom.actors.errors import ConfigError
from greenroom.supervisor.config import OPTIONAL_LIMITS, Config

COUNTS = ["max_sessions", "max_sessions_per_user", "mailbox_capacity", "live_events",
          "turn_attempts", "snapshot_bytes", "max_waiting"]  # fmt: skip
POSITIVE = ["idle_s", "live_age_s", "restart_window_s", "keep_awake_max_s"]
NUMBERS = [field for field in Config.__struct_fields__ if field != "dev_user"]
NOT_NEGATIVE = ["restart_delay_s", "max_restart_delay_s", "stop_budget_s", "admission_wait_s",
                "subscriber_pin_s"]  # fmt: skip


def refused(field: str, **settings: Any) -> ConfigError:
    """The refusal, which is the same from code and from plain data."""
    with pytest.raises(ConfigError) as from_code:
        Config(**settings)
    with pytest.raises(ConfigError) as from_data:
        Config.of(settings)

    assert from_code.value.field == from_data.value.field == field
    assert from_code.value.limit == from_data.value.limit
    assert field in str(from_code.value)
    return from_code.value


def test_r08_l01_v28_the_defaults() -> None:
    config = Config()

    assert (config.max_sessions, config.max_sessions_per_user, config.idle_s) == (200, 10, 900.0)
    assert (config.live_events, config.live_age_s) == (2048, 120.0)
    assert (config.max_restarts, config.restart_window_s) == (3, 60.0)


# --- ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", COUNTS)
def test_a_count_is_at_least_1(field: str) -> None:
    assert getattr(Config(**{field: 1}), field) == 1
    for value in (0, -1):
        assert refused(field, **{field: value}).limit == "at least 1"


@pytest.mark.parametrize("field", POSITIVE)
def test_a_period_is_positive_and_finite(field: str) -> None:
    assert getattr(Config(**{field: 0.001}), field) == 0.001
    for value in (0.0, -1.0, math.inf, math.nan):
        assert refused(field, **{field: value}).limit == "positive and finite"


@pytest.mark.parametrize("field", NOT_NEGATIVE)
def test_a_delay_is_finite_and_not_negative(field: str) -> None:
    assert getattr(Config(**{"restart_delay_s": 0.0, field: 0.0}), field) == 0.0
    for value in (-0.001, math.inf, math.nan):
        assert refused(field, **{field: value}).limit == "finite and not negative"


def test_there_may_be_no_restart_at_all_but_not_fewer() -> None:
    assert Config(max_restarts=0).max_restarts == 0
    refused("max_restarts", max_restarts=-1)


def test_the_longest_delay_is_no_shorter_than_the_first() -> None:
    assert Config(restart_delay_s=2.0, max_restart_delay_s=2.0)

    error = refused("max_restart_delay_s", restart_delay_s=2.0, max_restart_delay_s=1.0)

    assert error.limit == "at least restart_delay_s (2.0)"
    refused("max_restart_delay_s", restart_delay_s=60.0)


def test_the_time_to_decide_has_a_date() -> None:
    assert Config(approval_expires_s=0.001).approval_expires_s == 0.001
    for value in (0.0, math.inf, math.nan, 1e10):
        assert "positive" in refused("approval_expires_s", approval_expires_s=value).limit


@pytest.mark.parametrize("field", NUMBERS)
def test_every_field_has_a_range(field: str) -> None:
    refused(field, **{field: -1})


@pytest.mark.parametrize("field", OPTIONAL_LIMITS)
def test_a_limit_that_there_may_be_is_at_least_1(field: str) -> None:
    assert getattr(Config(), field) is None
    assert getattr(Config(**{field: 1}), field) == 1
    assert getattr(Config.from_env({f"GREENROOM_{field.upper()}": "7"}), field) == 7
    for value in (0, -1):
        assert refused(field, **{field: value}).limit == "at least 1, or None: no limit"


# --- plain data ----------------------------------------------------------------------------------


def test_a_config_is_built_from_plain_data() -> None:
    config = Config.of({"max_sessions": 5, "idle_s": 30})

    assert config == Config(max_sessions=5, idle_s=30.0)
    assert type(config.idle_s) is float
    assert Config.of({}) == Config()


def test_an_unknown_setting_is_named_beside_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="max_session'") as refusal:
        Config.of({"max_session": 5})

    assert "max_sessions, max_sessions_per_user" in refusal.value.limit


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", ["5", None, True, [5], {}, b"5"])
def test_a_setting_of_another_type_is_refused_by_name(field: str, value: Any) -> None:
    if value is None and field in OPTIONAL_LIMITS:
        assert getattr(Config.of({field: value}), field) is None
        return
    with pytest.raises(ConfigError) as refusal:
        Config.of({field: value})

    assert refusal.value.field == field


@pytest.mark.parametrize("value", ["", "a" * 129, "line\nbreak", "\ud800"])
def test_a06_only_a_user_can_be_the_dev_user(value: str) -> None:
    assert refused("dev_user", dev_user=value).limit == "a user id"


@pytest.mark.parametrize("value", [5, True, ["ann"], b"ann"])
def test_a06_a_dev_user_is_named_as_text(value: Any) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.of({"dev_user": value})

    assert refusal.value.field == "dev_user"
    assert Config.of({"dev_user": "ann"}).dev_user == "ann"
    assert Config.of({"dev_user": None}).dev_user is None
    assert Config.from_env({"GREENROOM_DEV_USER": "5"}).dev_user == "5"


def test_a21_ended_sessions_are_retained_for_a_time_or_for_ever() -> None:
    assert Config().ended_retention_s == 7 * 24 * 3600.0
    assert Config.of({"ended_retention_s": math.inf}).ended_retention_s == math.inf
    for value in (0.0, -1.0, math.nan):
        assert refused("ended_retention_s", ended_retention_s=value).limit == "greater than 0"


@pytest.mark.parametrize("field", COUNTS)
def test_half_a_session_is_refused(field: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.of({field: 2.5})

    assert (refusal.value.field, refusal.value.limit) == (field, "of type int")


# --- TOML ----------------------------------------------------------------------------------------


def toml(path: Path, text: str) -> Config:
    (path / "greenroom.toml").write_text(text, "utf-8")
    return Config.from_toml(path / "greenroom.toml")


def test_a_config_is_read_from_its_table(tmp_path: Path) -> None:
    text = "[other]\nmax_sessions = 1\n[greenroom]\nmax_sessions = 7\nidle_s = 30\n"

    assert toml(tmp_path, text) == Config(max_sessions=7, idle_s=30.0)
    assert toml(tmp_path, "") == Config()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[greenroom]\nmax_sessions = 0", "max_sessions"),
        ("[greenroom]\nmax_sessions = '7'", "max_sessions"),
        ("[greenroom]\nidle_s = inf", "idle_s"),
        ("[greenroom]\nidle_s = nan", "idle_s"),
        ("[greenroom]\nidle = 3", "setting"),
        ("[greenroom.idle_s]\nx = 3", "idle_s"),
        ("greenroom = 5", "greenroom"),
        ("[[greenroom]]\nmax_sessions = 5", "greenroom"),
    ],
)
def test_a_mistake_in_a_file_is_refused_by_name(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        toml(tmp_path, text)

    assert refusal.value.field == field


@pytest.mark.parametrize("content", [b"[greenroom", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config").write_bytes(content)

    with pytest.raises(ConfigError, match="valid TOML") as refusal:
        Config.from_toml(tmp_path / "config")

    assert refusal.value.field == str(tmp_path / "config")


def test_a_file_that_is_not_there_is_the_caller_s_to_handle(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Config.from_toml(tmp_path / "nowhere.toml")


# --- the environment -----------------------------------------------------------------------------


def test_a_config_is_read_from_the_environment() -> None:
    environ = {"GREENROOM_MAX_SESSIONS": "7", "GREENROOM_IDLE_S": "1.5", "MAX_RESTARTS": "9",
               "GREENROOM_JOURNAL": "sqlite:///x.db", "PATH": "/bin"}  # fmt: skip

    assert Config.from_env(environ) == Config(max_sessions=7, idle_s=1.5)
    assert Config.from_env({}) == Config()


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "1.5", "True", "[1]", "nan"])
def test_a_mistake_in_the_environment_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.from_env({"GREENROOM_MAX_SESSIONS": value})

    assert refusal.value.field == "max_sessions"


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "inf", "nan"])
def test_a_mistaken_period_in_the_environment_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.from_env({"GREENROOM_IDLE_S": value})

    assert refusal.value.field == "idle_s"
