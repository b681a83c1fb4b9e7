"""A file of dialogues is read whole, or refused in one line that names file and line."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recorded import SAMPLE

import greenroom
from greenroom.adapters.load.dataset import DatasetError, read_dialogues


def turn(speaker: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"speaker": speaker, "text": text, **more}


def line(**changes: Any) -> bytes:
    """A good dialogue, but for the changes."""
    good = {"dialogue_id": "1_0", "services": ["A"], "turns": [turn("user"), turn("system")]}
    return json.dumps(good | changes).encode()


def call(**changes: Any) -> dict[str, Any]:
    good = {"service": "A", "method": "Find", "parameters": {"a": "1"}, "results": 1}
    return good | changes


def refusal(path: Path) -> DatasetError:
    """The error that reading `path` raises, which is one line and names the file."""
    with pytest.raises(DatasetError) as caught:
        read_dialogues(path)
    assert isinstance(caught.value, greenroom.GreenroomError)
    assert caught.value.code == "dataset"
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_sample_is_spread_over_the_services() -> None:
    dialogues = read_dialogues(SAMPLE)

    services = Counter(service for each in dialogues for service in each.services)
    assert 200 == len(dialogues) == len({each.dialogue_id for each in dialogues})
    assert len(services) == 17
    assert min(services.values()) >= 12
    assert any(each.answer(place).calls for each in dialogues for place in range(each.exchanges))


def test_a_plain_file_is_read_like_a_compressed_one(tmp_path: Path) -> None:
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(gzip.decompress(SAMPLE.read_bytes()))

    assert read_dialogues(SAMPLE) == read_dialogues(plain)
    assert read_dialogues(SAMPLE)[:3] == read_dialogues(plain, limit=3)


def test_blank_lines_and_a_missing_last_newline_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\n" + line(dialogue_id="a") + b"\r\n  \n" + line(dialogue_id="b"))

    assert [each.dialogue_id for each in read_dialogues(path)] == ["a", "b"]


def test_what_lies_behind_the_limit_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line() + b"\nnonsense")

    assert len(read_dialogues(path, limit=1)) == 1


BAD_LINES = {
    "no json": b"{",
    "not an object": b"[]",
    "a cut-off line": line()[:-9],
    "not UTF-8": line().replace(b"hello", b"h\xe9llo"),
    "a lone surrogate": line().replace(b"hello", b"\\ud800"),
    "no id": b'{"services": [], "turns": []}',
    "a bad id": line(dialogue_id="../etc/passwd"),
    "an empty id": line(dialogue_id=""),
    "a number as id": line(dialogue_id=7),
    "no turns": line(turns=[]),
    "turns of text": line(turns=["hello"]),
    "one side only": line(turns=[turn("user")]),
    "the system first": line(turns=[turn("system"), turn("user")]),
    "one side twice": line(turns=[turn("user"), turn("user")]),
    "somebody else": line(turns=[turn("user"), turn("cat")]),
    "an empty text": line(turns=[turn("user", ""), turn("system")]),
    "a text beyond all bounds": line(turns=[turn("user", "a" * 300_000), turn("system")]),
    "no text": line(turns=[{"speaker": "user"}, turn("system")]),
    "a user who calls": line(turns=[turn("user", calls=[call()]), turn("system")]),
    "a call without a method": line(turns=[turn("user"), turn("system", calls=[{"service": "A"}])]),
    "results of text": line(turns=[turn("user"), turn("system", calls=[call(results="1")])]),
    "an integer too large": line(
        turns=[turn("user"), turn("system", calls=[call(parameters={"a": 1 << 70})])]
    ),
    "an unknown field": line(slots=[]),
    "an unknown field of a turn": line(turns=[turn("user", frames=[]), turn("system")]),
    "endless nesting": line(turns=[turn("user"), turn("system", calls=[call(results=0)])]).replace(
        b'"1"', b"[" * 100_000 + b"]" * 100_000
    ),
    "a dialogue twice": line(dialogue_id="0_0"),
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_is_named(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line(dialogue_id="0_0") + b"\n\n" + bad + b"\n" + line() + b"\n")

    error = refusal(path)

    assert error.line == 3
    assert "line 3: " in str(error)


def test_a_doubled_dialogue_names_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\n".join([line(), line(dialogue_id="2"), line()]))

    assert f"{path}: line 3: dialogue 1_0 is on line 1 already" == str(refusal(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'no.jsonl'}: No such file or directory" == str(
        refusal(tmp_path / "no.jsonl")
    )
    assert refusal(tmp_path / "no.jsonl.gz").line is None
    assert refusal(tmp_path).line is None


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_dialogues_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.jsonl").write_bytes(content)
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(content))

    assert "holds no dialogue" in str(refusal(tmp_path / "d.jsonl"))
    assert "holds no dialogue" in str(refusal(tmp_path / "d.jsonl.gz"))


def test_a_compressed_file_cut_off_anywhere_names_the_line(tmp_path: Path) -> None:
    whole = SAMPLE.read_bytes()
    path = tmp_path / "d.jsonl.gz"
    lines = []

    for size in [*range(2, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:size])
        error = refusal(path)
        assert error.line is not None
        assert "cut off" in str(error)
        lines.append(error.line)

    assert sorted(lines) == lines
    assert lines[0] == 1
    assert lines[-1] == 201


def test_a_damaged_compressed_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.gz"
    for place in range(20, SAMPLE.stat().st_size, 6007):
        damaged = bytearray(SAMPLE.read_bytes())
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)

        assert refusal(path).line is not None


def test_plain_text_under_a_compressed_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(line())

    assert refusal(path).line == 1


def test_compressed_bytes_under_a_plain_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(SAMPLE.read_bytes())

    assert "line 1: byte 2 is not UTF-8" in str(refusal(path))
