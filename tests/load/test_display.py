"""Progress is shown live on a terminal, as lines elsewhere."""

from __future__ import annotations

import io

from recorded import run_at_once

from greenroom.adapters.load.display import LINE_S, Lines, Progress, display


def progress(done: int, *, events: int = 0, errors: int = 0) -> Progress:
    return Progress(
        done=done,
        total=100,
        resident=12,
        passivated=34,
        turns=56,
        events=events,
        deepest=7,
        errors=errors,
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_written_for_every_tenth() -> None:
    file = io.StringIO()
    lines = Lines(file, 0.0)
    for done in range(101):
        lines.show(progress(done, events=done * 100), done / 20)

    written = file.getvalue().splitlines()
    assert len(written) == 10
    assert written[0] == (
        "load: 10 of 100 dialogues, 56 turns, 12 resident, 34 passivated,"
        " deepest mailbox 7, 0 errors, 2,000 events/s"
    )


def test_a_line_is_written_now_and_then_without_progress() -> None:
    file = io.StringIO()
    lines = Lines(file, 0.0)
    for second in range(100):
        lines.show(progress(0), float(second))

    assert len(file.getvalue().splitlines()) == 99 // LINE_S


def shown_on(file: io.StringIO) -> str:
    async def show() -> None:
        async with display(lambda: progress(100, errors=3), file):
            pass

    run_at_once(show())
    return file.getvalue()


def test_a_terminal_gets_a_live_display() -> None:
    shown = shown_on(Terminal())

    assert "100 of 100" in shown
    assert "12 resident, 34 passivated" in shown
    assert "deepest mailbox" in shown


def test_the_end_is_always_shown() -> None:
    assert len(shown_on(io.StringIO()).splitlines()) == 1
