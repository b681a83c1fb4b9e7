"""The commands of `greenroom`, and how they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

from ... import __version__
from ...actors.errors import GreenroomError
from . import export, following, imports, journal, keys, load, serve, sessions, sim, top


class Misused(GreenroomError):
    """The command line makes no sense."""

    code = "usage"


app: Final = App(
    name="greenroom",
    version=f"greenroom {__version__}",
    help="Host many concurrent agent sessions.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(serve.serve)
app.command(top.top)
app.command(load.load)
app.command(sim.sim)
app.command(export.export)
app.command(imports.import_, name="import")

app.command(following.send)

_sessions = App(
    name="sessions",
    help="Look into a journal, also while a process owns it, or into a running server.",
)
_sessions.command(sessions.ls)
_sessions.command(sessions.show)
_sessions.command(following.tail)
_sessions.command(following.end)
app.command(_sessions)

_journal = App(name="journal", help="Look after a journal, also while a process owns it.")
_journal.command(journal.check)
_journal.command(journal.stats)
_journal.command(journal.backup)
app.command(_journal)

_keys = App(name="keys", help="Make API keys for programs.")
_keys.command(keys.new)
app.command(_keys)


def call(tokens: Sequence[str]) -> int:
    """Run one command and return its exit code. Raises Misused, and what the command raises."""
    try:
        code: int | None = app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise Misused(str(error)) from None
    return code or 0
