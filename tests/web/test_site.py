"""The pages as they are sent, and the health of a process."""

from __future__ import annotations

import re

import httpx
import pytest
from theatre import play
from web.kit import house

import greenroom
import greenroom.web

PAGES = ("/", "/dashboard")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_and_all_of_its_parts_come_from_this_server_under_a_strict_policy(page: str) -> None:
    async def scene() -> None:
        async with house() as h, h.client() as anybody:
            shown = await anybody.get(page)
            assert shown.status_code == 200
            policy = shown.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert 'data-auth="dev"' in shown.text
            assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|javascript:", shown.text)
            parts = re.findall(r'(?:src|href)="(static/[^"]+)"', shown.text)
            assert parts
            for part in parts:
                assert (await anybody.get(f"/{part}")).status_code == 200, part

    play(scene)


def test_a_page_that_has_not_changed_is_not_sent_again() -> None:
    async def scene() -> None:
        async with house() as h, h.client() as anybody:
            first = await anybody.get("/static/talk.js")
            again = await anybody.get(
                "/static/talk.js", headers={"if-none-match": first.headers["etag"]}
            )
            assert (again.status_code, again.content) == (304, b"")
            assert first.headers["cache-control"] == "no-cache"

    play(scene)


def test_a_house_that_drains_is_alive_and_not_ready() -> None:
    async def scene() -> None:
        async with house() as h, h.client() as anybody:
            before = (await anybody.get("/healthz"), await anybody.get("/readyz"))
            h.hall.begin_drain()
            after = (await anybody.get("/healthz"), await anybody.get("/readyz"))
            assert [answer.status_code for answer in before] == [200, 200]
            assert [answer.status_code for answer in after] == [200, 503]

    play(scene)


def test_a_house_without_a_runtime_that_runs_is_not_ready() -> None:
    async def scene() -> None:
        runtime = greenroom.Runtime()
        app = greenroom.web.asgi(runtime, [])
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as anybody:
            codes = [(await anybody.get("/readyz")).status_code]
            async with runtime:
                codes.append((await anybody.get("/readyz")).status_code)
            codes.append((await anybody.get("/readyz")).status_code)

        assert codes == [503, 200, 503]

    play(scene)
