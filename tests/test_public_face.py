"""What `import greenroom` offers, and what it leaves for those who ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

import greenroom

LEFT_ALONE = [
    "greenroom.adapters.archive",
    "greenroom.adapters.commands",
    "greenroom.adapters.export",
    "greenroom.adapters.imports",
    "greenroom.adapters.journals",
    "greenroom.adapters.load",
    "greenroom.adapters.testing",
    "hmac",
    "importlib.metadata",
    "sqlite3",
    "tomllib",
    "zoneinfo",
]
"""They took a third of the time of the import, 27 ms of 76."""


@pytest.mark.parametrize("name", greenroom.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(greenroom, name).__doc__
    assert name in dir(greenroom)


def test_a_star_brings_every_name() -> None:
    namespace: dict[str, object] = {}

    exec("from greenroom import *", namespace)

    assert set(greenroom.__all__) == namespace.keys() - {"__builtins__"}


def test_what_comes_on_demand_is_a_part_of_the_face() -> None:
    assert set(greenroom._ON_DEMAND) <= set(greenroom.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'greenroom' has no attribute 'Sesion'"):
        greenroom.Sesion  # noqa: B018


def test_the_import_is_of_what_hosts_sessions() -> None:
    """Of a process of its own: the tests' has imported all of it."""
    program = """
import sys, pykka, msgspec, structlog
before = set(sys.modules)
import greenroom
print(*(sys.modules.keys() - before))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert set(done.stdout.decode().split()).isdisjoint(LEFT_ALONE)
