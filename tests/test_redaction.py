"""Credentials are not shown in logs: found by their keys, and by how they look."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.telemetry.logs import configure_structlog
from greenroom.adapters.telemetry.redaction import redact, redact_event, redacted

SECRETS = {
    "an API key of our own": "gr_0f5717462765_ZtS1owBVn9KT5bIhjUXYxjwk50TmHfUVopcRtr2LQAk",
    "a model's API key": "sk-proj-abcdefghijklmnop1234",
    "a token for code": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "another token for code": "github_pat_11ABCDEFG0abcdefghij_klmnop",
    "a token for chat": "xoxb-1234567890-abcdefghij",
    "a key of a cloud": "AKIAIOSFODNN7EXAMPLE",
    "a web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
    "a web token without a signature": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
    "half of a private key": "-----BEGIN PRIVATE KEY-----\nMIIB",
}


@pytest.mark.parametrize("what", SECRETS)
def test_what_looks_like_a_credential_is_hidden_wherever_it_stands(what: str) -> None:
    secret = SECRETS[what]

    assert redact(secret) == "[redacted]"
    if "half" not in what:
        assert redact(f"before ({secret}) after") == "before ([redacted]) after"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /v1/x?ticket=abc.d-f_g&cursor=1", "GET /v1/x?ticket=[redacted]&cursor=1"),
        ("/x?a=1&access_token=abc", "/x?a=1&access_token=[redacted]"),
        ("/x?API_KEY=abc#here", "/x?API_KEY=[redacted]#here"),
        ("postgres://ann:pa55@host/db", "postgres://ann:[redacted]@host/db"),
        ("Authorization: Bearer abcdefghijklmnop==", "Authorization: Bearer [redacted]"),
        ("authorization: basic YW5uOnBhc3N3b3Jk", "authorization: basic [redacted]"),
        ("Cookie: a=1; secret=abc; b=2", "Cookie: a=1; secret=[redacted]; b=2"),
        ("login password=hunter2", "login password=[redacted]"),
    ],
)
def test_what_follows_a_telling_word_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=512 of tokens",
        "the bearer of this letter",
        "basic knowledge",
        "a ticket for the opera, sk-8",
        "http://localhost:8000/v1/sessions?user=ann",
        "user@host:22 ratio 1:2@3",
        "eyJust.a.word",
        "",
    ],
)
def test_what_looks_like_nothing_special_stays(text: str) -> None:
    assert redact(text) == text


def test_everything_under_a_telling_key_is_hidden_but_numbers() -> None:
    event: dict[str, Any] = {
        "event": "called",
        "api_key": "short",
        "Authorization": ["a", "b"],
        "client_secret": {"deep": "x"},
        "max_tokens": 512,
        "token": None,
        "headers": {"cookie": "a=b", "accept": "text/html"},
        "urls": ("/x?ticket=1", b"?ticket=2"),
        "error": ValueError("sk-abcdefghijklmnopqrst"),
        "turn": 3,
        "fast": True,
        "took_s": 0.5,
    }

    assert redact_event(None, "info", event) == {
        "event": "called",
        "api_key": "[redacted]",
        "Authorization": "[redacted]",
        "client_secret": "[redacted]",
        "max_tokens": 512,
        "token": None,
        "headers": {"cookie": "[redacted]", "accept": "text/html"},
        "urls": ["/x?ticket=[redacted]", "b'?ticket=[redacted]'"],
        "error": "ValueError('[redacted]')",
        "turn": 3,
        "fast": True,
        "took_s": 0.5,
    }


def test_what_holds_itself_comes_to_an_end() -> None:
    value: list[Any] = ["sk-abcdefghijklmnopqrst"]
    value.append(value)

    assert "sk-" not in repr(redacted(value))


@given(st.text())
def test_any_text_can_be_redacted_and_no_more_the_second_time(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def test_the_command_line_logs_no_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        configure_structlog()
        try:
            raise RuntimeError("no answer from /x?ticket=abc")
        except RuntimeError:
            structlog.get_logger().error("failed", token="abc", exc_info=True)
    finally:
        structlog.configure(**before)

    err = capsys.readouterr().err
    assert "RuntimeError: no answer from /x?ticket=[redacted]" in err
    assert "token='[redacted]'" in err
    assert "abc" not in err
