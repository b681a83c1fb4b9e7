"""Stream tickets: for one stream, for a short time, and for nothing else."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from theatre import ManualClock, play
from web.kit import House, house
from web.tokens import drive

from greenroom import ConfigError, Secret
from greenroom.adapters.web.auth.tickets import Tickets
from greenroom.adapters.web.errors import Forbidden, Unauthenticated
from greenroom.adapters.web.principal import Credentials, Principal
from greenroom.adapters.web.settings import WebSettings

ANN = Principal(user="ann", name="Ann", scopes=frozenset({"operator"}), expires_s=2000.5)
SECRET = Secret("what several processes share, at least 32 characters")


def show(tickets: Tickets, ticket: str) -> Principal | None:
    return drive(tickets.authenticate(Credentials(ticket=ticket)))


def test_a_ticket_stands_for_whom_it_was_given_to_once() -> None:
    tickets = Tickets(ManualClock(), 30)

    ticket = tickets.issue(ANN, "s1")

    shown = show(tickets, ticket)
    assert shown == Principal(
        user="ann", name="Ann", scopes=ANN.scopes, expires_s=2000.5, session="s1"
    )
    with pytest.raises(Unauthenticated):
        show(tickets, ticket)
    assert show(tickets, tickets.issue(ANN)) == ANN


def test_a_ticket_of_somebody_with_many_scopes_is_good() -> None:
    scopes = frozenset(f"{sha256(bytes([each])).hexdigest()}:read" for each in range(70))
    tickets = Tickets(ManualClock(), 30)

    ticket = tickets.issue(Principal(user="ann", scopes=scopes))

    assert len(ticket) > 2048
    assert show(tickets, ticket) == Principal(user="ann", scopes=scopes)


def test_a_ticket_is_good_for_its_time_and_forgotten_after_it() -> None:
    clock = ManualClock()
    tickets = Tickets(clock, 30)
    used, late = tickets.issue(ANN), tickets.issue(ANN)

    clock.now_s += 29.9
    assert show(tickets, used) == ANN
    clock.now_s += 0.1
    with pytest.raises(Unauthenticated):
        show(tickets, late)
    assert len(tickets) == 1
    clock.now_s += 30
    assert show(tickets, tickets.issue(ANN)) == ANN
    assert len(tickets) == 1


def test_what_is_no_ticket_of_ours_is_refused() -> None:
    clock = ManualClock()
    tickets = Tickets(clock, 30)
    ticket = tickets.issue(ANN)

    for wrong in (
        "",
        "x",
        "." * 100,
        ticket[:-1],
        ticket + "x",
        ticket.upper(),
        Tickets(clock, 30).issue(ANN),
        Tickets(clock, 30, SECRET).issue(ANN),
        "a" * 5000,
        "\udcff",
        "é",
    ):
        with pytest.raises(Unauthenticated):
            show(tickets, wrong)


def test_processes_that_share_a_secret_take_each_others_tickets() -> None:
    clock = ManualClock()

    assert show(Tickets(clock, 30, SECRET), Tickets(clock, 30, SECRET).issue(ANN)) == ANN


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        WebSettings(ticket_secret=Secret("short"))
    assert "short" not in str(refused.value)


def connection(h: House, path: str, ticket: str, **params: str) -> HTTPConnection:
    """A stream, or what would be one, as the router hands it over."""
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": path,
        "path_params": params,
        "query_string": f"ticket={ticket}".encode(),
        "headers": [],
        "client": ("127.0.0.1", 1),
    }
    return HTTPConnection(scope)


def test_a_ticket_over_http_opens_a_stream_and_nothing_else() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann+operator") as ann, h.client() as nobody:
            got = await ann.post("/v1/tickets", json={"session": "s1"})
            assert got.status_code == 201
            assert got.headers["cache-control"] == "no-store"
            assert got.json()["expires_s"] == 30
            ticket = got.json()["ticket"]

            await ann.post("/v1/sessions", json={"id": "s1"})
            refused = await nobody.get(f"/v1/sessions/s1?ticket={ticket}")
            assert refused.status_code == 401
            with pytest.raises(Unauthenticated):
                await h.hall.principal(connection(h, "/", ticket, id="s1"))

            principal = await h.hall.principal(connection(h, "/", ticket, id="s1"), stream=True)
            assert (principal.user, principal.session) == ("ann", "s1")
            assert principal.is_operator
            with pytest.raises(Unauthenticated):
                await h.hall.principal(connection(h, "/", ticket, id="s1"), stream=True)

    play(scene)


def test_a_ticket_of_a_session_opens_no_other_stream() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            for params in ({"id": "s2"}, {}):
                got = await ann.post("/v1/tickets", json={"session": "s1"})
                ticket = got.json()["ticket"]
                with pytest.raises(Forbidden):
                    await h.hall.principal(connection(h, "/", ticket, **params), stream=True)

            got = await ann.post("/v1/tickets", json={})
            ticket = got.json()["ticket"]
            principal = await h.hall.principal(connection(h, "/", ticket, id="s2"), stream=True)
            assert principal.session is None

    play(scene)


def test_a_ticket_for_what_is_no_session_is_refused() -> None:
    async def scene() -> None:
        async with house() as h, h.client("ann") as ann:
            refused = await ann.post("/v1/tickets", json={"session": "no session"})
            assert refused.status_code == 422

    play(scene)
