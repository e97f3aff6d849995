import re
import uuid
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from contract.commands import CommandRecord, CommandState
from tests.cloud.web.conftest import SIZES
from tests.cloud.web.feeder import now_ms
from tests.cloud.web.test_pages_in_chromium import OVERFLOW

PATH = "/stations/haibin-1/commands"
ROWS = "#command-rows tbody tr"
WORDS = {
    "en": {
        "title": "Commands",
        "bit": "SOC band",
        "cause": "the converter derates itself",
        "steps": ["issued", "accepted", "failed"],
        "source": "dispatch centre (AGC)",
        "none": "No command fits",
        "unknown": "the station was restarted before it knew",
    },
    "zh-Hans": {
        "title": "指令",
        "bit": "SOC 运行区间",
        "cause": "变流器自行降额",
        "steps": ["已下发", "已接受", "失败"],
        "source": "调度中心（AGC）",
        "none": "没有符合条件的指令",
        "unknown": "电站在得知结果前已重启",
    },
}


def command(ago_ms: int = 0, **changes: object) -> CommandRecord:
    issued_ms = now_ms() - ago_ms
    made = CommandRecord(
        *(str(uuid.uuid4()), "haibin-1", "C1-PCS", "active_power_setpoint_kw", -1234.5),
        *("schedule", str(uuid.uuid4()), "SOC band", CommandState.DELIVERED, "", issued_ms),
        *(issued_ms + 12, issued_ms + 2_112),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def failed(console) -> CommandRecord:
    """130 commands of the last hours, one that has failed and one that nobody knows of."""
    made = [command(60_000 + n * 30_000, device=f"C{n % 2 + 1}-PCS") for n in range(128)]
    bad = command(
        30_000,
        device="C2-PCS",
        source="agc",
        state=CommandState.FAILED,
        reason="not delivered: -900.0 kW measured, -1234.5 kW commanded, for 15 s",
        cause_en="the converter derates itself",
        cause_zh="变流器自行降额",
    )
    lost = command(40_000, state=CommandState.UNKNOWN, accepted_ms=0, point="start", value=1.0)
    console.do(console.feeder.command(*made, bad, lost))
    return bad


@pytest.fixture(autouse=True)
def _commands(failed) -> None:
    """Every test here has them."""


@pytest.mark.parametrize("language", sorted(WORDS))
def test_the_life_of_a_command_is_read_with_who_asked_and_which_limit_bit(visit, failed, language):
    words = WORDS[language]
    with visit(language) as visitor:
        page = visitor.open("/stations/haibin-1")
        page.click(f".rail a:has-text('{words['title']}')")
        page.wait_for_url(re.compile(rf"{PATH}$"))
        expect(page.locator("h1")).to_have_text(words["title"])
        row = page.locator(f"{ROWS}[data-command='{failed.id}']")

        expect(row).to_contain_text("−1,234.5kW")
        expect(row).to_contain_text(words["source"])
        expect(row).to_contain_text(words["bit"])
        expect(row).to_contain_text(words["cause"])
        assert row.locator(".life b").all_text_contents() == words["steps"]
        assert row.locator(".life .n").all_text_contents() == ["", "+12 ms", "+2.1 s"]
        expect(row.locator(".life li.bad")).to_have_count(1)
        expect(page.locator(f"{ROWS}[data-state='unknown']")).to_contain_text(words["unknown"])
        expect(page.locator(".kpi")).to_have_count(6)


def test_filters_work_by_keyboard_and_stay_in_the_address(visit, failed):
    with visit() as visitor:
        page = visitor.open(PATH)
        page.focus("#filters [name=device]")
        page.keyboard.type("C2-PCS")
        page.keyboard.press("Tab")
        page.keyboard.type("failed")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("device=C2-PCS"))

        expect(page.locator(ROWS)).to_have_count(1)
        expect(page.locator(ROWS)).to_have_attribute("data-command", failed.id)
        asked = parse_qs(urlsplit(page.url).query)
        assert (asked["device"], asked["state"]) == (["C2-PCS"], ["failed"])
        expect(page.locator("#filters [name=state]")).to_have_value("failed")
        expect(page.locator(".kpi").first.locator(".v")).to_have_text("1")


def test_older_commands_are_a_page_away_and_back(visit):
    with visit() as visitor:
        page = visitor.open(f"{PATH}?source=schedule")
        seen = [row.get_attribute("data-command") for row in page.locator(ROWS).all()]
        page.click("#older")
        page.wait_for_url(re.compile("before="))
        more = [row.get_attribute("data-command") for row in page.locator(ROWS).all()]

        assert (len(seen), len(set(seen) & set(more))) == (100, 0)
        assert len(more) >= 29
        page.click("#newest")
        expect(page.locator(ROWS)).to_have_count(100)


def test_a_command_that_comes_appears_by_itself_and_a_later_state_takes_its_place(visit, console):
    fresh = command(device="C9-PCS", state=CommandState.ACCEPTED, settled_ms=0)
    with visit() as visitor:
        page = visitor.open(f"{PATH}?device=C9-PCS&range=hour")
        expect(page.locator("#command-rows")).to_contain_text(WORDS["en"]["none"])

        console.do(console.feeder.command(fresh))
        row = page.locator(f"{ROWS}[data-command='{fresh.id}']")
        expect(row).to_have_attribute("data-state", "accepted")
        settled = replace(fresh, state=CommandState.SUPERSEDED, settled_ms=fresh.issued_ms + 50)
        console.do(console.feeder.command(settled))
        expect(row).to_have_attribute("data-state", "superseded")


@pytest.mark.parametrize(
    "query", ["range=ever&state=x&source=x&before=soon", "device=%00%3Cscript"]
)
def test_an_odd_address_shows_a_page_all_the_same(visit, query):
    with visit() as visitor:
        page = visitor.open(f"{PATH}?{query}")

        expect(page.locator("#filters")).to_be_visible()
        expect(page.locator("#filters [name=range]")).to_have_value("day")


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-Hans", "light")])
def test_nothing_is_cut_and_the_page_never_scrolls_sideways(visit, language, theme):
    problems = []
    with visit(language, theme) as visitor:
        page = visitor.open(PATH)
        page.wait_for_function("document.fonts.status === 'loaded'")
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
            problems += [f"{size} {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []
