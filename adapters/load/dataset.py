"""Recorded dialogues, as a file of JSON lines holds them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Literal

import msgspec

from ...actors.errors import GreenroomError
from ...actors.session import values

SPEAKERS: Final = ("user", "system")


class DatasetError(GreenroomError):
    """The file holds something other than dialogues. `line` counts from 1; None: no line was read.

    The text is one line, beginning with file and line number.
    """

    code = "dataset"

    def __init__(self, path: str | Path, line: int | None, why: str) -> None:
        self.path, self.line, self.why = str(path), line, " ".join(why.split())
        place = self.path if line is None else f"{self.path}: line {line}"
        super().__init__(f"{place}: {self.why}")


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service that the recorded assistant called, and how many results it got."""

    service: str
    method: str
    parameters: dict[str, Any]
    results: int

    def __post_init__(self) -> None:
        values.plain(self.parameters, "parameters")

    @property
    def name(self) -> str:
        """The tool's name in a transcript."""
        return f"{self.service}.{self.method}"


class Utterance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one side said at a time. The system calls before it speaks; a user calls nothing."""

    speaker: Literal["user", "system"]
    text: str
    calls: tuple[Call, ...] = ()

    def __post_init__(self) -> None:
        if not values.text(self.text, "text"):
            raise ValueError("text is empty")
        if self.calls and self.speaker == "user":
            raise ValueError("a user's turn has calls")


class Dialogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation: a user and the system in turn, the user first, the system last."""

    dialogue_id: str
    services: tuple[str, ...]
    turns: tuple[Utterance, ...]

    def __post_init__(self) -> None:
        values.session_id(self.dialogue_id)
        for number, turn in enumerate(self.turns):
            if turn.speaker != SPEAKERS[number % 2]:
                raise ValueError(f"turn {number + 1} is not the {SPEAKERS[number % 2]}'s")
        if not self.turns or len(self.turns) % 2:
            raise ValueError("the dialogue does not end with the system's turn")

    @property
    def exchanges(self) -> int:
        """How often the user speaks, and is answered."""
        return len(self.turns) // 2

    def input(self, place: int) -> str:
        """What the user says in exchange `place`, from 0."""
        return self.turns[2 * place].text

    def answer(self, place: int) -> Utterance:
        """What the system calls and says in exchange `place`, from 0."""
        return self.turns[2 * place + 1]


def read_dialogues(path: str | Path, *, limit: int | None = None) -> list[Dialogue]:
    """The first `limit` dialogues of a `.jsonl` or `.jsonl.gz` file, in order; blank lines aside.

    Raises:
        DatasetError: the file is missing, damaged, cut off, not UTF-8, holds something else than
            dialogues, one of them twice, or none at all.
    """
    dialogues: list[Dialogue] = []
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        if len(dialogues) == limit:
            break
        dialogue = _decode(path, number, line)
        first = lines.setdefault(dialogue.dialogue_id, number)
        if first != number:
            why = f"dialogue {dialogue.dialogue_id} is on line {first} already"
            raise DatasetError(path, number, why)
        dialogues.append(dialogue)
    if not dialogues:
        raise DatasetError(path, None, "it holds no dialogue")
    return dialogues


def _lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, each with its number."""
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                if not line.isspace():
                    yield number, line
    except EOFError:
        raise DatasetError(path, number + 1, "the compressed file is cut off here") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(path, number + 1, f"the compressed file is damaged: {error}") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise DatasetError(path, number + 1 if number else None, why) from None


def _open(path: str | Path) -> gzip.GzipFile | IO[bytes]:
    return gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")


_decode_json: Final = msgspec.json.Decoder(Dialogue).decode


def _decode(path: str | Path, number: int, line: bytes) -> Dialogue:
    try:
        return _decode_json(line.decode())
    except UnicodeDecodeError as error:
        why = f"byte {error.start + 1} is not UTF-8"
        raise DatasetError(path, number, why) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise DatasetError(path, number, str(error)) from None
