import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from cloud.access import Role, users
from tests.cloud.web.console import ZONE, quick_passwords

WORDS = {
    "en": {
        "fine": "All points within limits",
        "over": "beyond the rating of 3.45 MW",
        "accepted": "The station has accepted the schedule and signed the receipt.",
        "state": "accepted",
        "refused": "The station has refused the schedule: the order is beyond the station's limits",
        "taken": "96 points taken over.",
        "wrong": "is not a number",
    },
    "zh-Hans": {
        "fine": "所有点均在限值内",
        "over": "超出额定 3.45\u00a0MW",
        "accepted": "电站已接受计划并签署回执。",
        "state": "已接受",
        "refused": "电站拒绝计划：指令超出电站限值",
        "taken": "已导入 96 点。",
        "wrong": "不是数字",
    },
}


def day(ahead: int) -> str:
    today = dt.datetime.now(ZoneInfo(ZONE)).date()
    return (today + dt.timedelta(days=ahead)).isoformat()


def editor(visitor, ahead: int) -> Page:
    """The editor of a day that nothing has been ordered for."""
    page = visitor.open(f"/stations/haibin-1/schedule?date={day(ahead)}")
    expect(page.locator("[data-check]")).not_to_have_text("–")
    return page


def paste(page: Page, text: str) -> None:
    """Paste into the grid as a spreadsheet would."""
    page.locator("#grid [tabindex='0']").focus()
    page.evaluate(
        "(text) => { const data = new DataTransfer(); data.setData('text/plain', text);"
        " document.activeElement.dispatchEvent(new ClipboardEvent('paste',"
        " { clipboardData: data, bubbles: true, cancelable: true })); }",
        text,
    )


def powers(page: Page) -> list[str]:
    return page.locator("#grid [role=gridcell]").all_text_contents()


def in_time(page: Page) -> list[str]:
    """The 96 texts in the order of the day; the grid is laid out by quarter, then hour."""
    cells = powers(page)
    return [cells[quarter * 24 + hour] for hour in range(24) for quarter in range(4)]


@pytest.mark.parametrize(("language", "ahead"), [("en", 1), ("zh-Hans", 2)])
def test_a_pasted_day_is_checked_signed_sent_and_answered(visit, console, language, ahead):
    words = WORDS[language]
    column = ["0"] * 40 + ["1,20"] * 4 + ["0"] * 12 + ["\u22121,25"] * 4 + ["0"] * 36
    with visit(language) as visitor:
        page = editor(visitor, ahead)
        paste(page, "\r\n".join(column) + "\r\n")
        expect(page.locator("[data-told]")).to_have_text(words["taken"])
        expect(page.locator("[data-check]")).to_have_text(words["fine"])
        assert in_time(page)[40:44] == ["1.20"] * 4
        assert in_time(page)[56:60] == ["\u22121.25"] * 4
        expect(page.locator("[data-changed]")).to_have_text("8")

        page.click("[data-act=send]")
        sign = page.locator("#sign")
        expect(sign.locator("[data-sign=energy]")).to_have_text("1.25 / 1.20 MWh")
        expect(sign.locator("[data-sign=extremes]")).to_have_text("1.20 / \u22121.25 MW")
        mark = sign.locator("[data-sign=fingerprint]").text_content()
        assert re.fullmatch(r"([0-9a-f]{4} ){3}[0-9a-f]{4}", mark)
        page.click("#send")

        expect(page.locator("[data-life=words]")).to_have_text(words["accepted"])
        expect(page.locator("#life-steps li.done")).to_have_count(3)
        page.click("#life button")
        newest = page.locator("#orders li").first
        expect(newest).to_contain_text(words["state"])
        expect(newest).to_contain_text(mark)

        page.reload()
        expect(page.locator("[data-check]")).not_to_have_text("–")
        assert in_time(page)[40:44] == ["1.20"] * 4


@pytest.mark.parametrize(("language", "ahead"), [("en", 3), ("zh-Hans", 4)])
def test_a_refusal_of_the_station_is_shown_with_its_reason(visit, console, language, ahead):
    console.feeder.refuse = "over_limit"
    try:
        with visit(language) as visitor:
            page = editor(visitor, ahead)
            paste(page, "\t".join(["0.5"] * 2))
            page.click("[data-act=send]")
            page.click("#send")

            expect(page.locator("[data-life=words]")).to_contain_text(WORDS[language]["refused"])
            expect(page.locator("#life-steps li.stopped")).to_have_count(1)
    finally:
        console.feeder.refuse = None


