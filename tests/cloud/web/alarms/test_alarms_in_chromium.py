import re

import pytest
from playwright.sync_api import expect

from tests.cloud.web.alarms.happen import (
    ROWS,
    event,
    happen,
    incident,
    row_of,
)
from tests.cloud.web.conftest import SIZES
from tests.cloud.web.console import STATION
from tests.cloud.web.test_pages_in_chromium import OVERFLOW

FLOOD = 5_000


@pytest.mark.parametrize(
    ("language", "story", "words"),
    [
        ("en", "The whole story", ("Cell temperature", "Protective action", "Acknowledged")),
        ("zh-Hans", "完整经过", ("单体温度越限", "保护动作执行", "已确认")),
    ],
)
def test_an_incident_is_read_as_one_story(visit, console, language, story, words):
    incident(console)
    with visit(language) as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(ROWS).first).to_contain_text(words[0])
        page.locator(ROWS).first.focus()
        page.keyboard.press("a")
        expect(page.locator("#say")).not_to_be_empty()
        expect(page.locator("#trip-group li").first).to_contain_text(words[0])
        page.click(f"#trip-group a:has-text('{story}')")

        lines = page.locator(".storied tbody tr")
        expect(lines.first).to_contain_text(words[0])
        expect(lines.nth(2)).to_contain_text(words[1])
        expect(lines.nth(2)).to_contain_text(re.compile(r"\+1\.58\d s"))
        expect(lines.filter(has_text=f"{words[2]}cell.temperature")).to_have_count(1)
        times = [line.split("\n")[0] for line in lines.all_inner_texts()]
        assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}", time) for time in times)
        page.emulate_media(media="print")
        expect(page.locator("[data-act=print]")).to_be_hidden()
        expect(page.locator("#banner")).to_be_hidden()
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.emulate_media(media="screen")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(
    ("language", "wrong"),
    [("en", "The last day is before the first"), ("zh-Hans", "末日早于首日")],
)
def test_the_metrics_say_load_split_and_the_most_frequent(visit, console, language, wrong):
    edges = [
        event("pcs.alarm", "C2-PCS", 60_000 - 9_000 * n - 4_000 * gone, active=not gone)
        for n in range(4)
        for gone in (0, 1)
    ]
    happen(console, *edges, event("fire.alarm", "FIRE"))
    with visit(language) as visitor:
        page = visitor.open("/alarms/metrics?range=day")
        top = page.locator("table").filter(has_text="pcs.alarm").first
        expect(top).to_contain_text("80.0")
        expect(page.locator("table").filter(has=page.locator(".pr.x4")).first).to_contain_text(
            "20.0"
        )
        expect(page.locator("#metrics-chart canvas")).to_be_visible()

        page.fill("[name=from]", "2026-05-02")
        page.fill("[name=to]", "2026-05-01")
        page.click("form.asks .btn")

        expect(page.get_by_role("alert").first).to_contain_text(wrong)


def test_a_flood_of_5000_alarms_leaves_the_page_usable_and_the_first_out_on_top(visit, console):
    first = event("cell.temperature", "C1-R07", 70_000)
    rest = [
        event("rack.alarm", f"C1-R{n % 10:02d}", 60_000 - n * 10, tag=f"rack_alarms.{n}")
        for n in range(FLOOD)
    ]
    with visit() as visitor:
        page = visitor.open("/alarms")
        happen(console, first, *rest)

        expect(page.locator(".tabs [data-count=active]")).to_have_text("5,001")
        expect(page.locator(ROWS)).to_have_count(100)
        expect(page.locator(ROWS).first).to_contain_text("first-out")
        expect(page.locator(ROWS).first).to_contain_text("Cell temperature out of limits")
        expect(page.locator("#tile-rate")).to_contain_text("5,001")
        expect(page.locator("#banner a.un").first).to_contain_text("Cell temperature")
        page.locator(ROWS).first.focus()
        page.keyboard.press("a")
        expect(page.locator("#say")).to_have_text("1 acknowledged.")
        expect(page.locator(ROWS).first).not_to_contain_text("first-out")
        page.click("[data-act='acknowledge-visible']")
        expect(page.locator("#say")).to_have_text("100 acknowledged.")
        expect(page.locator("#banner")).to_contain_text("Unacknowledged 4,900")
        page.click("[data-turn=after]")
        expect(page.locator("[data-range]")).to_have_text("101 to 200 of 5,001")
        page.fill("#filter", "rack_alarms.4999")
        expect(page.locator(ROWS)).to_have_count(1)
        page.goto(f"{visitor.url}/stations/{STATION}")
        expect(page.locator("#alarms")).to_contain_text("4,989 more")


