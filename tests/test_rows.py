"""Every row of the specification has a test that proves it (`rows.toml`)."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

ROWS = {
    "rooms": [f"R{n:02}" for n in range(1, 38)] + [f"RX{n}" for n in range(1, 27)],
    "replay": [f"L{n:02}" for n in range(1, 20)] + [f"LX{n}" for n in range(1, 15)],
    "voice": [f"V{n:02}" for n in range(1, 36)] + [f"VX{n}" for n in range(1, 20)],
    "agents": [f"A{n:02}" for n in range(1, 24)] + [f"AX{n}" for n in range(1, 20)],
    "records": [f"S{n:02}" for n in range(1, 29)] + [f"SX{n}" for n in range(1, 28)],
}
"""Behaviours and, with an X, known failures: of rooms, of live replay, of pipelines with voice and
visual input, of agent sessions, of what is kept of them."""


def table(section: str) -> dict[str, list[str]]:
    with (TESTS / "rows.toml").open("rb") as file:
        rows: dict[str, list[str]] = tomllib.load(file).get(section, {})
    return rows


@cache
def names_in(file: str) -> frozenset[str]:
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    found = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return frozenset(node.name for node in found if node.name.startswith("test_"))


@pytest.mark.parametrize("section", ROWS)
def test_every_row_has_a_test_and_no_other_row_is_listed(section: str) -> None:
    listed = table(section)

    assert list(listed) == ROWS[section]
    assert [row for row, tests in listed.items() if not tests] == []


@pytest.mark.parametrize("section", ROWS)
def test_every_test_that_is_named_exists(section: str) -> None:
    named = {test for tests in table(section).values() for test in tests}

    missing = [test for test in named if test.split("::")[1] not in names_in(test.split("::")[0])]

    assert missing == []
