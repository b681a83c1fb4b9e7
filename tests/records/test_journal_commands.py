"""`greenroom journal`: what it prints, where, and how it exits."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from conformance.damage_kit import checked, drop_snapshots, execute, fill
from conformance.journal_kit import GUARD_S
from conformance.retention_kit import trim
from conformance.sqlite_kit import line_of, process
from records.test_single_owner import OWNER
from theatre import play

from greenroom.adapters import cli
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_formats import FORMAT

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A journal where the commands look for one."""
    monkeypatch.chdir(tmp_path)
    before = structlog.get_config()
    play(lambda: fill(tmp_path / "greenroom.db"))
    yield tmp_path / "greenroom.db"
    structlog.configure(**before)


def test_a_check_of_a_whole_journal_is_fine(capsys: Output) -> None:
    assert cli.run(["journal", "check"]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("3 sessions, ")
    assert out.endswith(" bytes read: nothing is damaged\n")
    assert err.splitlines()[-1].startswith("check: 3 of 3 sessions, ")


def test_a_check_names_what_is_damaged_and_fails(path: Path, capsys: Output) -> None:
    execute(path, "UPDATE events SET body = x'c1' WHERE session = 2 AND revision = 4")
    execute(path, "UPDATE sessions SET owner = 'eve' WHERE id = 'c'")

    assert cli.run(["journal", "check"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "session b at revision 4: its bytes are not those written"
    assert lines[1].startswith("session c at revision ")
    assert lines[2].endswith("2 damaged")
    assert len(lines) == 3


def test_a_check_of_one_session_and_as_json(path: Path, capsys: Output) -> None:
    execute(path, "UPDATE events SET body = x'c1' WHERE session = 2 AND revision = 4")

    assert cli.run(["journal", "check", "a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sessions"] == 1

    assert cli.run(["journal", "check", "a", "b", "--json"]) == 1
    damage, counted = map(json.loads, capsys.readouterr().out.splitlines())
    assert (damage["session"], damage["revision"]) == ("b", 4)
    assert (counted["sessions"], counted["damaged"]) == (2, 1)


def test_a_check_changes_nothing(path: Path) -> None:
    execute(path, "UPDATE events SET body = x'c1' WHERE session = 2 AND revision = 4")
    before = path.read_bytes()

    cli.run(["journal", "check"])
    cli.run(["journal", "stats"])

    assert path.read_bytes() == before


def test_stats_say_what_there_is(path: Path, capsys: Output) -> None:
    execute(path, "UPDATE sessions SET deleted_ms = 1 WHERE id = 'c'")

    assert cli.run(["journal", "stats"]) == 0
    shown = capsys.readouterr().out
    assert cli.run(["journal", "stats", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)

    assert "2 (2 active, 1 deleted)" in shown
    assert "owner      none" in shown
    assert (counted["states"], counted["deleted"], counted["format"]) == ({"active": 2}, 1, FORMAT)
    assert counted["file_bytes"] == path.stat().st_size
    parts = ("event_bytes", "snapshot_bytes", "index_bytes", "free_bytes", "base_bytes")
    assert sum(counted[part] for part in parts) == counted["file_bytes"]
    assert min(counted[part] for part in parts[:3]) > 0
    assert {size["session"] for size in counted["largest"]} == {"a", "b", "c"}
    sizes = [size["bytes"] for size in counted["largest"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == counted["event_bytes"]
    assert sum(size["events"] for size in counted["largest"]) == counted["events"]


async def _retain(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await trim(journal, "a", 5)
    await journal.delete("b", epoch=(await journal.claim("b")).epoch)
    assert await journal.erase(2**62, limit=1_000) > 0
    await journal.delete("c", epoch=(await journal.claim("c")).epoch)
    await journal.note("retention", "ended sessions for 7 days")
    await journal.close()


def test_stats_say_what_is_deleted_erased_and_trimmed_and_what_rules_it(
    path: Path, capsys: Output
) -> None:
    assert cli.run(["journal", "stats"]) == 0
    assert "retention  ended_retention_s 604800, session_max_age_s inf" in capsys.readouterr().out
    asyncio.run(_retain(path))

    assert cli.run(["journal", "stats"]) == 0
    shown = capsys.readouterr().out
    assert cli.run(["journal", "stats", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)

    assert "1 (1 active, 1 deleted, 1 erased)" in shown
    assert "5 events of 1 sessions" in shown
    assert "retention  ended sessions for 7 days" in shown
    told = [counted[name] for name in ("deleted", "erased", "trimmed", "dropped")]
    assert told == [1, 1, 1, 5]
    assert counted["base_bytes"] > 0
    assert 0 < counted["deleted_bytes"] < counted["event_bytes"] + counted["snapshot_bytes"]
    assert counted["notes"] == {"retention": "ended sessions for 7 days"}


def test_stats_of_a_journal_without_sessions(path: Path, capsys: Output) -> None:
    execute(path, "DELETE FROM sessions")
    execute(path, "DELETE FROM events")
    drop_snapshots(path)

    assert cli.run(["journal", "stats"]) == 0
    assert "0 (none)" in capsys.readouterr().out


def test_a_backup_beside_its_owner_is_whole_and_taken_once(tmp_path: Path, capsys: Output) -> None:
    owned = f"sqlite:///{tmp_path / 'owned.db'}"
    with process(OWNER, tmp_path / "owned.db") as owner:
        acknowledged = int(line_of(owner))
        assert cli.run(["journal", "stats", "--journal", owned]) == 0
        assert f"process {owner.pid}, since 20" in capsys.readouterr().out
        assert cli.run(["journal", "backup", "copy.db", "--journal", owned]) == 0
        assert cli.run(["journal", "check", "--journal", owned]) == 0
        assert owner.poll() is None
        owner.kill()
        owner.wait(GUARD_S)
    assert "bytes copied to copy.db" in capsys.readouterr().out

    assert cli.run(["journal", "check", "--journal", "sqlite:///copy.db"]) == 0
    found, counted = asyncio.run(checked(tmp_path / "copy.db"))
    assert found == []
    assert counted.events > acknowledged
    capsys.readouterr()

    assert cli.run(["journal", "backup", "copy.db"]) == 1
    assert (
        capsys.readouterr().err
    ) == "greenroom: target is 'copy.db', but must be a file that is not there yet\n"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".partial")]


@pytest.mark.parametrize(
    ("tokens", "code", "words"),
    [
        (["check", "nobody"], 1, "there is no session nobody"),
        (["check", "--journal", "sqlite:///no.db"], 1, "no.db cannot be used"),
        (["check", "--journal", "memory:"], 2, "mode"),
        (["stats", "--journal", "sqlite:///no.db"], 1, "no.db cannot be used"),
        (["backup", "no/copy.db"], 1, "No such file or directory"),
        (["backup"], 2, "TARGET"),
    ],
)
def test_what_fails_is_one_line_on_standard_error(
    tokens: list[str], code: int, words: str, capsys: Output
) -> None:
    assert cli.run(["journal", *tokens]) == code

    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("greenroom: ")
    assert words in line
