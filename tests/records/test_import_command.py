"""`greenroom import`: what it prints, where, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from conformance.sqlite_kit import line_of, process
from records.source_files import archived, exported, full, write
from records.test_single_owner import OWNER
from theatre import play

from greenroom.actors.session.record_reading import read_session
from greenroom.actors.session.record_wire import session_wire
from greenroom.adapters import cli
from greenroom.adapters.journals.sqlite import SqliteJournal

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of sessions where the command is called."""
    monkeypatch.chdir(tmp_path)
    before = structlog.get_config()
    root = tmp_path / "sessions"
    write(root / "3f2504e04f89.json", full())
    write(root / "archive" / "session_a1b2c3d4e5f6_2023-11-05.json", archived())
    yield root
    structlog.configure(**before)


def kept(session: str) -> Any:
    async def scene() -> Any:
        journal = SqliteJournal("greenroom.db", read_only=True)
        await journal.open()
        try:
            return await exported(journal, session)
        finally:
            await journal.close()

    return play(scene)


def test_sessions_are_imported_and_then_are_there_already(source: Path, capsys: Output) -> None:
    assert cli.run(["import", "sessions", "--owner", "ann"]) == 0
    imported = "1 files: 1 imported (4 messages, 4 interactions)\n"
    assert capsys.readouterr().out == imported
    assert kept("3f2504e04f89") == session_wire(read_session(full()))

    assert cli.run(["import", "sessions", "--archive", "--owner", "ann"]) == 0
    already = "2 files: 1 imported (4 messages, 4 interactions), 1 were there already\n"
    assert capsys.readouterr().out == already


def test_sx3_what_is_broken_is_a_line_each_and_a_failure(source: Path, capsys: Output) -> None:
    (source / "cut.json").write_bytes(b"{")
    (source / "bad\nname.json").write_bytes(b"[]")
    before = (source / "cut.json").stat()

    assert cli.run(["import", "sessions", "--owner", "ann"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sessions/bad\\nname.json: session is 'list', but must be an object"
    assert lines[1].startswith("sessions/cut.json: file is ")
    assert lines[2:] == ["3 files: 1 imported (4 messages, 4 interactions), 2 not"]
    assert (source / "cut.json").stat().st_mtime_ns == before.st_mtime_ns
    assert (source / "cut.json").read_bytes() == b"{"


def test_as_json_every_line_is_an_object(source: Path, capsys: Output) -> None:
    (source / "cut.json").write_bytes(b"{")

    assert cli.run(["import", "sessions", "sessions/archive", "--owner", "ann", "--json"]) == 1

    broken, done = map(json.loads, capsys.readouterr().out.splitlines())
    assert (broken["path"], broken["field"], broken["code"]) == (
        *("sessions/cut.json", "file", "invalid"),
    )
    assert (done["files"], done["imported"], done["broken"]) == (3, 2, 1)


def test_files_that_are_named_are_imported_also_through_a_link(
    source: Path, capsys: Output
) -> None:
    Path("link.json").symlink_to(source / "3f2504e04f89.json")

    assert cli.run(["import", "link.json", "nowhere.json", "--owner", "ann"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nowhere.json: No such file or directory"
    assert lines[1].startswith("2 files: 1 imported ")


def test_a_dry_run_writes_nothing_and_makes_no_journal(source: Path, capsys: Output) -> None:
    tokens = ["import", "sessions", "--owner", "ann", "--dry-run"]

    assert cli.run(tokens) == 0
    assert capsys.readouterr().out == ("1 files: 1 to be imported (4 messages, 4 interactions)\n")
    assert list(Path().glob("greenroom.db*")) == []

    cli.run(tokens[:-1])
    before = Path("greenroom.db").read_bytes()
    assert cli.run(tokens) == 0
    assert "1 were there already" in capsys.readouterr().out
    assert Path("greenroom.db").read_bytes() == before


def test_sx23_a_journal_that_somebody_owns_is_told_with_its_owner(
    tmp_path: Path, capsys: Output
) -> None:
    tokens = ["import", "sessions", "--owner", "ann"]
    with process(OWNER, tmp_path / "greenroom.db") as owner:
        line_of(owner)

        assert cli.run(tokens) == 1
        assert f"is in use by process {owner.pid}, started " in capsys.readouterr().err
        assert cli.run([*tokens, "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("tokens", "code"),
    [(["--owner", "ann"], 2), (["sessions"], 2), (["sessions", "--owner", ""], 1)],
)
def test_a_command_that_makes_no_sense_is_told_so(
    tokens: list[str], code: int, capsys: Output
) -> None:
    assert cli.run(["import", *tokens]) == code
    assert capsys.readouterr().err.startswith("greenroom: ")
    assert not Path("greenroom.db").exists() or code == 1


def test_progress_is_told_now_and_then(
    source: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.adapters.commands.imports.EVERY", 2)
    for number in range(4):
        write(source / f"n{number}.json", {"session_id": f"n{number}"})

    cli.run(["import", "sessions", "--owner", "ann"])

    assert capsys.readouterr().err == ("import: 2 of 5 files\nimport: 4 of 5 files\n")
