"""The dashboard in a real browser: it follows the house, and acts on it."""

from __future__ import annotations

from typing import Any

from theatre import play
from web.browser import browser, needs_chromium, playwright
from web.kit import house, served

from greenroom.adapters.pipelines.demo import DemoAgent

pytestmark = needs_chromium
GUARD_S = 90.0


async def come_in(page: Any, address: str, name: str = "eva+operator") -> Any:
    await page.goto(f"http://{address}/dashboard")
    await page.locator("#who").fill(name)
    await page.locator("#who").press("Enter")
    return page


def row(page: Any, session: str) -> Any:
    return page.locator("#rows tr").filter(has_text=session)


def test_it_follows_what_the_house_does() -> None:
    async def scene() -> None:
        async with (
            house(DemoAgent(0.0), max_sessions=4, max_sessions_per_user=4) as h,
            served(h) as address,
            browser() as chromium,
        ):
            page = await come_in(await chromium.page(), address)
            await playwright.expect(page.locator("#status")).to_have_text("live")
            gauge = page.locator(".card").filter(has_text="Sessions on stage")
            await playwright.expect(gauge.locator(".value")).to_have_text("0 of 4")

            for name in ("alpha", "beta", "gamma"):
                await h.runtime.create("ann", id=name)
            await playwright.expect(gauge.locator(".value")).to_have_text("3 of 4")
            await playwright.expect(gauge.locator(".bar.warn")).to_have_count(1)
            await playwright.expect(page.locator("#rows tr")).to_have_count(3)

            await page.locator("#q").fill("be")
            await playwright.expect(page.locator("#rows tr")).to_have_count(1)
            await playwright.expect(row(page, "beta")).to_be_visible()

    play(scene, GUARD_S)


def test_a_session_is_shown_in_full_and_played_again() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.0)) as h, served(h) as address, browser() as chromium:
            session = await h.runtime.create("ann", id="alpha")
            page = await come_in(await chromium.page(), address)
            await row(page, "alpha").get_by_role("button").click()
            await playwright.expect(page.locator("#facts")).to_contain_text("resident")

            turn = await session.send("ann", "what time is it?")
            await turn.result()
            await playwright.expect(page.locator("#timeline .turn.completed")).to_have_count(1)
            await playwright.expect(page.locator("#timeline .tool")).to_have_count(1)
            await session.send("ann", "book a table")
            await playwright.expect(page.locator("#timeline .ask")).to_have_count(1)
            await playwright.expect(page.locator("#events li").first).to_contain_text("approval")

            scrub = page.locator("#scrub")
            await scrub.fill("2")
            await playwright.expect(page.locator("#events li")).to_have_count(2)
            live = page.locator("#live")
            await playwright.expect(live).to_have_attribute("aria-pressed", "false")
            await page.locator("#play").click()
            total = await scrub.get_attribute("max")
            await playwright.expect(page.locator("#events li")).to_have_count(int(total))
            await playwright.expect(live).to_have_attribute("aria-pressed", "true")

    play(scene, GUARD_S)


def test_an_operator_evicts_parks_revives_and_ends() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.0)) as h, served(h) as address, browser() as chromium:
            session = await h.runtime.create("ann", id="alpha")
            await session.post("ann", "kept")
            page = await come_in(await chromium.page(), address)
            await row(page, "alpha").get_by_role("button").click()
            facts = page.locator("#facts")
            await playwright.expect(facts).to_contain_text("resident")

            async def act(name: str, answer: str = "Yes") -> None:
                await page.locator("#actions").get_by_role("button", name=name).click()
                await page.locator("#confirm").get_by_role("button", name=answer).click()

            await act("Evict", "No")
            assert h.runtime.resident == 1
            await act("Evict")
            await playwright.expect(facts).to_contain_text("stored")
            assert h.runtime.resident == 0
            await act("Park")
            await playwright.expect(facts).to_contain_text("parked")
            await act("Revive")
            await playwright.expect(facts).to_contain_text("stored")
            await act("End")
            await playwright.expect(facts).to_contain_text("ended")
            assert (await session.info()).state == "ended"

    play(scene, GUARD_S)


def test_all_of_it_is_done_by_keyboard() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.0)) as h, served(h) as address, browser() as chromium:
            await h.runtime.create("ann", id="alpha")
            page = await come_in(await chromium.page(), address)
            opening = row(page, "alpha").get_by_role("button")
            await playwright.expect(opening).to_be_visible()
            for _ in range(12):
                await page.keyboard.press("Tab")
                if await opening.evaluate("it => it === document.activeElement"):
                    break
            await page.keyboard.press("Enter")
            await playwright.expect(page.locator("#facts")).to_contain_text("resident")

            evict = page.locator("#actions").get_by_role("button", name="Evict")
            await evict.focus()
            await page.keyboard.press("Enter")
            await playwright.expect(page.locator("#confirm")).to_be_visible()
            await page.keyboard.press("Escape")
            await playwright.expect(page.locator("#confirm")).to_be_hidden()
            assert h.runtime.resident == 1
            await evict.focus()
            await page.keyboard.press("Enter")
            await page.keyboard.press("Shift+Tab")
            await page.keyboard.press("Enter")
            await playwright.expect(page.locator("#facts")).to_contain_text("stored")

    play(scene, GUARD_S)


def test_it_is_for_operators() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.0)) as h, served(h) as address, browser() as chromium:
            page = await come_in(await chromium.page(), address, "ann")
            await playwright.expect(page.locator("#sign-in-error")).to_contain_text("operators")

    play(scene, GUARD_S)
