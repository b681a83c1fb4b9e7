"""Logs of a server: one line each, on standard error, without credentials."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TypeAlias

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import Processor

from .redaction import redact_event

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Format: TypeAlias = Literal["json", "text"]

_FIRST: Final = ("timestamp", "level", "event")

_encode: Final = msgspec.json.Encoder(enc_hook=repr).encode


_FACTS: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


class _Handler(logging.StreamHandler[Any]):
    """Of the standard library's loggers; there is one, however often logging is configured."""


def configure_logs(level: Level = "warning", format: Format = "text") -> None:  # noqa: A002
    """Log what is of `level` or worse on standard error, in JSON or as `key=value`.

    It configures structlog and the standard library's root logger for the whole process, so that
    what other libraries log looks the same: for programs of one's own, never called by a library.
    Each line has a time (UTC, ISO 8601), its level and what is bound in `structlog.contextvars`; of
    an exception the traceback. Credentials are redacted (`redact_event`), in both.
    """
    configure_structlog(level, format)
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*_FACTS, add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *_ends(format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [*(each for each in root.handlers if type(each) is not _Handler), handler]
    root.setLevel(level.upper())


def configure_structlog(level: Level = "warning", format: Format = "text") -> None:  # noqa: A002
    """Do so for structlog alone."""
    least: int = getattr(logging, level.upper())
    structlog.configure(
        processors=[*_FACTS, *_ends(format)],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        # Looked up at each call: a live display puts itself in the place of sys.stderr.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def configure_json_logs(level: Level = "info") -> None:
    """`configure_logs`, in JSON."""
    configure_logs(level, "json")


def _ends(format: Format) -> list[Processor]:  # noqa: A002
    render = _render_json if format == "json" else _render_text
    return [structlog.processors.format_exc_info, redact_event, render]


def _render_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    line = {key: event[key] for key in _FIRST if key in event} | {**event}
    try:
        return _encode(line).decode()
    except Exception:  # half a surrogate, a number of more than 64 bits: nothing may not be logged
        return json.dumps(line, default=repr, separators=(",", ":"))


_render_text: Final = structlog.processors.KeyValueRenderer(key_order=[*_FIRST])
