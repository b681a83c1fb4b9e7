"""What a load test saw, in figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from ...actors.session.stage import Stats
from .histogram import Histogram
from .verify import Verdict

SHOWN: Final = 20
"""Errors kept with their text; the others are only counted."""


class Counters:
    """What the players count. One for all of them, on one loop."""

    def __init__(self) -> None:
        self.dialogues = 0
        self.created = 0
        self.found = 0
        self.deltas = 0
        self.gaps = 0
        self.heard = 0
        self.joins = 0
        self.leaves = 0
        self.reconnects = 0
        self.interruptions = 0
        self.approvals = 0
        self.left_meanwhile = 0
        self.retries = 0
        self.errors = 0
        self.error_texts: list[str] = []
        self.ack = Histogram()
        self.turn = Histogram()

    def add_error(self, text: str) -> None:
        """Count what went wrong, and keep its text if it is among the first."""
        self.errors += 1
        if len(self.error_texts) < SHOWN:
            self.error_texts.append(" ".join(text.split()))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run. Times are of this run only, also if it resumed an earlier one.

    sessions: dialogues hosted to their end; `created` and `found` tell how they began.
    turns: turns that ended, and `turn_statuses` how.
    deltas: pieces of text that reached a subscriber. `heard`: turns whose pieces were checked to
        join to the recorded text; a turn that began before its subscriber, or had a gap, is not.
    events: published events, durable and ephemeral; `journaled` are the durable ones.
    ack: from when a message was due to when it was acknowledged as durable.
    turn: from when a message was due to when the subscriber had the end of its turn.
    passivated, woken: sessions that left the stage while the load ran, and that came back.
    joins, leaves, reconnects: of the other participants, each of whom was checked to hear every
        durable event once and in order while it took part.
    interruptions: answers that the next message interrupted. `approvals`: calls that were approved,
        for `left_meanwhile` of which the session had left the stage meanwhile.
    retries: what was tried again after a refusal such as CapacityError.
    errors: dialogues given up; the first few with their text.
    journal_bytes: the store's files after it was closed; None if it has none.
    """

    sessions: int
    created: int
    found: int
    turns: int
    turn_statuses: dict[str, int]
    deltas: int
    heard: int
    events: int
    journaled: int
    events_per_s: float
    turns_per_s: float
    ack_p50_ms: float
    ack_p99_ms: float
    turn_p50_ms: float
    turn_p99_ms: float
    passivated: int
    woken: int
    gaps: int
    joins: int
    leaves: int
    reconnects: int
    interruptions: int
    approvals: int
    left_meanwhile: int
    retries: int
    errors: int
    error_texts: list[str]
    seconds: float
    interrupted: bool = False
    journal_bytes: int | None = None
    peak_rss_bytes: int | None = None
    verdict: Verdict | None = None

    @property
    def flawless(self) -> bool:
        """Whether every dialogue was played as recorded and, if that was asked, is kept so."""
        return not self.errors and (self.verdict is None or not self.verdict.mismatches)


def report(counters: Counters, stats: Stats, *, seconds: float) -> Report:
    """The figures so far. `stats` are the runtime's, taken before it passivates everything."""
    turns = sum(stats.turns_ended.values())
    return Report(
        sessions=counters.dialogues,
        created=counters.created,
        found=counters.found,
        turns=turns,
        turn_statuses=dict(stats.turns_ended),
        deltas=counters.deltas,
        heard=counters.heard,
        events=stats.published,
        journaled=stats.events,
        events_per_s=_rate(stats.published, seconds),
        turns_per_s=_rate(turns, seconds),
        ack_p50_ms=counters.ack.quantile_ms(0.5),
        ack_p99_ms=counters.ack.quantile_ms(0.99),
        turn_p50_ms=counters.turn.quantile_ms(0.5),
        turn_p99_ms=counters.turn.quantile_ms(0.99),
        passivated=stats.passivated,
        woken=stats.activated - counters.created - stats.restarted,
        gaps=counters.gaps,
        joins=counters.joins,
        leaves=counters.leaves,
        reconnects=counters.reconnects,
        interruptions=counters.interruptions,
        approvals=counters.approvals,
        left_meanwhile=counters.left_meanwhile,
        retries=counters.retries,
        errors=counters.errors,
        error_texts=list(counters.error_texts),
        seconds=round(seconds, 3),
        peak_rss_bytes=peak_rss_bytes(),
    )


def write_report(report: Report, path: Path) -> None:
    """Write the figures as JSON. Raises OSError."""
    body = msgspec.json.format(msgspec.json.encode(report), indent=2)
    path.write_bytes(body + b"\n")


def summary(report: Report) -> list[tuple[str, str]]:
    """The figures as rows of a table."""
    rows = [
        ("sessions", f"{report.sessions:,} ({report.created:,} new, {report.found:,} found)"),
        ("turns", f"{report.turns:,} ({report.turns_per_s:,.0f}/s)"),
        ("streamed", f"{report.deltas:,} deltas; {report.heard:,} turns heard as recorded"),
        ("events", f"{report.events:,} ({report.events_per_s:,.0f}/s), {report.journaled:,} kept"),
        ("acknowledged", f"p50 {report.ack_p50_ms:.1f} ms, p99 {report.ack_p99_ms:.1f} ms"),
        ("turn", f"p50 {report.turn_p50_ms:.1f} ms, p99 {report.turn_p99_ms:.1f} ms"),
        ("passivated", f"{report.passivated:,}, {report.woken:,} woken"),
        ("gaps, retries", f"{report.gaps:,}, {report.retries:,}"),
        ("errors", f"{report.errors:,}"),
        ("time", f"{report.seconds:.1f} s" + (", interrupted" if report.interrupted else "")),
        ("journal", _mib(report.journal_bytes)),
        ("peak memory", _mib(report.peak_rss_bytes)),
    ]
    if report.joins:
        came = f"{report.joins:,} joined, {report.leaves:,} left, {report.reconnects:,} came back"
        rows.insert(6, ("guests", came))
    if report.interruptions or report.approvals:
        met = f"{report.interruptions:,}; {report.approvals:,} calls approved, "
        rows.insert(2, ("interrupted", met + f"{report.left_meanwhile:,} off the stage"))
    if report.verdict is not None:
        rows.append(("verified", str(report.verdict)))
    return rows


def peak_rss_bytes() -> int | None:
    """The most memory this process has had resident; None where it cannot be told."""
    try:
        import resource
    except ImportError:  # not a Unix
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def journal_bytes(journal: Any) -> int | None:
    """What a journal's files weigh, for one that has a `path`."""
    path: Path | None = getattr(journal, "path", None)
    if path is None:
        return None
    files = (path, Path(f"{path}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _rate(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0


def _mib(size: int | None) -> str:
    return "-" if size is None else f"{size / (1 << 20):,.1f} MiB"
