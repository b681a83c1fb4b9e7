"""The dev mode: any name is believed, from this machine, and never by a trick of another page."""

from __future__ import annotations

import httpx
import pytest
from theatre import play
from web.kit import House, house
from web.logs import logged
from web.tokens import drive

from greenroom import InvalidInput
from greenroom.adapters.web.auth.dev import DevAuthenticator
from greenroom.adapters.web.errors import Unauthenticated
from greenroom.adapters.web.principal import Credentials, Principal

HERE = "127.0.0.1"


def test_it_is_loud() -> None:
    with logged() as logs:
        DevAuthenticator()

    assert [(line["event"], line["log_level"]) for line in logs] == [("dev_mode", "warning")]


def test_everybody_is_who_they_say_they_are() -> None:
    dev = DevAuthenticator(operators=["opa"])

    for credentials in (
        Credentials(host=HERE, authorization="Bearer ann"),
        Credentials(host=HERE, said_user="ann", ambient_user="bob"),
        Credentials(host=HERE, ambient_user="ann"),
        Credentials(host="::1", said_user="ann", is_simple=True),
        Credentials(host="::ffff:127.0.0.1", said_user="ann"),
    ):
        assert drive(dev.authenticate(credentials)) == Principal(user="ann", name="ann")
    opa = drive(dev.authenticate(Credentials(host=HERE, said_user="opa")))
    assert opa is not None
    assert opa.is_operator
    assert drive(dev.authenticate(Credentials(host=HERE))) is None


@pytest.mark.parametrize(
    "host", ["192.168.1.2", "10.0.0.1", "::2", "", None, "localhost", "0.0.0.0"]
)
def test_nobody_is_believed_from_elsewhere(host: str | None) -> None:
    with pytest.raises(Unauthenticated):
        drive(DevAuthenticator().authenticate(Credentials(host=host, said_user="ann")))


def test_nobody_is_believed_by_way_of_a_proxy() -> None:
    shown = Credentials(host=HERE, said_user="ann", is_forwarded=True)
    with pytest.raises(Unauthenticated):
        drive(DevAuthenticator().authenticate(shown))


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        drive(DevAuthenticator().authenticate(Credentials(host=HERE, said_user="a\nb")))
    with pytest.raises(InvalidInput):
        DevAuthenticator(operators=[""])


def page(h: House, **headers: str) -> httpx.AsyncClient:
    """What a browser sends for a page: its cookies, and whatever the page may add."""
    return h.client(cookie="x=1; greenroom_dev_user=ann; y=2", **headers)


def test_a_page_of_this_host_acts_for_its_cookie() -> None:
    async def scene() -> None:
        async with house(who=[DevAuthenticator()]) as h, page(h, origin="http://localhost") as ann:
            made = await ann.post("/v1/sessions", json={"id": "s1"})
            assert (made.status_code, made.json()["owner"]) == (201, "ann")
            assert (await ann.get("/v1/sessions/s1")).status_code == 200
            asked = await ann.post("/v1/tickets", headers={"x-greenroom": "1"})
            assert asked.status_code == 201

    play(scene)


def test_a_form_of_another_page_acts_for_nobody() -> None:
    """A browser sends cookies along with a form of any page, and does not ask the server first."""

    async def scene() -> None:
        async with house(who=[DevAuthenticator()]) as h, page(h) as ann:
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
                sent = await ann.post(
                    "/v1/sessions", content=b'{"id": "s1"}', headers={"content-type": kind}
                )
                assert sent.status_code == 401
            assert (await ann.post("/v1/tickets")).status_code == 401
            assert (await ann.post("/v1/tickets?user=ann")).status_code == 401

            evil = {"origin": "https://evil.example.org", "x-greenroom": "1"}
            sent = await ann.post("/v1/sessions", json={"id": "s1"}, headers=evil)
            assert (sent.status_code, sent.json()["code"]) == (403, "foreign_origin")
            assert (await ann.get("/v1/sessions/s1")).status_code == 404

    play(scene)


def test_a_header_of_ones_own_needs_no_more() -> None:
    """No page can set it without asking the server first, which refuses."""

    async def scene() -> None:
        async with house(who=[DevAuthenticator()]) as h:
            async with h.client(**{"x-greenroom-user": "ann"}) as ann:
                assert (await ann.post("/v1/tickets")).status_code == 201
            async with h.client("ann") as ann:
                assert (await ann.post("/v1/tickets")).status_code == 201

    play(scene)


def test_it_is_asked_only_where_it_is_named() -> None:
    async def scene() -> None:
        async with house() as h, page(h, **{"x-greenroom-user": "ann"}) as ann:
            refused = await ann.get("/v1/sessions/s1?user=ann")
            assert refused.status_code == 401

    play(scene)
