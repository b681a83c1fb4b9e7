"""How a server is set up: its file, who may come in, and what it answers with."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from theatre import echo, play

import greenroom
from greenroom.adapters.pipelines.demo import DemoAgent
from greenroom.adapters.pipelines.find import find_pipeline
from greenroom.adapters.web.auth.api_keys import ApiKeyAuthenticator
from greenroom.adapters.web.auth.dev import DevAuthenticator
from greenroom.adapters.web.auth.jwt import JwtAuthenticator
from greenroom.adapters.web.server import address_of, listen
from greenroom.adapters.web.serving import Auth, Setup, authenticators, for_trying, serve

FILE = """
[greenroom]
max_sessions = 7

[web]
allowed_hosts = ["api.example.org"]
ticket_secret = "0123456789abcdef0123456789abcdef"

[auth]
api_keys = "{folder}/keys.toml"

[auth.jwt]
algorithms = ["HS256"]
key_file = "{folder}/secret"
audience = "greenroom"
"""


def test_a_file_sets_up_the_whole_server(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text("")
    (tmp_path / "secret").write_text("x" * 32 + "\n")
    path = tmp_path / "greenroom.toml"
    path.write_text(FILE.format(folder=tmp_path))

    setup = Setup.of(path)

    assert setup.runtime.max_sessions == 7
    assert setup.web.allowed_hosts == ("api.example.org",)
    assert setup.web.ticket_secret is not None
    found = authenticators(setup.auth, dev=False, host="0.0.0.0")
    assert [type(each) for each in found] == [JwtAuthenticator, ApiKeyAuthenticator]


def test_files_are_found_from_the_folder_of_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from where the process was started; a service is, in `/`."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "keys.toml").write_text("")
    (tmp_path / "etc" / "greenroom.toml").write_text("[auth]\napi_keys = 'keys.toml'")
    monkeypatch.chdir(tmp_path)

    setup = Setup.of(Path("etc/greenroom.toml"))

    monkeypatch.chdir("/")
    assert setup.auth.api_keys == tmp_path / "etc" / "keys.toml"
    [found] = authenticators(setup.auth, dev=False, host="0.0.0.0")
    assert isinstance(found, ApiKeyAuthenticator)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[web]\nmax_body_bytes = 0", "max_body_bytes"),
        ("[web]\nmax_body = 1", "web"),
        ("[web]\nallowed_hosts = 5", "web"),
        ("[greenroom]\nmax_sessions = 0", "max_sessions"),
        ("[auth.jwt]\nalgorithm = 'HS256'", "auth"),
        ("[auth]\napi_keys = 5", "auth"),
        ("[web]\nticket_secret = 5", "web"),
        ("[other]", "greenroom.toml"),
        ("= 5", "greenroom.toml"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(
    text: str, field: str, tmp_path: Path
) -> None:
    path = tmp_path / "greenroom.toml"
    path.write_text(text)

    with pytest.raises(greenroom.ConfigError, match=field):
        Setup.of(path)


def test_a_server_into_which_nobody_could_come_does_not_start() -> None:
    with pytest.raises(greenroom.ConfigError, match="auth"):
        authenticators(Auth(), dev=False, host="127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_dev_mode_is_on_loopback(host: str) -> None:
    (found,) = authenticators(Auth(), dev=True, host=host)
    assert isinstance(found, DevAuthenticator)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_the_dev_mode_is_nowhere_else(host: str) -> None:
    with pytest.raises(greenroom.ConfigError, match="dev"):
        authenticators(Auth(), dev=True, host=host)


def test_a_free_port_is_found_and_told() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert address_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_pipeline_is_found_by_entry_point_or_by_attribute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_agents.py").write_text("async def agent(turn):\n    yield 'hi'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    assert isinstance(find_pipeline("demo"), DemoAgent)
    assert find_pipeline("my_agents:agent").__name__ == "agent"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["nothing", "no_such_module:agent", "json:nothing", "json:__doc__"]
)
def test_a_pipeline_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(greenroom.ConfigError, match="pipeline"):
        find_pipeline(name)


def test_who_is_told_that_it_serves_may_stop_it_at_once() -> None:
    async def scene() -> None:
        heeded: list[bool] = []

        def stop(address: str) -> None:
            heeded.append(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
            if heeded[0]:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                raise AssertionError(f"a signal would kill what serves {address}")

        async with greenroom.Runtime(echo) as runtime:
            server = await serve(
                runtime, Setup.of(None), host="127.0.0.1", port=0, dev=True, on_ready=stop
            )
        assert heeded == [True]
        assert server.report is not None

    play(scene)


def test_who_tries_it_out_has_no_limit_of_their_own() -> None:
    setup = for_trying(Setup.of(None))

    assert setup.runtime.max_sessions_per_user == setup.runtime.max_sessions
