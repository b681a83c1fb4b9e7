"""API keys: one file of hashes, and the command that makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from web.tokens import drive, shown

from greenroom import ConfigError, InvalidInput
from greenroom.adapters import cli
from greenroom.adapters.web.auth.api_keys import ApiKeyAuthenticator, new_key, read_keys
from greenroom.adapters.web.errors import Unauthenticated
from greenroom.adapters.web.principal import Credentials, Principal


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def ask(house: ApiKeyAuthenticator, key: str) -> Principal | None:
    return drive(house.authenticate(Credentials(api_key=key)))


def test_a_key_is_whose_it_was_made_for(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key, lines = new_key("robot", ["operator", "x"], name='The "robot" \\ é')
    other, more = new_key("ann")
    file.write_text(lines + more)
    house = ApiKeyAuthenticator(file)

    principal = Principal(
        user="robot", name='The "robot" \\ é', scopes=frozenset({"operator", "x"})
    )
    assert ask(house, key) == drive(house.authenticate(shown(key))) == principal
    assert ask(house, other) == Principal(user="ann")


def test_only_a_hash_is_kept_and_no_two_keys_are_alike() -> None:
    (key, lines), (other, _) = new_key("ann"), new_key("ann")
    _, id, secret = key.split("_", 2)  # noqa: A001

    assert key != other
    assert id in lines
    assert secret not in lines
    assert len(secret) == 43  # 256 bits


def test_what_is_not_exactly_the_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    (key, lines), (other, more) = new_key("ann"), new_key("bob")
    file.write_text(lines + more)
    house = ApiKeyAuthenticator(file)
    mine, his = key.split("_", 2), other.split("_", 2)

    for wrong in (
        key[:-1],
        key + "A",
        key.removeprefix("gr_"),
        f"gr_{mine[1]}_{his[2]}",
        f"gr_{mine[1]}_",
        f"gr_{mine[1]}",
        f"gr_000000000000_{mine[2]}",
        "gr__",
        "",
        "\udcff",
        read_keys(lines.encode())[mine[1]].hash,
        new_key("ann")[0],
    ):
        with pytest.raises(Unauthenticated):
            ask(house, wrong or " ")


def test_other_bearers_are_left_to_others(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text("")
    house = ApiKeyAuthenticator(file)

    assert drive(house.authenticate(shown("a.b.c"))) is None
    assert drive(house.authenticate(Credentials())) is None


def test_a_key_that_is_taken_out_is_refused_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    (key, lines), (other, more) = new_key("ann"), new_key("bob")
    file.write_text(lines)
    house = ApiKeyAuthenticator(file)

    file.write_text(more)

    assert ask(house, other) == Principal(user="bob")
    with pytest.raises(Unauthenticated):
        ask(house, key)

    file.write_text("[keys")  # half of a file, as editors leave it for a moment
    assert ask(house, other) == Principal(user="bob")


def test_a_key_expires_on_its_day(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key, lines = new_key("ann")
    later, past = "2999-01-02", "2020-01-02"

    file.write_text(lines + f"expires = {later}\n")
    principal = ask(ApiKeyAuthenticator(file), key)
    assert principal is not None
    assert principal.expires_s == 32_472_230_400

    for written in (past, f"{past}T23:00:00+01:00"):
        file.write_text(lines + f"expires = {written}\n")
        with pytest.raises(Unauthenticated):
            ask(ApiKeyAuthenticator(file), key)


HASH = "0" * 64


@pytest.mark.parametrize(
    "text",
    [
        "[keys",
        "keys = 7",
        "[keys.a]\nuser = 'ann'",
        f"[keys.a]\nhash = '{HASH}'",
        f"[keys.a]\nuser = 'ann'\nhash = '{HASH[1:]}'",
        f"[keys.a]\nuser = 'ann'\nhash = '{HASH[1:]}G'",
        f"[keys.a]\nuser = 'ann'\nhash = '{HASH}'\nscope = ['operator']",
        f"[keys.a]\nuser = 'ann'\nhash = '{HASH}'\nscopes = 'operator'",
        f"[keys.a]\nuser = 'ann'\nhash = '{HASH}'\nexpires = 2030-01-01T00:00:00",
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_keys(text.encode())


def test_a_user_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        new_key("")
    with pytest.raises(InvalidInput):
        read_keys(f"[keys.a]\nuser = ''\nhash = '{HASH}'".encode())


def test_the_command_prints_a_key_once_and_the_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.run(["keys", "new", "--user", "ann", "--scope", "operator"]) == 0

    key, _, lines = capsys.readouterr().out.partition("\n\n")
    file = tmp_path / "keys.toml"
    file.write_text(lines)
    principal = ask(ApiKeyAuthenticator(file), key)
    assert principal == Principal(user="ann", scopes=frozenset({"operator"}))


def test_the_command_adds_to_a_file_that_a_server_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text("# keys of this house")
    house = ApiKeyAuthenticator(file)

    for user in ("ann", "bob"):
        assert cli.run(["keys", "new", "--user", user, "--file", str(file)]) == 0
        key = capsys.readouterr().out.strip()
        assert ask(house, key) == Principal(user=user)
        assert key not in file.read_text()
