"""Processes that are measured in turns: each one builds something, and then waits to be asked.

What is measured in one process is not in the way of the others, and as all of them are ready when
the first one is asked, their rounds can be interleaved.
"""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self


class Child:
    """This program once more, with `arguments`; it prints one number for each line that it reads.

    It prints one as well when it is ready: `ready` waits for that, and returns it. A line is what
    it is asked for, if there is more than one thing.
    """

    def __init__(self, program: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> float:
        return self._number()

    def ask(self, what: str = "go") -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._number()

    def _number(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a measuring process failed: {self._process.wait()}")
        return float(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
