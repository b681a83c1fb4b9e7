"""The command line against a running server."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from recorded import COMMAND, environment
from theatre import play
from web.cable import cable
from web.kit import house, served
from web.wire import until

import greenroom
from greenroom.adapters import cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GREENROOM_TOKEN", raising=False)
    before = structlog.get_config()
    yield
    structlog.configure(**before)


Output = pytest.CaptureFixture[str]


async def greenroom_(*tokens: str) -> int:
    """Run a command, on a thread of its own as it has a loop of its own."""
    return await asyncio.to_thread(cli.run, tokens)


async def flaky(turn: greenroom.Turn) -> Any:
    for word in turn.input.text.split():
        yield word + " "
    if turn.input.text == "fail":
        raise RuntimeError("no idea")


def test_operators_list_what_the_dashboard_lists(capsys: Output) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            server = ("--server", f"http://{address}", "--token", "olga+operator")
            for n in range(3):
                await place.runtime.create(user="ann", id=f"a{n}", name="talk")
            await place.runtime.create(user="bob", id="b0")
            await place.runtime.park("a2", "look")

            assert await greenroom_("sessions", "ls", *server) == 0
            lines = capsys.readouterr().out.splitlines()
            assert " ".join(lines[0].split()) == "ID OWNER STATE MAILBOX TURN RESTARTS SINCE"
            assert {line.split()[0] for line in lines[1:]} == {"a0", "a1", "a2", "b0"}

            asked = ("--owner", "ann", "--prefix", "talk", "--sort", "updated", "--limit", "1")
            assert await greenroom_("sessions", "ls", *server, *asked) == 0
            assert len(capsys.readouterr().out.splitlines()) == 2
            assert await greenroom_("sessions", "ls", *server, "--verdict", "parked") == 0
            (_, parked) = capsys.readouterr().out.splitlines()
            assert parked.split()[:2] == ["a2", "parked"]

    play(scene)


def test_everybody_else_lists_their_own(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            server = ("--server", f"http://{address}")
            monkeypatch.setenv("GREENROOM_TOKEN", "ann")
            await place.runtime.create(user="ann", id="a0")
            await place.runtime.create(user="ann", id="a1", start=False)
            await place.runtime.create(user="bob", id="b0")

            assert await greenroom_("sessions", "ls", *server) == 0
            lines = capsys.readouterr().out.splitlines()
            assert sorted(line.split()[0] for line in lines) == ["ID", "a0", "a1"]
            assert await greenroom_("sessions", "ls", *server, "--state", "created") == 0
            assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
                "ID",
                "a1",
            ]

            assert await greenroom_("sessions", "ls", *server, "--verdict", "parked") == 1
            assert "operators" in capsys.readouterr().err
            assert await greenroom_("sessions", "ls", *server, "--journal", "memory:") == 2
            assert await greenroom_("sessions", "ls", "--sort", "depth") == 2

    play(scene)


def test_who_names_nobody_is_told_how_to(capsys: Output) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            assert await greenroom_("sessions", "ls", "--server", f"http://{address}") == 1
            assert "--token, GREENROOM_TOKEN" in capsys.readouterr().err
            assert await greenroom_("sessions", "ls", "--server", address, "--user", "ann") == 0

    play(scene)


def test_top_is_told_by_its_user_or_its_token_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Refusing:
        def __init__(self, server: str, token: str) -> None:
            asked.append((server, token))
            raise greenroom.ConfigError("server", server, "another one")

    monkeypatch.setattr("greenroom.adapters.tui.house.House", Refusing)

    assert cli.run(["top", "--user", "ann", "--token", "t"]) == 2
    assert cli.run(["top", "--token", "t"]) == 2
    assert asked == [("http://127.0.0.1:8000", "ann"), ("http://127.0.0.1:8000", "t")]


def test_a_session_is_shown_and_ended(capsys: Output) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            server = ("--server", f"http://{address}", "--user")
            session = await place.runtime.create(user="ann", id="a0")
            await (await session.send("ann", "one two")).result()

            assert await greenroom_("sessions", "show", "a0", *server, "ann") == 0
            out = capsys.readouterr().out
            assert "ann: one two" in out
            assert "assistant: one two" in out
            assert await greenroom_("sessions", "show", "a0", "--events", *server, "ann") == 0
            assert '"type":"turn.ended"' in capsys.readouterr().out

            assert await greenroom_("sessions", "end", "a0", *server, "bob") == 1
            assert "there is no session a0" in capsys.readouterr().err
            assert await greenroom_("sessions", "end", "a0", *server, "ann") == 0
            other = await place.runtime.create(user="ann", id="a1")
            assert await greenroom_("sessions", "end", "a1", *server, "olga+operator") == 0
            assert {(await session.info()).state, (await other.info()).state} == {"ended"}

    play(scene)


def test_what_is_sent_is_answered_as_it_comes(capsys: Output) -> None:
    async def scene() -> None:
        async with house(flaky) as place, served(place) as address:
            server = ("--server", f"http://{address}", "--user", "ann")
            await place.runtime.create(user="ann", id="a0")

            assert await greenroom_("send", "a0", "one two\x1b[2J", *server) == 0
            assert capsys.readouterr().out == "one two\\x1b[2J \n"
            assert await greenroom_("send", "a0", "fail", *server) == 1
            out, err = capsys.readouterr()
            assert out.startswith("fail ")
            assert "the turn was failed" in err
            assert await greenroom_("send", "no-such", "hi", *server) == 1
            assert capsys.readouterr().err == "greenroom: there is no session no-such\n"

    play(scene)


def test_a_session_is_followed_through_a_cut_until_it_ends(capsys: Output) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address, cable(address) as line:
            session = await place.runtime.create(user="ann", id="a0")
            server = ("--server", line.address, "--user", "ann", "--after", "start")
            await session.post("ann", "one")
            told: list[str] = []

            def has(count: int) -> bool:
                told.extend(capsys.readouterr().out.splitlines())
                return len(told) >= count

            following = asyncio.create_task(greenroom_("sessions", "tail", "a0", "--json", *server))
            await until(lambda: has(1))
            await line.cut()
            await session.post("ann", "two")
            line.mend()
            await session.end("ann")

            assert await following == 0
            has(0)
            assert [json.loads(each)["revision"] for each in told] == [1, 2, 3]
            assert await greenroom_("sessions", "tail", "a0", *server) == 0
            first = capsys.readouterr().out.splitlines()[0]
            assert first.split()[1:3] == ["1", "message.posted"]

    play(scene)


def test_operators_follow_what_the_journal_records(capsys: Output) -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address, cable(address) as line:
            session = await place.runtime.create(user="ann", id="a0")
            server = ("--server", line.address, "--user")
            await session.post("ann", "one")
            told: list[str] = []

            def has(count: int) -> bool:
                told.extend(capsys.readouterr().out.splitlines())
                return len(told) >= count

            tail = greenroom_("sessions", "tail", "a0", *server, "olga+operator")
            following = asyncio.create_task(tail)
            await until(lambda: has(1))
            await line.cut()
            await session.post("ann", "two")
            line.mend()
            await session.end("ann")

            assert await following == 0
            has(0)
            assert [each.split()[1] for each in told] == ["1", "2", "3"]
            assert await greenroom_("sessions", "tail", "a0", *server, "bob") == 1
            assert capsys.readouterr().err == "greenroom: there is no session a0\n"

    play(scene)


def test_ctrl_c_ends_a_tail_with_130() -> None:
    async def scene() -> None:
        async with house() as place, served(place) as address:
            session = await place.runtime.create(user="ann", id="a0")
            await session.post("ann", "one")
            command = ("sessions", "tail", "a0", "--after", "start", "--user", "ann")
            process = await asyncio.create_subprocess_exec(
                *(*COMMAND, *command, "--server", f"http://{address}"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
            )
            assert process.stdout is not None
            assert b"message.posted" in await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
            assert (process.returncode, err) == (130, b"")

    play(scene, 60.0)


def test_sigterm_gives_the_terminal_back_from_top() -> None:
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(
        [*COMMAND, "top", "--server", "http://127.0.0.1:1"],
        env={**environment(), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while b"reconnecting" not in seen:
        seen += os.read(ours, 65536)
    watching.send_signal(signal.SIGTERM)
    with suppress(OSError):  # EIO: the other end is closed
        while more := os.read(ours, 65536):
            seen += more
    os.close(ours)

    assert watching.wait(30) == 143
    assert b"\x1b[?1049l" in seen, "the screen from before is shown"


def test_nobody_there_is_one_line(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    from greenroom.adapters.client import backoff

    monkeypatch.setattr(backoff.Backoff, "is_over", property(lambda _: True))
    assert cli.run(["send", "a0", "hi", "--server", "http://127.0.0.1:1", "--user", "ann"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("greenroom: http://127.0.0.1:1 could not be reached")
    assert cli.run(["send", "a0", "hi", "--server", "ftp://127.0.0.1"]) == 2
