"""The command `greenroom`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from ..actors.errors import ConfigError, GreenroomError
from .telemetry.logs import configure_structlog

OK, FAILED, USAGE = 0, 1, 2

HINTS: Final = {"unauthenticated": ": --token, GREENROOM_TOKEN, or in the dev mode --user"}
"""What a command can do about an error that knows nothing of command lines."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 fine, 1 failed or did not match, 2 misused.

    An interrupted load exits with 128 and the number of the signal.
    """
    sys.exit(run(sys.argv[1:] if tokens is None else tokens))


def run(tokens: Sequence[str]) -> int:
    """Run one command and return its exit code. What goes wrong is one line on standard error."""
    if find_spec("cyclopts") is None or find_spec("rich") is None:
        return _fail("the command line needs more packages: pip install 'greenroom[cli]'", USAGE)
    configure_structlog()  # warnings and what is worse, on standard error
    from .commands.app import Misused, call

    try:
        return call(tokens)
    except (Misused, ConfigError) as error:
        return _fail(str(error), USAGE)
    except GreenroomError as error:
        return _fail(f"{error}{HINTS.get(error.code, '')}", FAILED)
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}", FAILED)
    except KeyboardInterrupt:
        return 130


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"greenroom: {' '.join(text.split())}\n")
    return code
