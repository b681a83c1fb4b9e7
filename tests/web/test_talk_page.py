"""The talk page in a real browser: people, words, approvals, and a network that goes away."""

from __future__ import annotations

from typing import Any

from theatre import play
from web.browser import browser, needs_chromium, playwright
from web.cable import cable
from web.kit import house, served

from greenroom.adapters.pipelines.demo import DemoAgent

pytestmark = needs_chromium
GUARD_S = 90.0


async def come_in(page: Any, address: str, name: str) -> Any:
    """Open the page and say who one is."""
    await page.goto(address)
    await page.locator("#who").fill(name)
    await page.locator("#who").press("Enter")
    await playwright.expect(page.locator("#status")).to_have_text("connected")
    return page


async def say(page: Any, text: str) -> None:
    await page.locator("#text").fill(text)
    await page.locator("#text").press("Enter")


def words(page: Any) -> Any:
    """What was said, in order, by whomever."""
    return page.locator("#log .said .words")


def test_two_people_talk_in_one_room_and_see_the_same() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.0)) as h, served(h) as address, browser() as chromium:
            ann = await come_in(await chromium.page(), f"http://{address}/", "ann")
            link = ann.url
            bob = await come_in(await chromium.page(), link, "bob")
            await playwright.expect(ann.locator("#people li")).to_have_count(2)

            await say(ann, "one for all")
            for page in (ann, bob):
                await playwright.expect(words(page)).to_have_text(
                    ["one for all", "You said: one for all"]
                )
            await say(bob, "<b>all</b> for one")
            for page in (ann, bob):
                await playwright.expect(words(page).nth(3)).to_have_text(
                    "You said: <b>all</b> for one"
                )
            await playwright.expect(bob.locator("#log .said .by").first).to_have_text("Ann")

    play(scene, GUARD_S)


def test_an_answer_is_interrupted() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.02)) as h, served(h) as address, browser() as chromium:
            ann = await come_in(await chromium.page(), f"http://{address}/", "ann")
            await say(ann, "count to 1000")
            await playwright.expect(ann.locator(".streaming .words")).to_contain_text("1 2 3")
            await ann.locator("#stop").click()
            await playwright.expect(ann.locator("#log .cut .words")).to_contain_text("1 2 3")
            await playwright.expect(ann.locator("#stop")).to_be_disabled()
            await say(ann, "and now")
            await playwright.expect(words(ann).last).to_have_text("You said: and now")

    play(scene, GUARD_S)


def test_what_the_agent_wants_to_do_is_approved_or_rejected() -> None:
    async def scene() -> None:
        async with house(DemoAgent(0.0)) as h, served(h) as address, browser() as chromium:
            ann = await come_in(await chromium.page(), f"http://{address}/", "ann")
            await say(ann, "book a table for two")
            await playwright.expect(ann.locator(".ask pre")).to_contain_text("table for two")
            await ann.reload()
            await ann.get_by_role("button", name="Approve").click()
            await playwright.expect(words(ann).last).to_have_text("It is done.")
            await playwright.expect(ann.locator(".ask")).to_have_count(0)
            await say(ann, "delete everything")
            await ann.get_by_role("button", name="Reject").click()
            await playwright.expect(words(ann).last).to_have_text("Then I will leave it.")

    play(scene, GUARD_S)


def test_a_network_that_goes_away_loses_and_doubles_no_word() -> None:
    async def scene() -> None:
        async with (
            house(DemoAgent(0.01)) as h,
            served(h) as address,
            cable(address) as line,
            browser() as chromium,
        ):
            ann = await come_in(await chromium.page(), f"{line.address}/", "ann")
            count = " ".join(str(number) for number in range(1, 101))
            await say(ann, "count to 100")
            for seen in ("10", "40", "70"):
                await playwright.expect(words(ann).nth(1)).to_contain_text(f"{seen} ")
                await line.cut()
                await playwright.expect(ann.locator("#status")).not_to_have_text("connected")
                await say(ann, f"meanwhile {seen}") if seen == "40" else None
                line.mend()
                await playwright.expect(ann.locator("#status")).to_have_text("connected")
            await playwright.expect(words(ann)).to_have_text(
                ["count to 100", count, "meanwhile 40", "You said: meanwhile 40"]
            )

    play(scene, GUARD_S)