def test_a_page_is_turned_while_the_details_of_alarms_are_still_awaited(visit, console):
    happen(
        console,
        *[
            event("rack.alarm", "C1-R07", 60_000 - n * 10, tag=f"rack_alarms.{n}")
            for n in range(150)
        ],
    )

    def awaited(_route):
        """Let the page wait for this answer until it is left."""

    with visit() as visitor:
        page = visitor.open("/alarms")
        expect(page.locator("[data-range]")).to_have_text("1 to 100 of 150")
        page.route("**/fragments/alarms/*", awaited)
        with page.expect_request("**/fragments/alarms/*"):
            page.locator(ROWS).nth(1).click()
        page.click("[data-turn=after]")
        page.locator(ROWS).nth(2).click()
        expect(page.locator("[data-range]")).to_have_text("101 to 150 of 150")
        page.unroute_all(behavior="ignoreErrors")


def test_the_banner_shows_the_highest_unacknowledged_first_and_never_what_is_put_aside(
    visit, console
):
    happen(
        console,
        event("fire.alarm", "FIRE", 9_000),
        event("pcs.alarm", "C1-PCS", 8_000),
        event("chiller.alarm", "C2-CHL", 7_000),
    )
    with visit() as visitor:
        page = visitor.open("/alarms")
        row_of(page, "FIRE").click()
        page.keyboard.press("a")
        expect(page.locator("#banner a:has(.pr)").last).to_contain_text("Fire alarm")
        expect(page.locator("#banner a:has(.pr)").first).to_contain_text("Chiller alarm")
        expect(page.locator("#banner .pr.x1.ack")).to_be_visible()

        row_of(page, "C2-CHL").click()
        page.keyboard.press("s")
        page.locator("#shelve textarea").fill("known")
        page.click("#shelve button[value=ok]")

        expect(page.locator("#banner")).not_to_contain_text("Chiller alarm")
        expect(page.locator("#banner")).to_contain_text("shelved 1")
        expect(page.locator(".rail [data-tree='haibin-1/C1'] .x3")).to_be_visible()
        expect(page.locator(".rail [data-tree='haibin-1/C2'] .pr")).to_have_count(0)


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-Hans", "dark")])
def test_no_alarm_page_cuts_text_or_scrolls_sideways(visit, console, language, theme):
    incident(console)
    happen(console, event("fire.alarm", "FIRE"), event("control.not_delivered", "STATION"))
    problems = []
    with visit(language, theme) as visitor:
        page = visitor.open("/alarms")
        story = page.locator("#trip-group footer a").get_attribute("href")
        lists = ("/alarms", "/alarms?tab=history", "/alarms?tab=shelved")
        for path in (*lists, "/alarms/metrics", story):
            visitor.open(path)
            page.wait_for_function("document.fonts.status === 'loaded'")
            for size, (width, height) in (SIZES | {"laptop": (1280, 800)}).items():
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
                problems += [f"{path} {size} {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []


def test_urgent_alarms_that_come_close_together_are_all_said(visit, console):
    with visit() as visitor:
        page = visitor.open("/alarms")
        happen(console, event("fire.alarm", "FIRE", 3_000))
        shout = page.locator("#shout")
        expect(shout).to_have_text("Priority 1: Fire alarm, Haibin 1 · FIRE")

        happen(console, event("pcs.trip", "C1-PCS", 1_000))

        expect(shout).to_have_text("Priority 2: PCS tripped, Haibin 1 · C1-PCS")
