"""How many streams there may be, of a principal and of a session."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from theatre import ManualClock, play
from web.kit import house

from greenroom import RuntimeClosed
from greenroom.adapters.web.errors import TooManyRequests
from greenroom.adapters.web.principal import Principal

ANN, BOB = Principal(user="ann"), Principal(user="bob")


def test_streams_of_a_principal_and_of_a_session_are_counted_apart() -> None:
    async def scene() -> None:
        web = {"max_connections": 2, "max_subscribers": 3}
        async with house(web=web) as h, AsyncExitStack() as open_:
            for session in ("s1", "s2"):
                open_.enter_context(h.hall.admit(ANN, session))
            with pytest.raises(TooManyRequests) as refused, h.hall.admit(ANN, "s3"):
                pass
            assert (refused.value.limit, str(refused.value)) == (
                2,
                "open streams: at most 2 for one principal",
            )
            for user in ("bob", "cat"):
                open_.enter_context(h.hall.admit(Principal(user=user), "s1"))
            with pytest.raises(TooManyRequests, match="3 for one session"):
                open_.enter_context(h.hall.admit(Principal(user="eve"), "s1"))
            open_.enter_context(h.hall.admit(Principal(user="eve"), "s2"))

    play(scene)


def test_the_place_of_a_stream_is_free_when_it_has_ended_however_it_did() -> None:
    async def scene() -> None:
        async with house(web={"max_connections": 1, "max_subscribers": 1}) as h:
            for _ in range(3):
                with pytest.raises(ZeroDivisionError), h.hall.admit(ANN, "s1"):
                    raise ZeroDivisionError
            with h.hall.admit(ANN, "s1"):
                for principal, session in ((ANN, "s2"), (BOB, "s1")):
                    with pytest.raises(TooManyRequests), h.hall.admit(principal, session):
                        pass
            with h.hall.admit(ANN, "s2"), h.hall.admit(BOB, "s1"):
                pass

    play(scene)


def test_opening_a_stream_counts_as_a_request() -> None:
    async def scene() -> None:
        clock = ManualClock()
        web = {"requests_per_s": 1, "request_burst": 2}
        async with house(web=web, clock=clock) as h:
            for _ in range(2):
                with h.hall.admit(ANN, "s1"):
                    pass
            with pytest.raises(TooManyRequests) as refused, h.hall.admit(ANN, "s1"):
                pass
            assert refused.value.retry_after_s == 1
            with h.hall.admit(BOB, "s1"):
                pass

    play(scene)


def test_no_stream_is_opened_while_the_server_drains() -> None:
    async def scene() -> None:
        async with house() as h:
            h.hall.begin_drain()
            h.hall.begin_drain()
            assert h.hall.draining
            with pytest.raises(RuntimeClosed), h.hall.admit(ANN, "s1"):
                pass

    play(scene)
