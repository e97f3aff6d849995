import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from cloud.web import format as form
from tests.cloud.web.conftest import SIZES
from tests.cloud.web.console import midnight_ms
from tests.cloud.web.plant import WARM_RACK, Plant
from tests.cloud.web.proxy import cable

PAGES = {
    "fleet": "/",
    "station": "/stations/haibin-1",
    "rack": f"/stations/haibin-1/racks/{WARM_RACK}",
    "schedule": "/stations/haibin-1/schedule",
    "health": "/stations/haibin-1/health",
    "cells": "/stations/haibin-1/cells",
    "alarms": "/alarms",
    "metrics": "/alarms/metrics",
}
LEGEND = "[data-legend='fleet-chart']"
WORDS = {
    "en": ("Haibin 1", "Limits in force", "Selected cell", "temperature outlier", "Schedule"),
    "zh-Hans": ("海滨一站", "生效限值", "所选电芯", "温度离群", "计划曲线"),
}
# Nothing is cut off, and the page itself never scrolls sideways (wide tables scroll in a panel).
OVERFLOW = """() => {
  const found = [];
  const wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth + 1) found.push(`page ${wide.scrollWidth}`);
  for (const node of document.querySelectorAll("main *, .bar *, .banner *")) {
    const style = getComputedStyle(node);
    const text = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
    if (style.display === "none" || style.display === "inline" || !node.clientWidth) continue;
    if (node.closest("svg, .vh, .uplot, .scroll")) continue;
    if (text && node.scrollWidth > node.clientWidth + 1)
      found.push(`${node.className}: ${node.textContent.trim().slice(0, 60)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_reader_signs_in_and_clicks_through_every_page(visit, console, language):
    station, limits, selected, finding, schedule = WORDS[language]
    with visit(language) as visitor:
        page = visitor.page
        page.context.clear_cookies()
        page.goto(visitor.url)
        page.fill("[name=user]", console.user)
        page.fill("[name=password]", console.password)
        page.click(".btn.go")
        expect(page.locator("html")).to_have_attribute("lang", language)

        page.click(f"#fleet a:has-text('{station}')")
        expect(page.get_by_role("heading", name=limits)).to_be_visible()
        expect(page.locator("#power-chart canvas")).to_be_visible()
        expect(page.locator("[data-point='STATION:soc']").first).to_have_text(re.compile(r"^\d"))

        page.locator(f"a.rackbar[data-rack='{WARM_RACK}']").click()
        expect(page.get_by_role("heading", name=selected)).to_be_visible()
        expect(page.locator("[data-cell='finding']")).to_contain_text(finding)

        page.click("#peers tr:first-child a")
        page.wait_for_url(re.compile(r"/racks/C1-R01$"))
        page.click(f".rail a:has-text('{schedule}')")
        expect(page.locator("#grid [role=gridcell]")).to_have_count(96)

        page.click(".rail a[href='/alarms']")
        expect(page.locator("#alarm-table")).to_be_visible()
        page.click(".who button")
        page.wait_for_url(re.compile(r"/sign-in$"))


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-Hans", "light")])
def test_no_page_cuts_text_or_scrolls_sideways_on_any_screen(visit, language, theme):
    problems = []
    with visit(language, theme) as visitor:
        for name, path in PAGES.items():
            page = visitor.open(path)
            page.wait_for_function("document.fonts.status === 'loaded'")
            for size, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
                problems += [f"{name} {size} {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []


def test_live_values_arrive_every_second_and_the_age_ticks(visit, console):
    with visit() as visitor:
        page = visitor.open("/stations/haibin-1")
        point = page.locator("[data-point='METER:frequency_hz']").first

        seen = {point.text_content()}
        page.wait_for_function(
            "(before) => document.querySelector(\"[data-point='STATION:cycle_ms']\").textContent"
            " !== before",
            arg=page.locator("[data-point='STATION:cycle_ms']").first.text_content(),
        )

        assert all(re.fullmatch(r"50\.0\d", text) for text in seen)
        expect(page.locator("[data-age]")).to_have_text(re.compile(r"^\d s$"))
        expect(page.locator("#lost")).to_be_hidden()


def test_the_fleets_chart_tells_the_power_of_the_same_moment_as_its_tile(visit, console):
    told = """([before, begins]) => {
      const tile = document.querySelector("#fleet .kpi .v").firstChild.textContent;
      const legend = document.querySelector("[data-legend='fleet-chart'] span:has(.act) b");
      return tile !== before && tile.startsWith(begins) && [tile, legend.textContent];
    }"""
    usual = console.feeder.plant
    with visit() as visitor:
        page = visitor.open("/")
        expect(page.locator(f"{LEGEND} span:has(.act) b")).to_have_text(re.compile(r"\d"))
        try:
            console.feeder.plant = Plant(midnight_ms(), [2525.0] * 96)

            tile, legend = page.wait_for_function(told, arg=["", "2.5"]).json_value()
            later = page.wait_for_function(told, arg=[tile, "2.5"]).json_value()
        finally:
            console.feeder.plant = usual

    assert legend == tile
    assert later[0] == later[1]


def test_a_station_that_falls_silent_is_hatched_and_says_so(visit, console):
    console.feeder.paused = True
    try:
        with visit() as visitor:
            page = visitor.open("/stations/haibin-1")
            lost = page.locator("#lost")
            expect(lost).to_contain_text("Link to the station lost")
            expect(page.locator(".kpi .v.stale")).to_have_count(6)

            page.goto(f"{visitor.url}/")
            expect(page.locator("#fleet td.pwr.stale")).to_be_visible()
            expect(page.locator("#fleet .kpi").first).to_contain_text("0 of 1")
            expect(page.locator(f"{LEGEND} span:has(.act) b")).to_have_text(form.NO_VALUE)
            expect(page.locator("#banner")).to_contain_text("Link lost")
            console.feeder.paused = False
            expect(page.locator("#fleet td.pwr.stale")).to_have_count(0)
    finally:
        console.feeder.paused = False


def test_a_page_without_connection_says_that_its_values_are_old(visit, console):
    with visit("zh-Hans") as visitor, cable(urlsplit(console.url).port) as line:
        visitor.url = f"http://127.0.0.1:{line.port}"
        page = visitor.open("/stations/haibin-1")
        expect(page.locator("#lost")).to_be_hidden()

        line.cut()
        expect(page.locator("#lost")).to_contain_text("页面与云端连接中断")

        line.mend()
        expect(page.locator("#lost")).to_be_hidden()
        page.close()
        visitor.complaints.clear()  # the browser has every reason to complain without cable


def test_a_new_alarm_reaches_the_banner_the_panel_and_the_screen_reader(visit, console):
    with visit() as visitor:
        page = visitor.open("/stations/haibin-1")
        console.do(console.feeder.raise_event("C1-PCS", "pcs.trip", active=True))

        expect(page.locator("#banner a.un").first).to_contain_text("PCS tripped")
        expect(page.locator("#banner .pr.x2")).to_be_visible()
        expect(page.locator("#alarms")).to_contain_text("PCS tripped")
        expect(page.locator("#shout")).to_contain_text("PCS tripped")

        console.do(console.feeder.raise_event("C1-PCS", "pcs.trip", active=False))
        expect(page.locator("#banner .pr.x2.rtn")).to_be_visible()


def test_the_odd_cell_is_ringed_found_by_keyboard_and_followed_by_the_panel(visit):
    with visit() as visitor:
        page = visitor.open(PAGES["rack"])
        name = page.locator("[data-cell-name]")
        expect(name).to_have_text("C1\u2011R07.3\u201141")
        expect(page.locator("[data-cell='rank']")).to_have_text("1 / 416")

        page.focus("#heat")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        expect(name).to_have_text("C1\u2011R07.4\u201142")
        expect(page.locator("[data-cell='finding']")).to_have_text("like its neighbours")

        page.click("[data-go=outlier]")
        expect(name).to_have_text("C1\u2011R07.3\u201141")
        page.click("[data-quantity=voltage]")
        page.click("[data-scale=deviation]")
        expect(page.locator("[data-ramp-high]")).to_contain_text("mV")
        page.hover("#heat", position={"x": 200, "y": 60})
        expect(page.locator("#heat .tip")).to_contain_text("from the rack's median")


def test_language_and_theme_stay_as_chosen_and_come_from_the_server(visit):
    with visit() as visitor:
        page = visitor.open("/stations/haibin-1")
        page.click("button[value=light]")
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.click("button[value=zh-Hans]")
        expect(page.get_by_role("heading", name="生效限值")).to_be_visible()

        raw = page.request.get(f"{visitor.url}/stations/haibin-1").text()

        assert '<html lang="zh-Hans" data-theme="light">' in raw
        assert page.url.endswith("/stations/haibin-1")


def test_a_wrong_password_and_a_foreign_way_back_lead_nowhere(console, browser):
    page = browser.new_page(locale="zh-CN")
    page.goto(f"{console.url}/sign-in?back=//evil.example/")
    page.fill("[name=user]", "somebody")
    page.fill("[name=password]", "wrong")
    page.click(".btn.go")
    expect(page.get_by_role("alert")).to_have_text("用户名或密码错误。")

    page.fill("[name=user]", console.user)
    page.fill("[name=password]", console.password)
    page.click(".btn.go")

    page.wait_for_url(f"{console.url}/")
    page.close()


def test_a_page_that_does_not_exist_says_so_in_the_readers_language(visit):
    with visit("zh-Hans") as visitor:
        page = visitor.page
        page.goto(f"{visitor.url}/stations/haibin-1/racks/C9-R99")

        expect(page.get_by_role("heading", name="页面不存在")).to_be_visible()
        visitor.complaints.clear()  # Chromium reports the 404 itself


def test_keys_move_between_areas(visit):
    with visit() as visitor:
        page = visitor.open("/stations/haibin-1")
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.wait_for_url(re.compile(r"/schedule$"))
        page.keyboard.press("g")
        page.keyboard.press("f")
        page.wait_for_url(f"{visitor.url}/")


def test_pages_and_server_write_the_same_numbers(visit):
    values = [0, -0.004, 3.456, -1297.04, 1234567.8, -12.5, 1e7, 0.05, 99.949]
    with visit() as visitor:
        page = visitor.open("/alarms")
        for digits in (0, 1, 2, 3):
            told = page.evaluate(
                "async ([values, digits]) => { const { number } = await"
                " import('/static/js/format.js'); return values.map((v) => number(v, digits)); }",
                [[value + 0.0001 for value in values], digits],
            )
            assert told == [form.number(value + 0.0001, digits) for value in values]
        sums = page.evaluate(
            "async (values) => { const { sum } = await import('/static/js/format.js');"
            " return values.map(sum); }",
            [*values, 99.996],
        )
        assert sums == [form.sum_(value) for value in [*values, 99.996]]
