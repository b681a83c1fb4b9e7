"""Secrets: a token is in no repr, no log, no event, no journal and no encoding (spec AX13)."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from agents.workshop import Workshop, uses
from house import logged
from rooms.hall import Ear
from theatre import GatedJournal, ManualClock, play, settle, take

import greenroom
from greenroom import Secret
from greenroom.actors.session.messages import SetToken
from greenroom.actors.session.resources import Opening
from greenroom.actors.session.secret import HIDDEN
from greenroom.actors.session.values import plain
from greenroom.supervisor.messages import Create

TOKEN = "xyzzy-do-not-show-me"


# --- the value -----------------------------------------------------------------------------------


def test_ax13_only_asking_for_it_shows_a_secret() -> None:
    secret = Secret(TOKEN)

    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        f"{secret:>20}",
    ]

    assert [text.strip() for text in shown] == [HIDDEN] * 5
    assert repr([secret, {"token": secret}]) == f"[{HIDDEN}, {{'token': {HIDDEN}}}]"
    assert secret.reveal() == TOKEN


@pytest.mark.parametrize(
    "encode",
    [
        pickle.dumps,
        json.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        lambda secret: msgspec.json.encode(Create(None, secret)),  # type: ignore[arg-type]
        lambda secret: json.dumps(secret, default=vars),
        lambda secret: pickle.dumps({"in": [secret]}, protocol=0),
        lambda secret: secret.__getstate__(),
    ],
)
def test_ax13_no_encoder_takes_a_secret(encode: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        encode(Secret(TOKEN))

    assert TOKEN not in str(refusal.value)


@pytest.mark.parametrize("encode", [str, repr], ids=["str", "repr"])
def test_ax13_an_encoder_that_falls_back_on_text_shows_that_there_is_one(encode: Any) -> None:
    assert json.loads(json.dumps({"t": Secret(TOKEN)}, default=encode)) == {"t": HIDDEN}
    assert msgspec.json.encode([Secret(TOKEN)], enc_hook=encode) == f'["{HIDDEN}"]'.encode()


@pytest.mark.parametrize(
    "render",
    [
        structlog.processors.JSONRenderer(),
        structlog.processors.KeyValueRenderer(),
        structlog.processors.LogfmtRenderer(),
        structlog.dev.ConsoleRenderer(colors=False),
    ],
    ids=lambda render: type(render).__name__,
)
def test_ax13_no_log_shows_a_secret(render: Any) -> None:
    line = render(None, "info", {"event": "e", "token": Secret(TOKEN)})

    assert HIDDEN in line
    assert TOKEN not in line


def test_ax13_a_secret_is_no_free_form_value() -> None:
    for value in (Secret(TOKEN), {"data": [Secret(TOKEN)]}):
        with pytest.raises(greenroom.InvalidInput) as refusal:
            plain(value, "data")
        assert TOKEN not in str(refusal.value)
        assert TOKEN not in repr(refusal.value)


@pytest.mark.parametrize("value", [b"bytes", None, 7, Secret(TOKEN)])
def test_a_secret_is_text_and_a_refusal_does_not_show_what_it_was_given(value: Any) -> None:
    with pytest.raises(greenroom.InvalidInput) as refusal:
        Secret(value)

    assert refusal.value.field == "secret"
    assert TOKEN not in str(refusal.value)


def test_secrets_are_equal_by_their_text_and_only_to_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != Secret("aa")
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(
        "hmac.compare_digest", lambda *pair: compared.append(pair) or pair[0] == pair[1]
    )

    assert Secret("é") == Secret("é")

    assert compared == [("é".encode(), "é".encode())]


def test_a_copy_of_a_secret_is_itself() -> None:
    secret = Secret(TOKEN)

    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret


# --- the way of a token --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["it works", "it fails"])
def test_ax13_a_token_goes_to_the_factory_and_nowhere_else(path: str) -> None:
    async def scene() -> None:
        shop, journal, clock = Workshop(), GatedJournal(), ManualClock()
        if path == "it fails":
            shop.failing = OSError(f"401 for {TOKEN}")
        secret, seen = Secret(TOKEN), list[Any]()

        async def hook(snapshot: Any, reason: Any) -> None:
            seen.append(snapshot)

        with logged() as lines:
            runtime = greenroom.Runtime(
                uses, resources=shop, on_end=hook, journal=journal, clock=clock, idle_s=60.0
            )
            async with runtime:
                session = await runtime.create(user="ann", id="s", token=secret)
                ear = await Ear.of(session, "ann", after=greenroom.START)
                await session.set_token("ann", Secret(TOKEN)) if path == "it works" else None
                if path == "it works":
                    await (await session.send("ann", "hello")).result()
                await clock.advance(61.0)
                seen += [await session.info(), await session.snapshot("ann")]
                seen += [*ear.items, *ear.wire, *await session.transcript("ann")]
                seen += [runtime, session, runtime._supervisor, runtime._stage, runtime.stats]
                seen += [vars(runtime)]
                seen += [(await session.history("ann")).events]

        assert shop.openings[0].session_id == "s"
        record = journal._records["s"]
        kept = [record.genesis, *record.events, repr(record.snapshot), repr(record.row)]
        assert len(kept) > 2
        for each in [*seen, *lines, *kept]:
            assert TOKEN not in repr(each)
            assert TOKEN not in str(each)

    play(scene)


def test_ax13_a_file_of_a_journal_holds_no_token(tmp_path: Path) -> None:
    async def scene() -> None:
        url = f"sqlite:///{tmp_path / 'kept.db'}"
        async with greenroom.Runtime(uses, journal=url, resources=Workshop()) as runtime:
            session = await runtime.create(user="ann", id="s", token=Secret(TOKEN))
            events = session.events("ann")
            await session.set_token("ann", Secret(TOKEN))
            await (await session.send("ann", "hello")).result()
            await take(events, 3)

    play(scene)
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert any(b"hello" in content for content in files)
    assert not any(TOKEN.encode() in content for content in files)


def test_ax13_the_messages_that_carry_a_token_do_not_show_it() -> None:
    secret = Secret(TOKEN)
    opening = Opening("s", "ann", {"s": secret})

    carriers = [SetToken("ann", secret), Create(None, secret), opening]  # type: ignore[arg-type]

    assert not any(TOKEN in repr(carrier) for carrier in carriers)
    assert opening.token is secret


def test_a_token_does_not_survive_its_process() -> None:
    async def scene() -> None:
        journal, shop = GatedJournal(), Workshop()
        async with greenroom.Runtime(uses, journal=journal, resources=shop) as runtime:
            await runtime.create(user="ann", id="s", token=Secret(TOKEN))
        await journal.open()
        async with greenroom.Runtime(uses, journal=journal, resources=shop) as runtime:
            session = runtime.session("s")
            await session.info()
            await settle()
            assert shop.openings[1].token is None

            await session.set_token("ann", Secret("another"))
            assert shop.openings[1].token == Secret("another")

    play(scene)


def test_ax13_what_a_client_quotes_of_a_token_is_hidden() -> None:
    assert Secret("abc").hidden_in("401 for abc, abc!") == f"401 for {HIDDEN}, {HIDDEN}!"
    assert Secret("").hidden_in("401") == "401"
