"""A process of `greenroom serve` that is stopped, and the next one on its journal."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from house import GUARD_S
from theatre import play
from web.wire import events
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from greenroom.actors.session.events import TurnEnded
from greenroom.actors.session.items import stored
from greenroom.actors.session.state import decode_genesis
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.web.streams import codes, frames

LONG_S = 6 * GUARD_S
"""A guard: two processes are started, with hundreds of connections, and others may be busy."""

BUDGET_S = 3.0
CLOSING_S = 6.0
"""After the budget: sessions are written out (1 s), streams close (2 s), connections (2 s)."""


class Process:
    """One `greenroom serve`."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    def http(self, user: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {user}"}
        # Reading the certificates of all authorities takes longer than all that is asked here.
        return httpx.AsyncClient(
            base_url=self.address, headers=headers, timeout=LONG_S, verify=False
        )

    def signal(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> tuple[int, str]:
        """The exit status, and what it has logged."""
        assert self.process.stdout is not None
        logged = (await self.process.stdout.read()).decode()
        return await self.process.wait(), logged


@asynccontextmanager
async def serving(journal: Path, budget_s: float = BUDGET_S) -> AsyncIterator[Process]:
    path = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greenroom", "serve", "--dev", "--port", "0"),
        *("--journal", f"sqlite:///{journal}", "--pipeline", "web.drained:answer"),
        *("--budget", str(budget_s)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": path},
        cwd=journal.parent,  # where no module is by the name of one of the tests'
        limit=1 << 24,
    )
    assert process.stdout is not None
    try:
        said = ""
        while (found := re.search(r"serves (http://[^/\s]+)/", said)) is None:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
        yield Process(process, found[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Client:
    """Somebody who follows a session, and comes back with its cursor."""

    def __init__(self, session: str, user: str) -> None:
        self.session, self.user = session, user
        self.cursor = "start"
        self.told: list[frames.Frame] = []
        self.changed = asyncio.Event()
        self.code: int | None = None

    async def follow(self, process: Process) -> None:
        raise NotImplementedError

    def take(self, told: Iterable[frames.Frame]) -> None:
        for each in told:
            self.told.append(each)
            if isinstance(each, frames.EventFrame | frames.GapFrame):
                self.cursor = each.cursor
        self.changed.set()

    async def until(self, holds: Callable[[frames.Frame], bool]) -> None:
        while not any(holds(each) for each in self.told):
            self.changed.clear()
            await self.changed.wait()


class Reader(Client):
    """By server-sent events."""

    async def follow(self, process: Process) -> None:
        path = f"/v1/sessions/{self.session}/events?cursor={self.cursor}"
        async with process.http(self.user) as http, http.stream("GET", path) as response:
            assert response.status_code == 200, await response.aread()
            rest = ""
            async for text in response.aiter_text():
                whole, _, rest = (rest + text).rpartition("\n\n")
                self.take(told for _, _, told in events(whole + "\n\n"))
        assert rest == ""


class Socket(Client):
    """By WebSocket."""

    async def follow(self, process: Process) -> None:
        address = process.address.replace("http", "ws")
        async with connect(
            f"{address}/v1/sessions/{self.session}/ws?cursor={self.cursor}",
            additional_headers={"authorization": f"Bearer {self.user}"},
            compression=None,
        ) as socket:
            try:
                while True:
                    self.take(frames.decode_json(await socket.recv()))
            except ConnectionClosed:
                self.code = socket.close_code


def is_delta(told: frames.Frame) -> bool:
    return isinstance(told, frames.EventFrame) and told.turn is not None and not told.durable


def is_draining(told: frames.Frame) -> bool:
    return isinstance(told, frames.Draining)


def says(text: str) -> Callable[[frames.Frame], bool]:
    def holds(told: frames.Frame) -> bool:
        if not isinstance(told, frames.EventFrame):
            return False
        return getattr(getattr(told.event, "message", None), "text", None) == text

    return holds


async def talking(process: Process, clients: list[Client], texts: dict[str, str]) -> list[Any]:
    """All of them follow, and a turn runs in each session; the tasks of the clients."""
    async with process.http("opa") as http:
        for session in texts:
            made = await http.post(
                "/v1/sessions",
                json={"id": session},
                headers={"authorization": f"Bearer u-{session}"},
            )
            assert made.status_code == 201, made.text
        tasks = [asyncio.ensure_future(client.follow(process)) for client in clients]
        await asyncio.gather(*(client.until(hello) for client in clients))
        for session, text in texts.items():
            sent = await http.post(
                f"/v1/sessions/{session}/messages",
                json={"text": text},
                headers={"authorization": f"Bearer u-{session}"},
            )
            assert sent.status_code == 202, sent.text
    await asyncio.gather(*(client.until(is_delta) for client in clients))
    return tasks


def hello(told: frames.Frame) -> bool:
    return isinstance(told, frames.Hello)


async def recorded(path: Path, sessions: Iterable[str]) -> dict[str, list[tuple[int, Any]]]:
    """The durable events of each session, with their revisions."""
    journal, found = SqliteJournal(path), {}
    await journal.open()
    for session in sessions:
        genesis = decode_genesis((await journal.beginning(session)).genesis)
        page = await journal.read(session, after=0, limit=10_000)
        told = [
            frames.frame(stored(body, revision, session, genesis.incarnation, healed=False))
            for revision, body in enumerate(page.events, page.first)
        ]
        found[session] = [
            (each.revision, each.event) for each in told if isinstance(each, frames.EventFrame)
        ]
    await journal.close()
    return found


def durable(client: Client) -> list[tuple[int, Any]]:
    return [
        (each.revision, each.event)
        for each in client.told
        if isinstance(each, frames.EventFrame) and each.durable
    ]


def ends(clients: Iterable[Client]) -> dict[tuple[str, int], int]:
    """The last position of each epoch that anybody has heard of."""
    found: dict[tuple[str, int], int] = {}
    for client in clients:
        for each in client.told:
            if isinstance(each, frames.EventFrame):
                span = (each.session, each.epoch)
                found[span] = max(each.position, found.get(span, 0))
    return found


def assert_loss_is_announced(client: Client, ends: dict[tuple[str, int], int]) -> None:
    """Each event comes right after the one before it, or after a gap."""
    last: frames.EventFrame | None = None
    for each in client.told:
        if isinstance(each, frames.GapFrame):
            last = None
        elif isinstance(each, frames.EventFrame) and not each.healed:
            if last is not None and last.epoch == each.epoch:
                assert each.position == last.position + 1
            elif last is not None:
                assert last.position == ends[last.session, last.epoch]
                assert each.position == 1
            last = each


def test_a_process_that_is_stopped_tells_everybody_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    """200 streams, and 50 turns, of which half end within the budget."""
    journal = tmp_path / "j.db"
    texts = {f"s{number}": "ever" if number % 2 else "20" for number in range(50)}
    clients = [kind(session, f"u-{session}") for session in texts for kind in (Reader, Socket) * 2]

    async def scene() -> None:
        async with serving(journal) as process:
            tasks = await talking(process, clients, texts)
            start = time.monotonic()
            process.signal()
            await asyncio.gather(*(client.until(is_draining) for client in clients))
            told_s = time.monotonic() - start
            async with process.http("ann") as http:
                assert (await http.get("/readyz")).status_code == 503
            await asyncio.gather(*tasks)
            status, logged = await process.ended()
            took_s = time.monotonic() - start

        assert status == 0, logged
        assert "Traceback" not in logged
        assert told_s < took_s <= BUDGET_S + CLOSING_S
        for client in clients:
            assert sum(map(is_draining, client.told)) == 1
            assert client.code in (None, codes.DRAINING)
            if texts[client.session] != "ever":
                assert isinstance(durable(client)[-1][1], TurnEnded)

        async with serving(journal) as process:
            tasks = [asyncio.ensure_future(client.follow(process)) for client in clients]
            async with process.http("opa") as http:
                for session in texts:
                    await http.post(
                        f"/v1/sessions/{session}/messages",
                        json={"text": "the last word", "answer": False},
                        headers={"authorization": f"Bearer u-{session}"},
                    )
            await asyncio.gather(*(client.until(says("the last word")) for client in clients))
            process.signal()
            await asyncio.gather(*tasks)
            assert (await process.ended())[0] == 0

        kept, last = await recorded(journal, texts), ends(clients)
        for client in clients:
            found = durable(client)
            assert found == kept[client.session]
            assert [revision for revision, _ in found] == list(range(1, len(found) + 1))
            assert_loss_is_announced(client, last)

    play(scene, LONG_S)


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        client = Socket("s", "u-s")
        async with serving(tmp_path / "j.db", budget_s=10 * LONG_S) as process:
            tasks = await talking(process, [client], {"s": "ever"})
            process.signal()
            await client.until(is_draining)
            process.signal()
            await asyncio.gather(*tasks)
            assert client.code == codes.DRAINING
            assert (await process.ended())[0] == 0

    play(scene, LONG_S)


def test_what_an_operator_drains_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        client = Reader("s", "u-s")
        async with serving(tmp_path / "j.db", budget_s=10 * LONG_S) as process:
            tasks = await talking(process, [client], {"s": "ever"})
            async with process.http("opa") as http:
                report = await http.post("/v1/admin/drain", json={"budget_s": 0.2})
            assert report.json() == {"passivated": [], "handed_back": ["s"], "left": []}
            await asyncio.gather(*tasks)
            assert any(map(is_draining, client.told))
            status, logged = await process.ended()
            assert status == 0, logged
            assert "Traceback" not in logged

    play(scene, LONG_S)
