"""`greenroom serve`: host sessions for the network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
from cyclopts import Parameter
from cyclopts.validators import Number

from ...actors.errors import ExtraMissing
from ..embedded import Runtime
from ..export.exporter import export_sessions
from ..pipelines.find import find_pipeline
from ..telemetry.logs import Format, Level, configure_logs
from .journals import DEFAULT, JournalUrl
from .output import console

if TYPE_CHECKING:
    from ..telemetry.tracing import Tracing

log = structlog.get_logger()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and what is served."""

    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Parameter(help="Port to listen on; 0: a free one.", validator=Number(gte=0, lte=65535))
    ] = 8000
    journal: JournalUrl = DEFAULT
    pipeline: Annotated[
        str, Parameter(help="What answers: module:attribute, or the name of an installed one.")
    ] = "demo"
    config: Annotated[Path | None, Parameter(help="TOML with [greenroom], [web] and [auth].")] = (
        None
    )
    dev: Annotated[
        bool,
        Parameter(help="Believe everybody who they say they are, on loopback only.", negative=""),
    ] = False
    budget: Annotated[
        float | None, Parameter(help="Seconds that turns have to end when the process is stopped.")
    ] = None
    log_level: Annotated[Level, Parameter(help="Log this, and what is worse.")] = "warning"
    log_format: Annotated[Format, Parameter(help="How lines on standard error look.")] = "text"
    otel: Annotated[
        bool,
        Parameter(
            help="Make OpenTelemetry spans, for the SDK that the process was started with.",
            negative="",
        ),
    ] = False


def serve(*, options: Options = Options()) -> int:
    """Host sessions for the network until SIGTERM or SIGINT; a second one stops at once.

    The first line on standard output is the address; logs are on standard error. Status 0: every
    session has left in order, even if its turn took longer than the budget and was handed back; 1:
    some did not answer. With --otel, what becomes of spans is up to the process's tracer provider:
    `opentelemetry-instrument greenroom serve --otel` sets one up from OTEL_EXPORTER_OTLP_ENDPOINT
    and the like.
    """
    configure_logs(options.log_level, options.log_format)
    try:
        from ..web.serving import Setup, for_trying
        from ..web.serving import serve as serve_runtime
    except ImportError as error:
        raise ExtraMissing("greenroom serve", install="greenroom[web]") from error
    setup = Setup.of(options.config)
    if options.dev and options.config is None:
        setup = for_trying(setup)
    pipeline, follow = find_pipeline(options.pipeline), None
    if options.otel:
        tracing = _tracing()
        pipeline, follow = tracing.traced(pipeline, agent=options.pipeline), tracing.follow

    async def run() -> int:
        runtime = Runtime(pipeline, journal=options.journal, config=setup.runtime)
        async with runtime:
            server = await serve_runtime(
                runtime,
                setup,
                host=options.host,
                port=options.port,
                dev=options.dev,
                budget_s=options.budget,
                export=export_sessions,
                follow=follow,
                on_ready=_tell,
            )
        return 1 if server.report is not None and server.report.left else 0

    return asyncio.run(run())


def _tracing() -> Tracing:
    try:
        from ..telemetry.tracing import Tracing, has_provider
    except ImportError as error:
        raise ExtraMissing("--otel", install="greenroom[otel]") from error
    if not has_provider():
        log.warning("no_tracer_provider", hint="run it under opentelemetry-instrument")
    return Tracing()


def _tell(address: str) -> None:
    console().print(f"greenroom serves {address}/ (dashboard: {address}/dashboard)")
