"""The one runtime of a process, for programs that want no more than that."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Final

from ..actors.errors import ConfigError
from ..supervisor.config import Config
from ..supervisor.messages import DrainReport
from .embedded import IN_DIRECTORY, ThreadedRuntime

DIRECTORY: Final = "GREENROOM_SESSIONS_DIR"
"""The variable that names the directory."""

_lock = threading.RLock()
_runtime: DefaultRuntime | None = None


class DefaultRuntime(ThreadedRuntime):
    """What `default_runtime` returns."""

    def close(self, *, budget_s: float | None = None) -> DrainReport:
        """As any runtime. Who asks for the default one meanwhile waits, and is given a new one."""
        global _runtime
        with _lock:
            report = super().close(budget_s=budget_s)
            if _runtime is self:
                _runtime = None
        return report


def default_runtime() -> ThreadedRuntime:
    """The runtime of this process: made by the first call, whichever thread it comes from (S26).

    It keeps its sessions in the directory that `GREENROOM_SESSIONS_DIR` names, or else in
    `./data/sessions`, as `Runtime.in_directory` does, and has no pipeline. Its settings are those
    of the environment (`Config.from_env`): `GREENROOM_MAX_SESSIONS`, `GREENROOM_SESSION_MAX_AGE_S`
    and so on. It is drained when the interpreter exits, or by `close()`: then the next call makes
    a new one. Not to be called on its own loop.

    Raises ConfigError, OSError, JournalUnavailable, JournalLocked and JournalFormat; the next call
    tries again.
    """
    global _runtime
    with _lock:
        if _runtime is None:
            made = DefaultRuntime.in_directory(_directory(os.environ), config=_config(os.environ))
            made.begin()
            _runtime = made
            _close_at_exit()
        return _runtime


def _directory(environ: Mapping[str, str]) -> str:
    directory = environ.get(DIRECTORY, "./data/sessions")
    if not directory:
        raise ConfigError(DIRECTORY, directory, "a directory")
    return directory


def _config(environ: Mapping[str, str]) -> Config:
    """The settings of the environment, and else those of a runtime in a directory."""
    defaults = {f"GREENROOM_{field.upper()}": str(value) for field, value in IN_DIRECTORY.items()}
    return Config.from_env({**defaults, **environ})


@cache
def _close_at_exit() -> None:
    # Not atexit: it comes after concurrent.futures has stopped taking work, without which no
    # journal is closed (CPython, Lib/concurrent/futures/thread.py, _python_exit). This is its way
    # to be called, and as it comes later it is called before.
    threading._register_atexit(_close)  # type: ignore[attr-defined]


def _close() -> None:
    with _lock:
        if _runtime is not None:
            _runtime.close()
