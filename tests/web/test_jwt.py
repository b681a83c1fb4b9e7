"""Bearer tokens: what is believed, and above all what is not."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwt.algorithms import OKPAlgorithm
from web.tokens import believer, claims, drive, forged, private_key, public_pem, shown, signed

from greenroom import ConfigError, Secret
from greenroom.adapters.web.auth import jwt as jwt_module
from greenroom.adapters.web.auth.jwt import JwtAuthenticator
from greenroom.adapters.web.errors import Unauthenticated
from greenroom.adapters.web.principal import Credentials

SECRET = "a secret of at least 32 characters"


def ask(authenticator: JwtAuthenticator, token: str) -> Any:
    return drive(authenticator.authenticate(shown(token)))


def jwks(*names: str, **more: Any) -> str:
    """A key set in which each key is named as it is called here."""
    keys = [
        json.loads(OKPAlgorithm.to_jwk(private_key(name).public_key())) | {"kid": name} | more
        for name in names
    ]
    return json.dumps({"keys": keys})


def test_a_token_of_the_issuer_says_who_it_is_and_until_when() -> None:
    exp = int(time.time()) + 60
    token = signed("ann", name="Ann", scope="operator read", scopes=["write"], exp=exp)

    principal = ask(believer(leeway_s=5), token)

    assert (principal.user, principal.name) == ("ann", "Ann")
    assert principal.scopes == {"operator", "read", "write"}
    assert principal.is_operator
    assert principal.expires_s == exp + 5


@pytest.mark.parametrize("name", ["", "a" * 129, "two\nlines", 7, None])
def test_a_name_that_no_session_would_take_is_left_out(name: Any) -> None:
    """Or a session could not be made by somebody who has said nothing that is wrong."""
    assert ask(believer(), signed("ann", name=name)).name == ""


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 1},
    "never expires": {"exp": None},
    "expires some day": {"exp": "tomorrow"},
    "expires beyond numbers": {"exp": float("inf")},
    "expires far beyond numbers": {"exp": 10**400},
    "not yet": {"nbf": int(time.time()) + 86_400},
    "wrong audience": {"aud": "another"},
    "wrong audiences": {"aud": ["another", "greenroom-admin"]},
    "no audience": {"aud": None},
    "wrong issuer": {"iss": "https://evil.example.org"},
    "no issuer": {"iss": None},
    "nobody": {"sub": None},
    "an empty user": {"sub": ""},
    "a user that is a number": {"sub": 7},
    "a user with a newline": {"sub": "ann\nbob"},
    "a user too long": {"sub": "a" * 129},
    "scopes that are none": {"scopes": {"operator": True}},
    "scopes of numbers": {"scopes": [1]},
}


@pytest.mark.parametrize("what", BAD_CLAIMS)
def test_claims_that_do_not_hold_are_refused(what: str) -> None:
    given = {name: value for name, value in claims(**BAD_CLAIMS[what]).items() if value is not None}
    # Signed as it is, also where the library would not make a token of it.
    token = jwt.PyJWS().encode(json.dumps(given).encode(), private_key("ours"), algorithm="EdDSA")

    with pytest.raises(Unauthenticated) as refused:
        ask(believer(), token)
    assert "Signature verification" not in refused.value.why


def test_the_leeway_is_for_tokens_that_have_just_expired() -> None:
    just, long_ago = int(time.time()) - 20, int(time.time()) - 100

    assert ask(believer(leeway_s=60), signed(exp=just)).user == "ann"
    with pytest.raises(Unauthenticated):
        ask(believer(leeway_s=60), signed(exp=long_ago))


def test_an_algorithm_is_never_taken_from_the_token() -> None:
    public = public_pem().encode()
    for token in (
        forged({"alg": "none"}, claims()),
        forged({"alg": "None"}, claims()),
        forged({"alg": ""}, claims()),
        forged({}, claims()),
        forged({"alg": "HS256"}, claims(), public),
        forged({"alg": "HS256"}, claims(), public.strip()),
        forged({"alg": "HS256"}, claims(), b""),
        forged({"alg": "EdDSA"}, claims(), public),
        forged({"alg": ["EdDSA"]}, claims(), public),
    ):
        with pytest.raises(Unauthenticated):
            ask(believer(), token)


def test_a_token_of_another_key_or_changed_on_the_way_is_refused() -> None:
    head, _, tail = signed("ann").split(".")
    other = signed("eve", scope="operator").split(".")[1]

    for token in (
        signed(key="theirs"),
        f"{head}.{other}.{tail}",
        f"{head}.{other}.",
        "a.b.c",
        "..",
    ):
        with pytest.raises(Unauthenticated):
            ask(believer(), token)


def test_a_token_beyond_its_length_is_not_looked_at() -> None:
    with pytest.raises(Unauthenticated, match="credentials") as refused:
        ask(believer(), signed(name="n" * 8192))
    assert "characters" in refused.value.why


def test_other_bearers_are_left_to_others() -> None:
    assert ask(believer(), "gr_1_abc") is None
    assert drive(believer().authenticate(Credentials())) is None
    assert drive(believer().authenticate(Credentials(authorization="Basic a.b.c"))) is None


def test_a_secret_for_hs256() -> None:
    house = JwtAuthenticator(Secret(SECRET), algorithms=["HS256"])
    given = {name: value for name, value in claims().items() if name != "aud"}

    assert ask(house, jwt.encode(given, SECRET, algorithm="HS256")).user == "ann"
    for token in (
        jwt.encode(given, "another secret of more than 32 bytes", algorithm="HS256"),
        jwt.encode(claims(), SECRET, algorithm="HS256"),  # meant for some audience
        forged({"alg": "none"}, given),
        signed(),
    ):
        with pytest.raises(Unauthenticated):
            ask(house, token)


@pytest.mark.parametrize(
    "options",
    [
        {"algorithms": []},
        {"algorithms": "EdDSA"},
        {"algorithms": ["none"]},
        {"algorithms": ["EdDSA", "none"]},
        {"algorithms": ["EdDSA", "HS256"]},
        {"algorithms": ["EdDSA", "RS256"]},
        {"algorithms": ["HS256"]},  # with a public key
        {"algorithms": ["HS256"], "key": Secret("too short")},
        {"algorithms": ["RS256"]},  # another kind of key
        {"key": "no PEM"},
        {"key": None},
        {"leeway_s": -1},
        {"jwks": Path("keys.json"), "key": "both"},
    ],
)
def test_what_could_not_be_safe_is_refused_when_it_is_built(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        believer(**options)
    assert "too short" not in str(refused.value)


def test_a_private_key_is_not_taken_for_a_public_one() -> None:
    pem = private_key("ours").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ConfigError) as refused:
        believer(key=pem.decode())
    assert "BEGIN" not in str(refused.value)


def test_keys_of_a_file_go_by_their_names(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks("one", "two"))
    house = believer(jwks=file)

    assert ask(house, signed(key="one", kid="one")).user == "ann"
    assert ask(house, signed(key="two", kid="two")).user == "ann"
    for token in (
        signed(key="one"),
        signed(key="one", kid="two"),
        signed(key="three", kid="three"),
        forged({"alg": "EdDSA", "kid": ["one"]}, claims()),
        forged({"alg": "none", "kid": "one"}, claims()),
    ):
        with pytest.raises(Unauthenticated):
            ask(house, token)


def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks("one"))
    house = believer(jwks=file)

    file.write_text(jwks("two", use="sig"))

    assert ask(house, signed(key="two", kid="two")).user == "ann"
    with pytest.raises(Unauthenticated):
        ask(house, signed(key="one", kid="one"))


def test_a_token_is_verified_once_and_not_believed_beyond_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms = time.time_ns() // 1_000_000
    exp = now_ms // 1000 + 60
    house, token = believer(), signed(exp=exp)
    first = ask(house, token)

    monkeypatch.setattr(jwt, "decode", refusing)
    assert ask(house, token) is first
    with pytest.raises(Unauthenticated):
        ask(house, signed(exp=exp + 1))

    for moment_ms, still in ((exp * 1000 - 1, True), (exp * 1000, False)):
        monkeypatch.setattr(jwt_module, "now_ms", lambda moment_ms=moment_ms: moment_ms)
        if still:
            assert ask(house, token) is first
        else:
            with pytest.raises(Unauthenticated):
                ask(house, token)


def refusing(*_: Any, **__: Any) -> Any:
    raise jwt.InvalidTokenError


def test_a_bounded_number_of_tokens_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_module, "MAX_BELIEVED", 3)
    house = believer()
    tokens = [signed(f"user{n}") for n in range(5)]
    for token in tokens:
        ask(house, token)

    monkeypatch.setattr(jwt, "decode", refusing)
    believed = []
    for token in tokens:
        with contextlib.suppress(Unauthenticated):
            believed.append(ask(house, token).user)
    assert believed == ["user2", "user3", "user4"]


def test_a_key_that_is_taken_out_is_refused_also_for_tokens_seen_before(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks("one", "two"))
    house = believer(jwks=file)
    token = signed(key="one", kid="one")
    assert ask(house, token).user == "ann"

    file.write_text(jwks("two"))

    with pytest.raises(Unauthenticated):
        ask(house, token)


@pytest.mark.parametrize("said", ["", "[]", '{"keys": []}', '{"keys": [{"kid": "one"}]}', None])
def test_a_file_that_breaks_leaves_the_keys_in_force(tmp_path: Path, said: str | None) -> None:
    file = tmp_path / "keys.json"
    file.write_text(jwks("one"))
    house = believer(jwks=file)

    file.unlink() if said is None else file.write_text(said)

    assert ask(house, signed(key="one", kid="one")).user == "ann"


@pytest.mark.parametrize(
    "said", ["", "{}", '{"keys": 7}', jwks("one", "one"), jwks("a", use="enc")]
)
def test_a_file_without_usable_keys_is_refused_at_the_beginning(tmp_path: Path, said: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(said)

    with pytest.raises(ConfigError):
        believer(jwks=file)


def test_a_file_of_secrets_is_no_file_of_public_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    oct_key = {"kty": "oct", "kid": "one", "k": "c2VjcmV0" * 8}
    file.write_text(json.dumps({"keys": [oct_key]}))

    with pytest.raises(ConfigError):
        believer(jwks=file)
    with pytest.raises(ConfigError):
        believer(jwks=file, algorithms=["HS256"])
