"""The market desk: a trader sees the bid with its reasons and risk, changes it, signs it."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from cloud.access import Role, users
from tests.cloud.desk_day import day_ahead
from tests.cloud.web.console import quick_passwords
from tests.cloud.web.market import draft_day, draft_held, running_market
from tests.cloud.web.test_pages_in_chromium import OVERFLOW

PASSWORD = "right horse battery"
NUMBER = re.compile(r"[\d,.]+")
TOUCHING = """
async () => {
  const module = document.querySelector("script[src*='/desk.js']").src;
  const { histogram } = await import(new URL("desk_draw.js", module));
  const host = document.querySelector("#hist");
  const apart = (a, b) =>
    a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const boxes = (what) =>
    [...host.querySelectorAll(what)].map((one) => one.getBoundingClientRect());
  const told = { edges: [0, 50, 100], counts: [1, 1] };
  const wrong = [];
  for (const width of [240, 420]) {
    host.style.width = `${width}px`;
    for (let cvar = 0; cvar <= 100; cvar += 5) {
      for (const nearer of [0, 1, 5, 20, 60]) {
        const earned = Math.min(cvar + nearer, 100);
        histogram(host, told, [["VaR 95 %", -earned], ["CVaR 95 %", -cvar]], "");
        const [labels, lines] = [boxes("text:is(.first, .last)"), boxes(".var")];
        const inside = host.getBoundingClientRect();
        const whole = labels.every((one) => one.left >= inside.left && one.right <= inside.right);
        const clear = labels.every((one) => lines.every((line) => apart(line, one)));
        if (!whole || !clear || !apart(...labels)) wrong.push([width, earned, cvar]);
      }
    }
  }
  return wrong;
}
"""
"""Draws risk from left to right in two widths; returns where a label touches what it must not."""
TICKS = """
async () => {
  const module = document.querySelector("script[src*='/desk.js']").src;
  const { tick } = await import(new URL("format.js", module));
  const [midnight, gate] = ["2026-11-27T00:00+08:00", "2026-11-27T03:34+08:00"].map(Date.parse);
  const at = (ms, seconds, end) => tick(ms, "Asia/Shanghai", seconds, end);
  return [at(midnight, false, midnight), at(midnight, false, gate), at(gate, true, gate)];
}
"""
"""The end of a day, a midnight on the way, the end of a bid of minutes."""
OF_A_DAY = re.compile(r"^(69|72|75)")
"""0.3 MW at 10 for 23, 24 or 25 hours."""


@pytest.fixture(scope="module")
def exchange(console, tmp_path_factory):
    with running_market(console, tmp_path_factory.mktemp("market")) as running:
        yield running


@pytest.fixture(scope="module")
def bid(console, exchange) -> str:
    return console.do(draft_day(console))


@pytest.fixture(scope="module")
def trader(console) -> str:
    """The cookie of a session of a trader."""
    pool = console.worker.services.pool
    roles = frozenset({Role.TRADER})
    console.do(users.create(pool, quick_passwords(), "lin", PASSWORD, roles))
    credentials = {"user": "lin", "password": PASSWORD}
    answer = httpx.post(f"{console.url}/api/v1/session", json=credentials, timeout=30)
    return answer.cookies["sm_session"]


@pytest.mark.parametrize(
    ("language", "theme", "size"),
    [
        *(("en", "dark", "desk"), ("zh-Hans", "light", "desk")),
        *(("en", "light", "tablet"), ("zh-Hans", "dark", "phone")),
    ],
)
def test_the_pages_are_whole_in_both_languages_and_every_size(visit, bid, language, theme, size):
    pages = {
        "/desk": {"en": "Day-ahead energy", "zh-Hans": "日前电能量"},
        f"/bids?date={day_ahead()}": {"en": "Day-ahead energy", "zh-Hans": "日前电能量"},
        f"/stations/haibin-1/bids/{bid}": {"en": "Offers by interval", "zh-Hans": "分时段报价"},
    }
    problems = []
    with visit(language, theme, size) as visitor:
        for path, words in pages.items():
            page = visitor.open(path)
            expect(page.locator("main")).to_contain_text(words[language])
            if path == "/desk":
                expect(page.locator("[data-risk=expected] [data-value]")).to_have_text(NUMBER)
                expect(page.locator("#hist .step")).to_have_count(1)
            if "/stations/" in path:
                expect(page.locator("[data-fallback]")).to_contain_text(
                    "goes by itself 15 min" if language == "en" else "截止前 15 min 自动提交"
                )
            problems += [f"{path}: {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []


def test_the_risk_of_a_bid_is_kept_and_its_labels_never_touch(visit, bid):
    with visit("zh-Hans") as visitor:
        page = visitor.open(f"/stations/haibin-1/bids/{bid}")
        expect(page.locator("#risk [data-figure=worst]")).to_contain_text(NUMBER)
        expect(page.locator("#risk [data-case]")).to_have_count(6)
        expect(page.locator("#risk [data-case=outage]")).to_contain_text("一半功率停运")
        cells = page.locator("#risk [data-case=price_up] td.r").all_text_contents()

        page = visitor.open(f"/desk?station=haibin-1&bid={bid}")
        expect(page.locator("#hist .var")).to_have_count(2)
        touching = page.evaluate(TOUCHING)

    assert len(cells) == 2  # the draft and its fall-back
    assert all(NUMBER.search(one) for one in cells)
    assert touching == []


def test_who_signs_after_the_gate_is_told_so_and_the_header_says_it(console, visit, trader, bid):
    with visit() as visitor:
        cookie = {"name": "sm_session", "value": trader, "url": console.url}
        visitor.page.context.add_cookies([cookie])
        page = visitor.open(f"/desk?station=haibin-1&bid={bid}")
        page.click("[data-act=sign]:not(:disabled)")
        page.evaluate("() => { const now = Date.now; Date.now = () => now() + 4 * 86_400_000; }")
        expect(page.locator("#which-bid .end")).to_contain_text("the gate is closed")
        expect(page.locator("#which-bid .end")).not_to_contain_text("closes in")

        page.click("#send")

        expect(page.locator("#told")).to_have_text("Nothing was signed: the gate has closed")


def test_only_the_midnight_that_ends_an_axis_is_24_00(visit, bid):
    with visit() as visitor:
        page = visitor.open(f"/desk?station=haibin-1&bid={bid}")
        ticks = page.evaluate(TICKS)

    assert ticks == ["24:00", "00:00", "03:34:00"]


def test_why_a_band_stands_there_has_the_width_of_the_panel(visit, bid):
    with visit() as visitor:
        page = visitor.open(f"/desk?station=haibin-1&bid={bid}")
        expect(page.locator("#bands tbody tr")).not_to_have_count(0)
        why, table = (
            page.locator(f"#bands {part}").first.bounding_box()["width"]
            for part in ("tbody td:last-child", "tbody")
        )
        inside = page.locator("#bands").evaluate(
            "(table) => table.parentElement.scrollWidth <= table.parentElement.clientWidth"
        )

    assert why > 0.9 * table
    assert inside


def test_a_trader_changes_a_band_sees_what_it_does_signs_and_sees_it_accepted(
    console, visit, trader, bid, exchange
):
    with visit() as visitor:
        cookie = {"name": "sm_session", "value": trader, "url": console.url}
        visitor.page.context.add_cookies([cookie])
        page = visitor.open("/")
        page.click(".rail a:has-text('Desk')")
        page.wait_for_url(re.compile("/desk$"))
        expect(page.locator("#gates tbody tr").first).to_contain_text("trader: sign it")
        expect(page.locator("#bands")).to_contain_text("sells at 62.50 or more")
        expect(page.locator("[data-check]")).to_contain_text("Keeps every rule")
        revenue = page.locator("[data-risk=expected]")
        before = revenue.locator("[data-value]").text_content()

        power = page.locator("#bands [data-field=power_mw]").last
        power.fill("30")
        expect(page.locator("[data-check]")).to_have_text(re.compile("^limit max_power_mw of desk"))
        expect(power).to_have_attribute("aria-invalid", "true")
        expect(page.locator("[data-approver]")).to_contain_text("Nobody can sign this")
        expect(page.locator("[data-act=sign]")).to_be_disabled()

        power.fill("0.5")
        expect(revenue.locator("[data-was]")).to_have_text(f"was {before}")
        expect(page.locator("#bands")).to_contain_text("set by hand; it was 2.00 MW at 62.50")
        page.click("[data-act=spread]")
        expect(page.locator("[data-changed]")).to_have_text("8")
        expect(page.locator("[data-sold]")).to_have_text("1.00")

        page.click("[data-act=sign]:not(:disabled)")
        dialog = page.locator("#sign")
        expect(dialog).to_contain_text("4.00 / 1.00 MWh")
        mark = dialog.locator("[data-sign=fingerprint]").text_content().replace(" ", "")
        dialog.locator("[name=why]").fill("the rack is warm")
        dialog.locator("#send").click()

        expect(page.locator("#told")).to_contain_text("Signed.")
        expect(page.locator("#life")).to_have_attribute("data-state", "accepted")
        expect(page.locator("#life .log")).to_contain_text("the rack is warm")
        expect(page.locator("#gates tbody tr").first).to_contain_text("the clearing")

        page.click("#which-bid a.link")
        expect(page.locator("#versions")).to_contain_text("lin")
        other = page.locator("#offers td.b")
        expect(other.filter(has_text="0.500 @ 62.50").first).to_be_visible()
        expect(other.filter(has_text="1.000 @ 62.50").first).to_be_visible()  # of the fall-back
        evening = page.locator("#offers tr", has_text="18:00").first
        expect(evening).to_contain_text("Version 1: sells at 62.50 or more")
        expect(evening).to_contain_text("Version 3: set by hand")
    whole = httpx.get(
        f"{console.url}/api/v1/stations/haibin-1/bids/{bid}",
        cookies={"sm_session": trader},
        timeout=30,
    ).json()
    assert (whole["versions"][-1]["fingerprint"], len(exchange.taken())) == (mark, 1)


def test_power_that_is_held_is_signed_in_mw_and_has_nothing_to_weigh(console, visit, trader):
    held = console.do(draft_held(console))
    with visit() as visitor:
        cookie = {"name": "sm_session", "value": trader, "url": console.url}
        visitor.page.context.add_cookies([cookie])
        page = visitor.open(f"/desk?station=haibin-1&bid={held}")
        expect(page.locator("#hist")).to_contain_text("Nothing to weigh")
        expect(page.locator("[data-legend=plan]")).to_contain_text("holds ready")
        expect(page.locator("[data-legend=plan]")).not_to_contain_text("sells")
        expect(page.locator("[data-legend=fan]")).not_to_contain_text("possible days")
        expect(page.locator("[data-risk=expected] [data-value]")).to_have_text(OF_A_DAY)

        page.click("[data-act=sign]:not(:disabled)")

        expect(page.locator("[data-sign=energy]")).to_have_text("0.30 MW")
        expect(page.locator("#sign")).not_to_contain_text("MWh")


def test_who_does_not_trade_sees_neither_the_desk_nor_the_way_to_it(console, visit):
    pool = console.worker.services.pool
    roles = frozenset({Role.OPERATOR})
    console.do(users.create(pool, quick_passwords(), "wu", PASSWORD, roles))
    answer = httpx.post(
        f"{console.url}/api/v1/session", json={"user": "wu", "password": PASSWORD}, timeout=30
    )
    with visit() as visitor:
        page = visitor.page
        page.context.add_cookies(
            [{"name": "sm_session", "value": answer.cookies["sm_session"], "url": console.url}]
        )
        page.goto(f"{visitor.url}/")
        expect(page.locator(".rail a[href='/desk']")).to_have_count(0)
        refused = page.goto(f"{visitor.url}/desk")
        visitor.complaints.clear()  # Chromium reports the 403 itself

    assert refused.status == 403
