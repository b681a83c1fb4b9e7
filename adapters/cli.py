"""The command `greenroom`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import structlog

from ..actors.errors import ConfigError, GreenroomError
from .telemetry.redaction import redact_event

OK, FAILED, USAGE = 0, 1, 2


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 fine, 1 failed or did not match, 2 misused.

    An interrupted load exits with 128 and the number of the signal.
    """
    sys.exit(run(sys.argv[1:] if tokens is None else tokens))


def run(tokens: Sequence[str]) -> int:
    """Run one command and return its exit code. What goes wrong is one line on standard error."""
    if find_spec("cyclopts") is None or find_spec("rich") is None:
        return _fail("the command line needs more packages: pip install 'greenroom[cli]'", USAGE)
    configure_logging()
    from .commands.app import Misused, call

    try:
        return call(tokens)
    except (Misused, ConfigError) as error:
        return _fail(str(error), USAGE)
    except GreenroomError as error:
        return _fail(str(error), FAILED)
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}", FAILED)
    except KeyboardInterrupt:
        return 130


def configure_logging() -> None:
    """Log warnings and what is worse, on standard error. Only the command line does this."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            redact_event,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        # Looked up at each call: a live display puts itself in the place of sys.stderr.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"greenroom: {' '.join(text.split())}\n")
    return code
