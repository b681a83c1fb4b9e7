"""A load that is killed or interrupted at any time is gone on with by the next one."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from pathlib import Path

import pytest
from recorded import COMMAND, SAMPLE, environment

from greenroom.actors.errors import SessionNotFound
from greenroom.actors.session.events import TurnEnded
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.load.dataset import read_dialogues
from greenroom.supervisor.recording import read_recording

GUARD_S = 60.0
"""How long a process may take. It only ever passes when the test fails."""

FIRST_LINE = re.compile(r"load: \d+ of \d+ dialogues, (\d+) turns,")


def started(folder: Path, *options: str) -> subprocess.Popen[str]:
    """`greenroom load` of the sample, in `folder`."""
    return subprocess.Popen(
        [*COMMAND, "load", str(SAMPLE), *options],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def turns_at_first_line(process: subprocess.Popen[str]) -> int:
    """Wait until a tenth of the dialogues is through; how many turns it says have ended."""
    assert process.stderr is not None
    found = FIRST_LINE.match(line := process.stderr.readline())
    assert found, line
    return int(found[1])


def turns_kept(path: Path) -> int:
    """Turns that have ended, by the journal."""

    async def count() -> int:
        journal, ended = SqliteJournal(path, read_only=True), 0
        await journal.open()
        for dialogue in read_dialogues(SAMPLE):
            try:
                recording = await read_recording(journal, dialogue.dialogue_id)
            except SessionNotFound:
                continue
            ended += sum(isinstance(entry.event, TurnEnded) for entry in recording.entries)
        await journal.close()
        return ended

    return asyncio.run(count())


def finish(folder: Path, *options: str) -> str:
    """Run it to its end, verifying; what it prints."""
    with started(folder, "--verify", *options) as process:
        out, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, out + err
    assert "200 dialogues, 3,588 texts, equal to the input" in out
    return out


def found_sessions(out: str) -> int:
    found = re.search(r"(\d+) new, (\d+) found", out)
    assert found
    return int(found[2])


def test_a_load_killed_twice_is_resumed_with_nothing_missing_and_nothing_doubled(
    tmp_path: Path,
) -> None:
    """P21: what was acknowledged survives `kill -9`."""
    kept = 0
    for options in (["--rate", "800"], ["--rate", "800", "--capacity", "20"]):
        with started(tmp_path, *options) as process:
            ended = turns_at_first_line(process)
            process.kill()
            assert process.wait(GUARD_S) == -signal.SIGKILL
        before, kept = kept, turns_kept(tmp_path / "greenroom.db")
        assert before + ended <= kept < 1794
        assert kept > before or ended == 0

    out = finish(tmp_path, "--capacity", "50")

    assert 0 < found_sessions(out) <= 200
    assert turns_kept(tmp_path / "greenroom.db") == 1794


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_load_stops_in_order_and_is_resumed(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with started(tmp_path, "--rate", "800", "--verify", "--report", "out.json") as process:
        ended = turns_at_first_line(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=GUARD_S)

    assert (code, True) == (process.returncode, "interrupted" in out), out + err
    assert "verified" not in out
    assert "Traceback" not in err
    assert '"interrupted": true' in (tmp_path / "out.json").read_text()
    assert ended <= turns_kept(tmp_path / "greenroom.db") < 1794
    assert found_sessions(finish(tmp_path)) > 0
