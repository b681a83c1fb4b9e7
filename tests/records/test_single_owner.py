"""SX23: two processes on one journal never write over each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conformance.damage_kit import checked, execute, runtime_on
from conformance.journal_kit import GUARD_S, append, create, error_of, events_of, played
from conformance.sqlite_kit import line_of, process
from recorded import COMMAND, environment

import greenroom
from greenroom.actors.errors import Fenced, JournalLocked
from greenroom.adapters.journals.lockfile import Holder, holder_of
from greenroom.adapters.journals.sqlite import SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


OWNER = """
import asyncio, sys
import greenroom
from greenroom.adapters.journals.sqlite import SqliteJournal

async def own():
    async with greenroom.Runtime(journal=SqliteJournal(sys.argv[1])) as runtime:
        session = await runtime.create(user="ann", id="s")
        for number in range(10_000):
            await session.post("ann", f"naïve 日本 {number}")
            print(number, flush=True)

asyncio.run(own())
"""


@played
async def test_sx23_a_second_process_is_refused_by_name_and_after_kill_9_let_in_at_once(
    path: Path,
) -> None:
    with process(OWNER, path) as owner:
        line_of(owner)
        refused = await error_of(runtime_on(path).start())
        seen = (await SqliteJournal(path).stats()).owner
        for _ in range(20):
            acknowledged = int(line_of(owner))
        owner.send_signal(signal.SIGKILL)
        owner.wait(GUARD_S)

    async with runtime_on(path) as runtime:
        transcript = await runtime.session("s").transcript("ann")

    assert isinstance(refused, JournalLocked)
    assert (refused.pid, refused.started) == (owner.pid, refused.started)
    assert refused.started is not None
    assert seen == Holder(pid=owner.pid, started=refused.started)
    words = [line.text for line in transcript if isinstance(line, greenroom.Message)]
    assert words == [f"naïve 日本 {number}" for number in range(len(words))]
    assert len(words) > acknowledged
    assert (await checked(path))[0] == []


@played
async def test_sx23_who_gets_past_the_lock_is_fenced_session_by_session(path: Path) -> None:
    """A lock file that somebody has removed keeps nobody out; the epoch does."""
    first, second = SqliteJournal(path), SqliteJournal(path)
    await first.open()
    await create(first)
    await append(first, b"1")
    path.with_name(f"{path.name}.lock").unlink()
    await second.open()

    epoch = (await second.claim("s")).epoch
    late = await error_of(append(first, b"other 2", epoch=1, after=1))
    assert await append(second, b"2", epoch=epoch, after=1) == 2

    assert isinstance(late, Fenced)
    assert await events_of(second) == [b"1", b"2"]
    await second.close()
    await first.close()


@played
async def test_who_owns_a_journal_is_known_without_keeping_anybody_out(path: Path) -> None:
    assert holder_of(path) is None
    journal = SqliteJournal(path)
    await journal.open()
    held = holder_of(path)
    await journal.close()

    assert held is not None
    assert held.pid == os.getpid()
    assert holder_of(path) is None
    path.with_name(f"{path.name}.lock").write_text('{"pid":1,"started":"long ago"}')
    assert holder_of(path) is None  # a killed owner's name


# --- SX17: text is UTF-8 whatever the locale -----------------------------------------------------

READER = """
import asyncio, sys
import greenroom
from greenroom.adapters.journals.sqlite import SqliteJournal

async def read():
    async with greenroom.Runtime(journal=SqliteJournal(sys.argv[1])) as runtime:
        session = runtime.session("s")
        (line,) = await session.transcript("ann")
        name = (await session.info()).name
        await session.post("ann", line.text + name)
        print(ascii(line.text + name))

asyncio.run(read())
"""


@played
async def test_sx17_what_is_written_in_one_locale_is_read_in_another(path: Path) -> None:
    text, name = "naïve 日本 \N{PERFORMING ARTS}", "Zoë"
    async with runtime_on(path) as runtime:
        session = await runtime.create(user="ann", id="s", name=name)
        await session.post("ann", text)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = subprocess.run(
        [sys.executable, "-P", "-c", READER, str(path)],
        env=environment() | plain,
        capture_output=True,
        timeout=GUARD_S,
        check=True,
    )

    assert done.stdout.decode("ascii").strip() == ascii(text + name)
    async with runtime_on(path) as runtime:
        lines = await runtime.session("s").transcript("ann")
    assert [line.text for line in lines] == [text, text + name]
    assert (await checked(path))[0] == []


@played
async def test_sx17_the_command_line_writes_utf_8_in_any_locale(path: Path) -> None:
    async with runtime_on(path) as runtime:
        await runtime.create(user="Zoë", id="s")
    execute(path, "UPDATE sessions SET owner = '日本'")

    done = subprocess.run(
        [*COMMAND, "journal", "check", "--journal", f"sqlite:///{path}"],
        env=environment() | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        timeout=GUARD_S,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert "the index says that owner is '日本', the events say 'Zoë'" in done.stdout.decode()
