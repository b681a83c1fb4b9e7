"""`greenroom export`: what it writes, where, and how it exits."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import structlog
from conformance.damage_kit import change_event, runtime_on
from theatre import play

from greenroom.adapters import cli

Output = pytest.CaptureFixture[bytes]

HOOK = """
def redact(text, where):
    return text.replace("Zoë", "[name]") if where.endswith("content") else text

def fail(text, where):
    raise ValueError("no")

other = 3
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A journal where the command looks for one: a and b of Zoë, c of bob, who has opted out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = structlog.get_config()

    async def fill() -> None:
        async with runtime_on(tmp_path / "greenroom.db") as runtime:
            for name, owner in (("a", "Zoë"), ("b", "Zoë"), ("c", "bob")):
                session = await runtime.create(user=owner, id=name)
                await (await session.send(owner, f"I am Zoë in {name}")).result()
            await session.set_export("bob", False)

    play(fill)
    (tmp_path / "hooks_of_export_test.py").write_text(HOOK, encoding="utf-8")
    yield tmp_path / "greenroom.db"
    sys.modules.pop("hooks_of_export_test", None)
    structlog.configure(**before)


def test_an_export_goes_to_standard_output_and_all_else_to_standard_error(
    capfdbinary: Output,
) -> None:
    assert cli.run(["export"]) == 0

    out, err = capfdbinary.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["session_id"] for record in records] == ["a", "b"]
    told = err.decode().splitlines()
    assert told[-2] == f"export: 3 of 3 sessions, 2 records, {len(out):,} bytes"
    size = f"2 records, {len(out):,} bytes"
    assert told[-1] == f"export: 2 sessions exported as {size}; 1 opted out, 0 failed"


def test_an_export_of_some_to_a_file(capfdbinary: Output, tmp_path: Path) -> None:
    tokens = ["--layout", "chat", "--format", "json", "--output", "out.json", "b", "c"]
    assert cli.run(["export", *tokens]) == 0
    assert capfdbinary.readouterr().out == b""
    (record,) = json.loads((tmp_path / "out.json").read_bytes())
    assert record["messages"][0] == {"role": "user", "content": "I am Zoë in b"}

    assert cli.run(["export", "--owner", "bob", "--output", "out.json", "--format", "json"]) == 0
    assert (tmp_path / "out.json").read_bytes() == b"[]\n"

    assert cli.run(["export", "--format", "parquet", "--layout", "rlhf"]) == 0
    table = pq.read_table(io.BytesIO(capfdbinary.readouterr().out))
    assert table.column("session_id").to_pylist() == ["a", "b"]

    assert cli.run(["export", "--layout", "preferences"]) == 0
    assert capfdbinary.readouterr().out == b""


def test_a_hook_of_a_module_in_the_folder_redacts(capfdbinary: Output) -> None:
    assert cli.run(["export", "--redact", "hooks_of_export_test:redact"]) == 0

    out, _ = capfdbinary.readouterr()
    assert out.count(b"[name] in a") == 2  # said, and answered
    assert "Zoë".encode() not in out


def test_what_fails_is_named_and_the_others_are_exported(path: Path, capfdbinary: Output) -> None:
    change_event(path, "a", 2, lambda _: b"\xc1", summed=False)

    assert cli.run(["export", "a", "b", "nobody"]) == 1

    out, err = capfdbinary.readouterr()
    assert [json.loads(line)["session_id"] for line in out.splitlines()] == ["b"]
    *_, damaged, missing, last = err.decode().splitlines()
    assert damaged.startswith("export: session a cannot be read at revision 2")
    assert missing == "export: there is no session nobody"
    assert last.endswith("; 0 opted out, 2 failed")

    assert cli.run(["export", "--redact", "hooks_of_export_test:fail"]) == 1
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert b"session b cannot be exported: session_id: redaction failed: ValueError: no" in err


@pytest.mark.parametrize(
    ("tokens", "code", "words"),
    [
        (["--journal", "sqlite:///no.db"], 1, "no.db cannot be used"),
        (["--journal", "memory:"], 2, "mode"),
        (["--layout", "xml"], 2, "xml"),
        (["--format", "xml"], 2, "xml"),
        (["a", "--owner", "bob"], 1, "owner"),
        (["../a"], 1, "session id"),
        (["--output", "no/out"], 1, "No such file or directory"),
        (["--output", "."], 1, "output"),
        (["--redact", "hooks_of_export_test"], 2, "MODULE:FUNCTION"),
        (["--redact", "hooks_of_export_test:nobody"], 2, "MODULE:FUNCTION"),
        (["--redact", "hooks_of_export_test:other"], 2, "MODULE:FUNCTION"),
        (["--redact", "no_such_module:redact"], 2, "MODULE:FUNCTION"),
        (["--redact", ""], 2, "MODULE:FUNCTION"),
    ],
)
def test_what_cannot_be_done_is_one_line_on_standard_error(
    tokens: list[str], code: int, words: str, capfdbinary: Output
) -> None:
    assert cli.run(["export", *tokens]) == code

    out, err = capfdbinary.readouterr()
    assert out == b""
    (line,) = err.decode().splitlines()
    assert line.startswith("greenroom: ")
    assert words in line
