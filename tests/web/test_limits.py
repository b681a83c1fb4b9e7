"""How often somebody may ask, and that others do not notice."""

from __future__ import annotations

from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theatre import ManualClock, play, texts
from web.kit import house
from web.logs import logged
from web.wire import Wire, socket

from greenroom import ConfigError
from greenroom.adapters.web.errors import TooManyRequests
from greenroom.adapters.web.limits import Buckets
from greenroom.adapters.web.principal import Principal
from greenroom.adapters.web.server import Server
from greenroom.adapters.web.settings import WebSettings
from greenroom.adapters.web.streams import codes
from greenroom.adapters.web.streams.frames import Ack, Error
from greenroom.adapters.web.streams.websocket import HASTY


def test_a_burst_at_once_and_then_the_rate() -> None:
    clock = ManualClock()
    buckets = Buckets(clock, rate_per_s=4, burst=3)

    assert [buckets.take("ann") for _ in range(5)] == [0, 0, 0, 0.25, 0.25]
    assert buckets.take("bob") == 0
    clock.now_s += 0.25
    assert [buckets.take("ann") for _ in range(2)] == [0, 0.25]
    clock.now_s += 100
    assert [buckets.take("ann") for _ in range(4)] == [0, 0, 0, 0.25]


def test_whoever_is_refused_loses_nothing_by_asking() -> None:
    clock = ManualClock()
    buckets = Buckets(clock, rate_per_s=1, burst=1)
    buckets.take("ann")

    for _ in range(1000):
        assert buckets.take("ann") > 0
    clock.now_s += 1
    assert buckets.take("ann") == 0


def test_who_has_been_silent_for_longest_is_forgotten_first() -> None:
    buckets = Buckets(ManualClock(), rate_per_s=1, burst=2, most=2)
    for name in ("ann", "bob", "ann", "eve"):
        buckets.take(name)

    assert len(buckets) == 2
    assert buckets.take("ann") > 0  # bob was forgotten, not ann
    assert len(buckets) == 2


@given(
    st.integers(1, 50),
    st.integers(1, 20),
    st.lists(st.one_of(st.none(), st.floats(0, 3)), max_size=200),
)
def test_never_more_than_the_burst_and_the_rate(
    rate: int, burst: int, steps: list[float | None]
) -> None:
    """Beside a bucket that counts its tokens."""
    clock = ManualClock(0.0)
    buckets, tokens = Buckets(clock, rate, burst), float(burst)
    for step in steps:
        if step is not None:
            clock.now_s += step
            tokens = min(burst, tokens + step * rate)
            continue
        wait_s = buckets.take("ann")
        if abs(tokens - 1) > 1e-6:  # at the very edge either answer is right
            assert (wait_s == 0) == (tokens > 1)
        if wait_s == 0:
            tokens -= 1
        else:
            assert wait_s == pytest.approx((1 - tokens) / rate, abs=1e-6)


def test_too_many_requests_of_one_principal() -> None:
    async def scene() -> None:
        clock = ManualClock()
        web = {"requests_per_s": 0.5, "request_burst": 2}
        async with house(web=web, clock=clock) as h, h.client("ann") as ann, h.client("bob") as bob:
            answers = [await ann.get("/v1/sessions/s1") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [404, 404, 429]
            refused = answers[-1]
            assert refused.json()["code"] == "too_many_requests"
            assert refused.json()["retryable"] is True
            assert refused.headers["retry-after"] == "2"

            assert (await bob.get("/v1/sessions/s1")).status_code == 404
            async with h.client("ann") as elsewhere:  # another connection, the same principal
                assert (await elsewhere.get("/v1/sessions/s1")).status_code == 429
            clock.now_s += 2
            assert (await ann.get("/v1/sessions/s1")).status_code == 404

            h.hall.spend(Principal(user="eve"))
            h.hall.spend(Principal(user="eve"))
            with pytest.raises(TooManyRequests):  # commands on a socket count as well
                h.hall.spend(Principal(user="eve"))

    play(scene)


def test_too_many_commands_are_refused_one_by_one_and_then_the_socket_is_closed() -> None:
    async def scene() -> None:
        clock = ManualClock()
        # The socket itself is the first of them.
        web = {"requests_per_s": 1, "request_burst": 3, "batch_ms": 0}
        async with house(web=web, clock=clock) as h:
            session = await h.runtime.create("ann", id="s1")
            ann = await socket(h.app, "s1", "ann")
            for n in range(4):
                ann.tell({"do": "post", "id": n, "text": "hi"})
            await clock.advance(0)
            assert [(each.id, type(each).__name__) for each in answers(ann)] == [
                (0, "Ack"),
                (1, "Ack"),
                (2, "Error"),
                (3, "Error"),
            ]
            refused = answers(ann)[-1].problem
            assert (refused["code"], refused["retry_after_s"]) == ("too_many_requests", 1)
            assert len(texts(await session.transcript("ann"))) == 2

            clock.now_s += 1
            ann.tell({"do": "post", "id": 4, "text": "hi"})
            await clock.advance(0)
            assert type(answers(ann)[-1]) is Ack  # the count of those refused begins again

            for n in range(HASTY - 1):
                ann.tell({"do": "post", "id": n, "text": "hi"})
            await clock.advance(0)
            assert ann.code is None
            ann.tell({"do": "post", "id": 99, "text": "hi"})
            await clock.advance(0)
            assert ann.code == codes.TOO_MANY
            await ann.leave()

    play(scene)


def answers(wire: Wire) -> list[Any]:
    return [each for each in wire.told if isinstance(each, Ack | Error)]


def test_too_many_failures_of_one_address_hold_up_nobody_else() -> None:
    async def scene() -> None:
        clock = ManualClock()
        web = {"failures_per_s": 1, "failure_burst": 2}
        async with house(web=web, clock=clock) as h, h.client() as nobody, h.client("ann") as ann:
            with logged() as logs:
                answers = [await nobody.get("/v1/sessions/s1") for _ in range(4)]
            assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
            assert answers[-1].headers["retry-after"] == "1"
            assert len([line for line in logs if line["event"] == "unauthenticated"]) == 2

            assert (await ann.get("/v1/sessions/s1")).status_code == 404
            clock.now_s += 1
            assert (await nobody.get("/v1/sessions/s1")).status_code == 401

    play(scene)


@pytest.mark.parametrize(("proxies", "second"), [([], 429), (["127.0.0.0/8"], 401)])
def test_an_address_is_believed_of_proxies_that_are_trusted_only(
    proxies: list[str], second: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the server's library takes from the environment."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")

    async def scene() -> None:
        web = {"failures_per_s": 0.001, "failure_burst": 1, "trusted_proxies": tuple(proxies)}
        async with house(web=web) as h:
            config = Server(h.app, h.hall).config
            config.load()
            transport = httpx.ASGITransport(cast("Any", config.loaded_app))
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as nobody:
                tries = [{"x-forwarded-for": each} for each in ("192.0.2.1", "192.0.2.2")]
                found = [(await nobody.get("/v1/me", headers=one)).status_code for one in tries]
            assert found == [401, second]

    play(scene)


@pytest.mark.parametrize("proxy", ["*", "", "proxy.example.org", "10.0.0.1/8"])
def test_a_proxy_is_known_by_its_address(proxy: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        WebSettings(trusted_proxies=(proxy,))
