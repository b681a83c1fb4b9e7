"""`greenroom top`: the house and its sessions in a terminal, each second."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, ClassVar, Final, get_args

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Sparkline, Static

from ...supervisor.residents import Sort
from .figures import COLUMNS, STATE, Past, cells, gauges, style
from .house import Action, Denied, House, Lost, Tick

FIRST_S: Final = 0.25
LONGEST_S: Final = 5.0

QUESTIONS: Final[dict[Action, str]] = {
    "evict": "Have session {} leave the stage? A running turn is stopped and handed back.",
    "park": "Park session {}? It answers nobody until it is revived.",
    "revive": "Revive session {}?",
    "end": "End session {} for good?",
}
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)


class Confirm(ModalScreen[bool]):
    """A question that only `y` answers with yes."""

    CSS = """
    Confirm { align: center middle; }
    Confirm > Vertical {
        width: 64; height: auto; padding: 1 2; background: $surface; border: round $error;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape,enter,q", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(f"{self.question}\n\ny yes   n no"))


class Top(App[None]):
    """Follows a house, and comes back by itself if the connection is lost.

    `pause` waits before each new attempt.
    """

    TITLE = "greenroom"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #status { height: 1; background: $primary; color: $text; padding: 0 1; }
    #gauges { height: auto; padding: 0 1; }
    #events { height: 2; margin: 0 1; }
    #find { display: none; }
    #find.open { display: block; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Find"),
        Binding("s", "sort", "Sort"),
        Binding("e", "ask('evict')", "Evict"),
        Binding("p", "ask('park')", "Park"),
        Binding("r", "ask('revive')", "Revive"),
        Binding("x", "ask('end')", "End"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self, house: House, *, pause: Callable[[float], Awaitable[Any]] = asyncio.sleep
    ) -> None:
        super().__init__()
        self.house = house
        self.sort: Sort = SORTS[0]
        self.prefix = ""
        self.tick: Tick | None = None
        self.connection = "connecting"
        self.outcome = ""
        self._past = Past()
        self._pause = pause

    def compose(self) -> ComposeResult:
        # Kept, and not looked for: what is looked for is only found in the screen on top.
        self.status = Static(id="status")
        self.gauges = Static(id="gauges")
        self.events = Sparkline([0.0], id="events")
        self.find = Input(placeholder="what an id or a name begins with", id="find")
        self.table = DataTable[Text](cursor_type="row", zebra_stripes=True)
        yield from (self.status, self.gauges, self.events, self.find, self.table, Footer())

    def on_mount(self) -> None:
        """Begin to follow."""
        self.table.add_columns(*COLUMNS)
        self.table.focus()
        self.refollow()

    @property
    def chosen(self) -> str | None:
        """The session under the cursor."""
        table = self.table
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    # --- following ---

    def refollow(self) -> None:
        """Follow what is asked for now, in the place of what was."""
        self.run_worker(self._follow(), group="follow", exclusive=True)

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                async with aclosing(self.house.ticks(self.sort, self.prefix)) as ticks:
                    async for tick in ticks:
                        failures = 0
                        self.show(tick)
                why = "the server has ended the stream"
            except Lost as lost:
                why = str(lost)
            except Denied as denied:
                self._say(f"not let in: {denied}")
                return
            self._say(f"reconnecting ({why})")
            most = min(LONGEST_S, FIRST_S * 2**failures)
            failures = min(failures + 1, 10)
            await self._pause(most * random.uniform(0.5, 1.0))

    def show(self, tick: Tick) -> None:
        """Show one look at the house."""
        self.tick = tick
        rates = self._past.take(tick)
        told = Text()
        for name, value in gauges(tick, rates):
            told.append(f"{name} ", "dim").append(value, "bold").append("   ")
        self.gauges.update(told)
        self.events.data = [each.events for each in self._past.rates]
        self._show_rows(tick)
        self._say("live" if tick.ready else "draining")

    def _show_rows(self, tick: Tick) -> None:
        table, chosen = self.table, self.chosen
        at = table.cursor_row
        table.clear()
        for number, row in enumerate(tick.rows):
            line = [Text(cell) for cell in cells(row, tick.at_ms)]
            line[STATE].stylize(style(row))
            table.add_row(*line, key=row.id)
            if row.id == chosen:
                at = number
        if table.row_count:
            table.move_cursor(row=min(at, table.row_count - 1), animate=False)

    def _say(self, connection: str | None = None) -> None:
        self.connection = connection or self.connection
        parts = [f"greenroom {self.house.address}", self.connection, f"sorted by {self.sort}"]
        if self.prefix:
            parts.append(f"beginning with {self.prefix!r}")
        if self.tick is not None:
            parts.append(f"{len(self.tick.rows):,} of {self.tick.matched:,} sessions")
        if self.outcome:
            parts.append(self.outcome)
        self.status.update(Text(" | ".join(parts)))

    # --- keys ---

    def action_find(self) -> None:
        """Ask for the beginning of an id or a name."""
        self.find.add_class("open")
        self.find.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show those sessions only; all, if nothing was said."""
        self.prefix = event.value.strip()
        event.input.remove_class("open")
        self.table.focus()
        self.refollow()

    def on_key(self, event: Any) -> None:
        """Escape leaves the filter as it was."""
        if event.key == "escape" and self.find.has_focus:
            self.find.value = self.prefix
            self.find.remove_class("open")
            self.table.focus()

    def action_sort(self) -> None:
        """Sort by what comes next."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.refollow()

    def action_ask(self, action: Action) -> None:
        """Do something to the chosen session, if that is meant."""
        session = self.chosen
        if session is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._order(action, session))

        self.push_screen(Confirm(QUESTIONS[action].format(session)), answered)

    async def _order(self, action: Action, session: str) -> None:
        self.outcome = await self.house.order(action, session)
        self._say()
