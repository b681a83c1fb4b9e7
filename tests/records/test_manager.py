"""What a program that had a session manager finds here (spec S10, S12, S25, S26, S28)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from steward import DAY_S, archived, files, keep_house, timed
from theatre import play

import greenroom
from greenroom.adapters import default

# --- a directory ---------------------------------------------------------------------------------


def test_s10_a_directory_is_made_with_its_archive_and_holds_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        monkeypatch.chdir(tmp_path)
        async with greenroom.Runtime.in_directory() as runtime:
            assert (tmp_path / "data" / "sessions" / "archive").is_dir()
            config = runtime.config
            assert config.max_sessions == 1000 < config.max_sessions_per_user
            assert config.session_max_age_s == 24 * 3600
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "hello")
            monkeypatch.chdir("/")
            assert await session.delete("ann")
            again = await runtime.create(user="ann", id="t")
            await again.post("ann", "stays")

        (kept,) = archived(tmp_path / "data" / "sessions" / "archive", "s")
        assert kept["chat_history"][0]["content"] == "hello"
        monkeypatch.chdir(tmp_path)
        async with greenroom.Runtime.in_directory("data/sessions") as runtime:
            (row,) = (await runtime.sessions()).rows
            assert (row.id, row.title) == ("t", "stays")

    play(scene)


def test_s10_its_settings_are_those_of_any_runtime(tmp_path: Path) -> None:
    runtime = greenroom.Runtime.in_directory(
        tmp_path / "with space & %41", max_sessions=3, session_max_age_s=DAY_S * 2, idle_s=5
    )
    assert runtime.config.max_sessions == 3
    assert runtime.config.session_max_age_s == DAY_S * 2
    given = greenroom.Config(max_sessions=7)
    assert greenroom.Runtime.in_directory(tmp_path / "other", config=given).config is given
    with pytest.raises(greenroom.ConfigError):
        greenroom.Runtime.in_directory(tmp_path, session_max_age_s=1.0)
    with pytest.raises(greenroom.ConfigError):
        greenroom.Runtime.in_directory(tmp_path, config=given, max_sessions=3)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OSError, match="file"):
        greenroom.Runtime.in_directory(file)

    async def scene() -> None:
        async with runtime:
            await runtime.create(user="ann", id="s")

    play(scene)
    assert (tmp_path / "with space & %41" / "sessions.db").is_file()


def test_s12_s25_sx9_a_cap_of_3_holds_3_and_destroys_nothing(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        async with greenroom.Runtime.in_directory(tmp_path, max_sessions=3) as runtime:
            for n in range(9):
                session = await runtime.create(user="ann", id=f"s{n}")
                await session.post("ann", f"hello {n}")
                assert runtime.resident <= 3
            for n in range(9):
                records = await runtime.session(f"s{n}").records("ann")
                assert records.title == f"hello {n}"
                assert runtime.resident <= 3

        assert files(tmp_path / "archive") == []

    play(scene)


def test_s22_all_there_are_are_listed_and_exported_in_memory_or_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with greenroom.Runtime.in_directory(tmp_path / "here", max_sessions=2) as runtime:
            for n in range(5):
                await runtime.create(user="ann", id=f"s{n}")
            await runtime.session("s0").end("ann")
            output = tmp_path / "all.jsonl"

            assert len((await runtime.sessions()).rows) == 5
            exported = await greenroom.export_sessions(runtime.journal, output)

            assert (exported.sessions, runtime.resident) == (5, 2)

    play(scene)


def test_s10_s21_after_a_day_without_a_word_a_session_is_in_the_archive_and_its_id_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        clock = timed(monkeypatch)
        async with greenroom.Runtime.in_directory(tmp_path, clock=clock) as runtime:
            session = await runtime.create(user="ann", id="s")
            await session.post("ann", "hello")
            assert await runtime.passivate("s")
            clock.now_s += DAY_S + 1
            for _ in range(2):
                await keep_house(runtime, clock)

            again = await runtime.get_or_create("ann", id="s")
            assert (await again.info()).messages == 0
            (kept,) = archived(tmp_path / "archive", "s")
            assert kept["chat_history"][0]["content"] == "hello"

    play(scene)


def test_s28_threads_share_it_and_it_comes_back(tmp_path: Path) -> None:
    """Thread-safe; restored on reconnect; archived before it goes."""
    runtime = greenroom.ThreadedRuntime.in_directory(tmp_path)
    runtime.begin()
    with runtime:
        made: list[Any] = []

        def work(n: int) -> None:
            session = runtime.get_or_create("ann", id=f"s{n % 2}").get(timeout=20)
            made.append(session.post("ann", f"{n}").get(timeout=20))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(made) == 8
    runtime = greenroom.ThreadedRuntime.in_directory(tmp_path)
    runtime.begin()
    with runtime:
        infos = [runtime.session(name).info().get(timeout=20) for name in ("s0", "s1")]
        assert [info.messages for info in infos] == [4, 4]
        assert runtime.session("s0").delete("ann").get(timeout=20)
    assert len(archived(tmp_path / "archive", "s0")[0]["chat_history"]) == 4


# --- the one of the process ----------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GREENROOM_SESSIONS_DIR", str(tmp_path / "here"))
    yield tmp_path / "here"
    default._close()


def test_s26_sx25_many_threads_at_once_get_one_runtime(directory: Path) -> None:
    start, got = threading.Barrier(16), []

    def work() -> None:
        start.wait(20)
        got.append(greenroom.default_runtime())

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(got) == 16
    assert len(set(map(id, got))) == 1
    assert got[0].create(user="ann", id="s").get(timeout=20).id == "s"
    assert (directory / "sessions.db").is_file()


def test_s26_it_is_set_up_by_the_environment(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = greenroom.default_runtime()
    assert (runtime.config.max_sessions, runtime.config.session_max_age_s) == (1000, DAY_S)
    runtime.close()
    monkeypatch.setenv("GREENROOM_MAX_SESSIONS", "3")
    monkeypatch.setenv("GREENROOM_SESSION_MAX_AGE_S", "7200")

    config = greenroom.default_runtime().config

    assert config.max_sessions == 3 < config.max_sessions_per_user
    assert config.session_max_age_s == 7200
    greenroom.default_runtime().close()
    monkeypatch.setenv("GREENROOM_MAX_SESSIONS", "none")
    with pytest.raises(greenroom.ConfigError):
        greenroom.default_runtime()
    monkeypatch.setenv("GREENROOM_MAX_SESSIONS", "3")
    assert greenroom.default_runtime().resident == 0
    greenroom.default_runtime().close()
    monkeypatch.setenv("GREENROOM_SESSIONS_DIR", "")
    with pytest.raises(greenroom.ConfigError):
        greenroom.default_runtime()


def test_s26_after_it_is_closed_there_is_a_new_one_with_the_same_sessions(directory: Path) -> None:
    first = greenroom.default_runtime()
    first.create(user="ann", id="s").get(timeout=20)
    closing = threading.Thread(target=first.close)
    closing.start()

    closing.join(20)
    second = greenroom.default_runtime()

    assert second is not first
    assert second.session("s").info().get(timeout=20).id == "s"
    first.close()  # once more is harmless, and is not for the other one
    assert greenroom.default_runtime() is second


def test_s26_it_is_drained_when_the_interpreter_exits(tmp_path: Path) -> None:
    program = (
        "import greenroom\n"
        "runtime = greenroom.default_runtime()\n"
        "session = runtime.create(user='ann', id='s').get(timeout=20)\n"
        "session.post('ann', 'last words')\n"
    )
    environ = {**os.environ, "GREENROOM_SESSIONS_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    async def scene() -> None:
        async with greenroom.Runtime.in_directory(tmp_path) as runtime:
            claim = await runtime.journal.claim("s")
            assert claim.end is not None  # it has left in order
            assert (await runtime.session("s").info()).messages == 1

    play(scene)
