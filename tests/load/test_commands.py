"""The command line: what it prints, where, and how it exits."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from recorded import COMMAND, SAMPLE, dialogue, environment

import greenroom
from greenroom.adapters import cli
from greenroom.adapters.load.dataset import read_dialogues


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder of its own; the command's logging ends with the test."""
    monkeypatch.chdir(tmp_path)
    before = structlog.get_config()
    yield tmp_path
    structlog.configure(**before)


Output = pytest.CaptureFixture[str]


def one_line(text: str) -> str:
    """The only line of `text`, which is from greenroom."""
    (line,) = text.splitlines()
    assert line.startswith("greenroom: ")
    return line.removeprefix("greenroom: ")


def load(*options: str, file: Path = SAMPLE, limit: int = 20) -> int:
    return cli.run(["load", str(file), "--limit", str(limit), *options])


def test_a_sample_is_loaded_verified_and_reported(folder: Path, capsys: Output) -> None:
    assert load("--verify", "--report", "out.json") == 0

    out, err = capsys.readouterr()
    figures = json.loads((folder / "out.json").read_bytes())
    assert (figures["sessions"], figures["created"], figures["errors"]) == (20, 20, 0)
    assert figures["turns"] == figures["heard"] == figures["turn_statuses"]["completed"]
    assert figures["verdict"]["mismatches"] == []
    assert figures["journal_bytes"] > 10_000
    assert "sessions       20 (20 new, 0 found)" in out
    assert f"20 dialogues, {2 * figures['turns']} texts, equal to the input" in out
    assert all(line.startswith("load: ") for line in err.splitlines())
    assert "20 of 20 dialogues" in err
    assert (folder / "greenroom.db").exists()


def test_a_second_load_finds_the_sessions(capsys: Output) -> None:
    load("--capacity", "3")
    capsys.readouterr()

    assert load("--verify", "--users", "3", "--sessions", "5", "--idle", "60") == 0

    out = capsys.readouterr().out
    assert "20 (0 new, 20 found)" in out
    assert "turns          0 " in out
    assert "equal to the input" in out


def test_a_journal_in_memory_can_be_verified(capsys: Output) -> None:
    assert load("--verify", "--journal", "memory:") == 0
    assert "equal to the input" in capsys.readouterr().out


def test_options_of_the_journal_are_kept_when_verifying(capsys: Output) -> None:
    assert load("--verify", "--journal", "sqlite:///j.db?durability=process") == 0
    assert "equal to the input" in capsys.readouterr().out


def test_a_mismatch_is_told_and_fails(folder: Path, capsys: Output) -> None:
    load()
    lines = gzip.decompress(SAMPLE.read_bytes()).splitlines(keepends=True)[:20]
    lines[3] = lines[3].replace(b'"speaker":"system","text":"', b'"speaker":"system","text":"Not ')
    (folder / "changed.jsonl").write_bytes(b"".join(lines))
    capsys.readouterr()

    assert load("--verify", file=folder / "changed.jsonl") == 1

    out = capsys.readouterr().out
    assert "1 of 20 dialogues differ" in out
    assert f"differs: {json.loads(lines[3])['dialogue_id']} in exchange 1 line 2 is " in out


