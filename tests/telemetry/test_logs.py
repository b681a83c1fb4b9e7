"""What a server logs: lines that programs and people can read, without credentials."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import COMMAND, environment

from greenroom.adapters.telemetry import logs
from greenroom.adapters.telemetry.logs import configure_json_logs, configure_logs

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_each_line_is_json_with_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure_json_logs()
    with structlog.contextvars.bound_contextvars(session="s1"):
        structlog.get_logger().info("turn_failed", turn=3, detail="two\nlines")
    structlog.get_logger().debug("not told")

    (line,) = lines(capsys)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "turn_failed",
        "session": "s1",
        "turn": 3,
        "detail": "two\nlines",
    }


def test_what_other_libraries_log_looks_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_json_logs("warning")
    configure_json_logs("warning")  # nothing is told twice
    logging.getLogger("uvicorn.error").info("not told")
    try:
        raise LookupError(f"no {TOKEN}")
    except LookupError:
        logging.getLogger("asyncio").exception("it failed: %s", f"Bearer {TOKEN}")

    (line,) = lines(capsys)
    assert (line["level"], line["logger"]) == ("error", "asyncio")
    assert line["event"] == "it failed: Bearer [redacted]"
    assert line["exception"].endswith("LookupError: no [redacted]")


def test_credentials_are_redacted_also_in_what_is_nested(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_json_logs()
    try:
        raise RuntimeError(f"no answer from /x?ticket={TOKEN}")
    except RuntimeError as error:
        structlog.get_logger().error(
            "failed", exc_info=error, token=TOKEN, told={"cookie": "abc", "texts": [TOKEN, b"b"]}
        )

    (line,) = lines(capsys)
    assert TOKEN not in json.dumps(line)
    assert line["exception"].endswith("RuntimeError: no answer from /x?ticket=[redacted]")
    assert line["told"] == {"cookie": "[redacted]", "texts": ["[redacted]", "b'b'"]}


words = st.text(st.characters(exclude_categories=[]), max_size=5)
single = st.none() | st.integers() | st.floats() | words | st.binary(max_size=3) | st.just(object())
anything = single | st.lists(single, max_size=2) | st.dictionaries(words, single, max_size=2)


@given(st.dictionaries(words, anything, max_size=3))
@example({"half": "\ud800"})
@example({"large": 2**80, "odd": float("nan")})
def test_whatever_is_logged_is_a_line(event: dict[str, Any]) -> None:
    rendered = logs._render_json(None, "info", {"event": "it", **event})
    assert "\n" not in rendered
    assert "event" in json.loads(rendered)


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    structlog.get_logger().info("ready", port=8000, token="abc")
    logging.getLogger("uvicorn").warning("slow")

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("level='info' event='ready' port=8000 token='[redacted]'")
    assert second.endswith("level='warning' event='slow' logger='uvicorn'")


def test_a_server_logs_so() -> None:
    agent = "greenroom.adapters.pipelines.demo:DemoAgent"
    command = [*COMMAND, "serve", "--dev", "--port=0", "--journal=memory:", "--pipeline", agent]
    with subprocess.Popen(
        [*command, "--log-level=info", "--log-format=json", "--otel"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            assert "greenroom serves http://127.0.0.1:" in server.stdout.readline()
            server.send_signal(signal.SIGTERM)
            _, err = server.communicate(timeout=60)
        finally:
            server.kill()
    assert server.returncode == 0
    told = [json.loads(line) for line in err.splitlines()]
    events = {line["event"]: line for line in told}
    assert events["no_tracer_provider"]["level"] == "warning"
    assert events["signal_received"]["signal"] == "SIGTERM"
    assert any(line.get("logger") == "uvicorn.error" for line in told)
