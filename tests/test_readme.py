"""What the README shows works as it stands."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from recorded import environment
from theatre import echo, play

import greenroom
from greenroom.adapters.web.serving import Setup

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_quick_start_runs_as_written(tmp_path: Path) -> None:
    program = blocks("python")[0]
    (tmp_path / "program.py").write_text(program)

    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "program.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    first, *items = done.stdout.splitlines()
    assert first == "you said hello "
    assert [
        "MessagePosted",
        "TurnStarted",
        *["TextStreamed"] * 3,
        "MessagePosted",
        "TurnEnded",
        "SessionEnded",
    ] == [re.findall(r"event=(\w+)", item)[0] for item in items]
    assert (tmp_path / "greenroom.db").exists()


def test_the_quick_start_is_short() -> None:
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]

    assert len(lines) <= 15


def test_the_approval_runs_as_written() -> None:
    (program,) = [block for block in blocks("python") if "RequestApproval" in block]
    names: dict[str, Any] = {"greenroom": greenroom}
    exec(program, names)

    async def scene() -> list[str]:
        said = []
        async with greenroom.Runtime(names["agent"]) as runtime:
            session = await runtime.create(user="ada", id="s")
            for yes in (True, False):
                turn = await session.send("ada", "two seats, please")
                while await session.approval("ada") is None:
                    await asyncio.sleep(0)
                assert await runtime.passivate("s")
                await session.decide("ada", {"b1": yes})
                said.append((await turn.result()).text)
            assert (await session.verify("ada")).valid
        return said

    assert play(scene) == ["It is booked.", "Then not."]


def test_the_setup_of_a_server_is_understood(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "greenroom.toml").write_text(text)

    setup = Setup.of(tmp_path / "greenroom.toml")

    assert setup.auth.api_keys == tmp_path / "keys.toml"
    assert setup.auth.jwt is not None


def test_the_mounted_application_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = [block for block in blocks("python") if "Mount(" in block]
    names: dict[str, Any] = {"greenroom": greenroom, "agent": echo}
    exec(program, names)

    async def scene() -> tuple[int, int]:
        app, bearer = names["app"], {"authorization": "Bearer ada"}
        caller = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost/rooms", headers=bearer
        )
        async with app.router.lifespan_context(app), caller:
            made = await caller.post("/v1/sessions", json={"id": "s1"})
            said = await caller.post(
                "/v1/sessions/s1/messages", params={"wait_s": 30}, json={"text": "hello"}
            )
        return made.status_code, said.status_code

    assert play(scene) == (201, 200)


def test_every_file_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^):]+)\)", README.read_text())

    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_the_commands_it_names_are_targets_of_the_makefile() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README.read_text(), re.MULTILINE))
    targets = re.findall(r"^([a-z-]+):", (README.parent / "Makefile").read_text(), re.MULTILINE)

    assert {"run", "test", "check", "bench"} <= named <= set(targets)