def test_errors_are_told_and_fail(capsys: Output) -> None:
    load()
    first = read_dialogues(SAMPLE, limit=1)[0]
    other = msgspec.structs.replace(dialogue(1), dialogue_id=first.dialogue_id)
    Path("other.jsonl").write_bytes(msgspec.json.encode(other))
    capsys.readouterr()

    assert load(file=Path("other.jsonl")) == 1
    assert "message 1 differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["load", "no.jsonl"], "no.jsonl: No such file or directory"),
        (["load", str(SAMPLE), "--journal", "sqlite:////no/such/folder/j.db"], "/no/such/folder"),
        (["sessions", "ls"], "greenroom.db cannot be used: there is no such file"),
        (["sessions", "show", "s", "--journal", "sqlite:///no.db"], "no.db"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_what_fails_is_one_line_on_standard_error(
    tokens: list[str], words: str, capsys: Output
) -> None:
    assert cli.run(tokens) == 1

    out, err = capsys.readouterr()
    assert words in one_line(err)
    assert out == ""


@pytest.mark.parametrize(
    "tokens",
    [
        ["nonsense"],
        ["load"],
        ["load", "a", "b"],
        ["load", "a", "--nonsense"],
        ["load", "a", "--sessions", "0"],
        ["load", "a", "--sessions", "many"],
        ["load", "a", "--rate", "-1"],
        ["load", "a", "--capacity", "0"],
        ["load", "a", "--idle", "0"],
        ["load", "a", "--limit", "0"],
        ["load", "a", "--report", "no/such/folder/out.json"],
        ["load", str(SAMPLE), "--journal", "nonsense"],
        ["load", str(SAMPLE), "--journal", "pigeon:///loft"],
        ["sessions", "ls", "--limit", "0"],
        ["sessions", "ls", "--journal", "memory:"],
        ["sessions", "show"],
    ],
    ids=" ".join,
)
def test_misuse_is_one_line_and_exit_code_2(tokens: list[str], capsys: Output) -> None:
    assert cli.run(tokens) == 2
    assert one_line(capsys.readouterr().err)


def test_a_damaged_file_is_one_line_with_its_number(capsys: Output) -> None:
    Path("d.jsonl.gz").write_bytes(SAMPLE.read_bytes()[:5000])

    assert cli.run(["load", "d.jsonl.gz"]) == 1
    assert one_line(capsys.readouterr().err).startswith("d.jsonl.gz: line ")


def test_help_and_version_go_to_standard_output(capsys: Output) -> None:
    for tokens in ([], ["--help"], ["load", "--help"], ["sessions"], ["--version"]):
        assert cli.run(tokens) == 0
        out, err = capsys.readouterr()
        assert "greenroom" in out
        assert err == ""
    assert f"greenroom {greenroom.__version__}\n" == out


def test_missing_packages_are_told(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _: None)

    assert cli.run(["--version"]) == 2
    assert one_line(capsys.readouterr().err).endswith("pip install 'greenroom[cli]'")


def test_sessions_are_listed_most_recent_first(capsys: Output) -> None:
    load("--sessions", "1", "--users", "4")
    capsys.readouterr()

    assert cli.run(["sessions", "ls"]) == 0
    everything = capsys.readouterr().out.splitlines()
    assert cli.run(["sessions", "ls", "--owner", "user-3", "--limit", "2"]) == 0
    few = capsys.readouterr().out.splitlines()

    head = "ID OWNER STATE TURNS MESSAGES UPDATED LANG NAME TITLE"
    assert everything[0].split() == head.split()
    assert len(everything) == 21
    updated = [line.split()[5] for line in everything[1:]]
    assert sorted(updated, reverse=True) == updated
    assert [line.split()[1] for line in few[1:]] == ["user-3", "user-3"]


def test_listing_goes_on_past_one_page(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    load()
    capsys.readouterr()
    monkeypatch.setattr("greenroom.adapters.commands.sessions.PAGE", 3)

    cli.run(["sessions", "ls", "--limit", "17"])

    lines = capsys.readouterr().out.splitlines()
    assert 18 == len({line.split()[0] for line in lines}) == len(lines)


def test_a_session_is_shown_with_its_transcript_or_its_events(capsys: Output) -> None:
    shown = read_dialogues(SAMPLE, limit=20)
    chosen = next(d for d in shown if any(d.answer(n).calls for n in range(d.exchanges)))
    load("--users", "1")
    capsys.readouterr()

    assert cli.run(["sessions", "show", chosen.dialogue_id]) == 0
    out = capsys.readouterr().out
    assert cli.run(["sessions", "show", chosen.dialogue_id, "--events"]) == 0
    events = capsys.readouterr().out.split("\n\n")[1].splitlines()

    for place in range(chosen.exchanges):
        assert f"\nuser-0: {chosen.input(place)}\n" in out
        assert f"\nassistant: {chosen.answer(place).text}\n" in out
    call = next(c for n in range(chosen.exchanges) for c in chosen.answer(n).calls)
    assert f" {call.name} {{" in out
    assert [str(number) for number in range(1, len(events) + 1)] == [
        line.split()[0] for line in events
    ]
    assert json.loads(events[0].split(" ", 2)[2])["type"] == "message.posted"


def test_a_session_that_is_not_there_is_one_line(capsys: Output) -> None:
    load()
    capsys.readouterr()

    assert cli.run(["sessions", "show", "nobody"]) == 1
    assert one_line(capsys.readouterr().err) == "there is no session nobody"


def test_what_people_said_does_not_drive_the_terminal(capsys: Output) -> None:
    async def say() -> None:
        async with greenroom.Runtime(journal="sqlite:///greenroom.db") as runtime:
            session = await runtime.create("ada", id="s", name="\x1b[2Jname [red]")
            await session.post("ada", "\x1b]0;owned\x07 [bold]brave[/] :smile:\nworld")

    asyncio.run(say())

    assert cli.run(["sessions", "show", "s"]) == 0
    out = capsys.readouterr().out
    assert "ada: \\x1b]0;owned\\x07 [bold]brave[/] :smile:\nworld\n" in out
    cli.run(["sessions", "ls"])
    assert "\\x1b[2Jname [red]" in capsys.readouterr().out


def test_a_journal_is_read_while_its_owner_has_it(capsys: Output) -> None:
    async def own() -> tuple[int, int]:
        async with greenroom.Runtime(journal="sqlite:///greenroom.db") as runtime:
            session = await runtime.create("ada", id="s")
            await session.post("ada", "hello")
            read = await asyncio.to_thread(cli.run, ["sessions", "show", "s"])
            return read, await asyncio.to_thread(load)

    assert asyncio.run(own()) == (0, 1)

    out, err = capsys.readouterr()
    assert "ada: hello\n" in out
    assert "is in use by process" in one_line(err)


def test_the_command_runs_as_a_process(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "load", str(SAMPLE), "--limit", "5", "--verify"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, "5 dialogues" in done.stdout) == (0, True), done.stderr
    refused = subprocess.run(
        [*COMMAND, "load", "no.jsonl"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert one_line(refused.stderr) == "no.jsonl: No such file or directory"