def test_power_beyond_the_rating_is_framed_named_and_cannot_be_sent(visit):
    with visit("zh-Hans") as visitor:
        page = editor(visitor, 5)
        paste(page, "0\n0\n3.46")

        expect(page.locator("[data-check]")).to_contain_text(WORDS["zh-Hans"]["over"])
        expect(page.locator("[data-check]")).to_contain_text("00:30")
        expect(page.locator("#grid .bad")).to_have_count(1)
        expect(page.locator("[data-act=send]")).to_be_disabled()


def test_leaving_the_soc_band_needs_a_tick_before_it_can_be_sent(visit):
    with visit() as visitor:
        page = editor(visitor, 5)
        paste(page, "\n".join(["-3"] * 24))
        page.click("[data-act=send]")

        expect(page.locator("[data-sign=warning]")).to_contain_text("SOC above 95")
        expect(page.locator("#send")).to_be_disabled()
        page.check("#known")
        expect(page.locator("#send")).to_be_enabled()
        page.locator("#sign button[value=cancel]").click()
        expect(page.locator("#sign")).to_be_hidden()


def test_the_grid_works_by_keyboard_alone(visit):
    with visit() as visitor:
        page = editor(visitor, 5)
        page.locator("#grid [tabindex='0']").focus()
        page.keyboard.type("-2,5")
        page.keyboard.press("Enter")
        assert in_time(page)[:2] == ["\u22122.50", "0.00"]

        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.type("1.5")
        page.keyboard.press("Enter")
        assert in_time(page)[5:9] == ["1.50", "1.50", "1.50", "0.00"]

        page.keyboard.press("Control+z")
        assert in_time(page)[5:8] == ["0.00"] * 3
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        assert set(in_time(page)) == {"0.00"}
        expect(page.locator("[data-changed]")).to_have_text("0")


FORMS = {
    "1\n2\n3": ["1.00", "2.00", "3.00"],
    "1\t2\t3": ["1.00", "2.00", "3.00"],
    "1,5\n\u22122,25\n+0,5": ["1.50", "\u22122.25", "0.50"],
    "1.5, 2.0, -3": ["1.50", "2.00", "\u22123.00"],
    "0.5;0.75;1": ["0.50", "0.75", "1.00"],
    "0.001 2.999 3": ["0.00", "3.00", "3.00"],
    "1,000.5\n2\n3": ["1,000.50", "2.00", "3.00"],
}


def test_the_forms_of_spreadsheets_are_read(visit):
    with visit() as visitor:
        page = editor(visitor, 5)
        for text, expected in FORMS.items():
            paste(page, text)
            assert in_time(page)[:3] == expected, text
            page.keyboard.press("Control+z")


def test_what_is_no_table_of_numbers_is_refused_whole(visit):
    with visit() as visitor:
        page = editor(visitor, 5)
        for text in ("1\nabc\n3", "", "1\n=A1\n3", "1\n--2"):
            paste(page, text)
            expect(page.locator("[data-told]")).to_contain_text("Nothing was taken over")
            assert set(in_time(page)) == {"0.00"}, text


def test_the_paste_dialog_says_what_it_could_not_read(visit):
    with visit("zh-Hans") as visitor:
        page = editor(visitor, 5)
        page.click("[data-act=paste]")
        page.fill("#paste-text", "1\n二\n3")
        page.click("[data-act=take]")
        expect(page.locator("#paste-finding")).to_contain_text(WORDS["zh-Hans"]["wrong"])

        page.fill("#paste-text", "1\n2\n3")
        page.select_option("#paste-at", "4")
        page.click("[data-act=take]")
        expect(page.locator("#paste")).to_be_hidden()
        assert in_time(page)[4:7] == ["1.00", "2.00", "3.00"]


def test_points_that_are_over_cannot_be_changed(visit):
    with visit() as visitor:
        page = visitor.open("/stations/haibin-1/schedule")
        before = in_time(page)
        locked = page.locator("#grid .lock").count()
        paste(page, "\n".join(["0.33"] * 96))

        after = in_time(page)

        assert after[:locked] == before[:locked]
        assert set(after[locked:]) <= {"0.33"}
        assert locked == int(page.evaluate("JSON.parse(facts.textContent).first_open"))


def test_a_viewer_sees_the_schedule_and_cannot_send_it(visit, console, browser):
    pool = console.worker.services.pool
    made = users.create(
        pool, quick_passwords(), "viewer", "right horse battery", frozenset({Role.VIEWER})
    )
    console.do(made)
    page = browser.new_page()
    page.goto(f"{console.url}/sign-in?back=/stations/haibin-1/schedule?date={day(5)}")
    page.fill("[name=user]", "viewer")
    page.fill("[name=password]", "right horse battery")
    page.click(".btn.go")
    page.wait_for_url(re.compile("/schedule"))
    paste(page, "1\n2")

    expect(page.locator("[data-changed]")).to_have_text("2")
    expect(page.locator("[data-act=send]")).to_be_disabled()
    page.close()
