"""Reset at the station: from the alarm that asks for it to the station's receipt."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from cloud import fleet
from cloud.db import connection
from station.protection.reset import reset
from station.protection.state import ProtectionState
from tests.cloud.web.alarms.happen import ROWS, event, happen, row_of
from tests.cloud.web.conftest import SIZES
from tests.cloud.web.console import STATION, Console
from tests.cloud.web.test_pages_in_chromium import OVERFLOW

ACT = "#alarm-detail [data-act='station-reset']"
RESETTABLE = (
    "protection.latched",
    "protection.trip",
    "protection.stop",
    "protection.escalated",
)
WHY = "site says that nobody is in danger"


@contextmanager
def refusing(console: Console, code: str, saying: str = "") -> Iterator[None]:
    """Let the station refuse each order."""
    feeder = console.feeder
    feeder.refuse, feeder.saying = code, saying
    try:
        yield
    finally:
        feeder.refuse, feeder.saying = None, ""


def newest(console: Console) -> fleet.OrderSeen:
    services = console.worker.services
    (order,) = console.do(fleet.list_orders(services.pool, services.vault, STATION, 1))
    return order


def reasons(console: Console) -> list[str]:
    async def read() -> list[str]:
        query = "SELECT detail->>'reason' FROM audit WHERE action = 'send_reset' ORDER BY id"
        async with connection(console.worker.services.pool) as conn:
            return [row[0] for row in await (await conn.execute(query)).fetchall()]

    return console.do(read())


def send(page: Page, why: str = WHY) -> None:
    """Order the reset of the alarm that is shown, by keyboard alone."""
    page.locator(ACT).focus()
    page.keyboard.press("Enter")
    page.locator("#station-reset textarea").focus()
    page.keyboard.type(why)
    page.locator("#station-reset button[value=ok]").focus()
    page.keyboard.press("Enter")


def said_so_far(page: Page) -> None:
    """Let the page remember all that its polite live region says."""
    page.evaluate(
        "() => { window.heard = []; const place = document.querySelector('#say');"
        " new MutationObserver(() => window.heard.push(place.textContent))"
        ".observe(place, { childList: true, characterData: true, subtree: true }); }"
    )


@pytest.mark.parametrize(
    ("language", "sent", "accepted"),
    [
        (
            "en",
            "Order {n} was sent: reset C1-R07.",
            "Order {n}: the station accepted it, C1-R07 is reset.",
        ),
        ("zh-Hans", "指令 {n} 已下发：复归 C1-R07。", "指令 {n}：电站已接受，C1-R07 已复归。"),
    ],
)
def test_a_latch_is_reset_by_an_order_whose_receipt_is_told(
    visit, console, language, sent, accepted
):
    happen(console, event("protection.latched", "C1-R07"))
    with visit(language) as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(ROWS)).to_have_count(1)
        said_so_far(page)

        send(page)

        expect(page.locator("#orders .msg.info")).to_contain_text(re.compile("accepted|已接受"))
        order = newest(console)
        expect(page.locator("#orders p")).to_have_text(accepted.format(n=order.counter))
        heard = page.evaluate("window.heard")
        assert heard[0].startswith(sent.format(n=order.counter))
        assert heard[-1] == accepted.format(n=order.counter)
    assert (order.kind, order.payload) == ("reset", {"target": "C1-R07"})
    assert reasons(console)[-1] == WHY


@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "the cause of the trip still stands"), ("zh-Hans", "跳闸原因仍未消除")],
)
def test_a_refusal_is_told_with_its_reason(visit, console, language, reason):
    happen(console, event("protection.trip", "C1-R07"))
    with visit(language) as visitor, refusing(console, "cause_stands"):
        page = visitor.open("/alarms")
        send(page)

        expect(page.locator("#orders .msg.stop")).to_contain_text(reason)
        expect(page.locator("#say")).to_contain_text(reason)
        expect(page.locator(ROWS)).to_have_count(1)


def test_a_station_with_nothing_latched_there_says_where_to_look(visit, console):
    _, outcome = reset(ProtectionState(), "C1-PCS", 0)
    happen(console, event("protection.escalated", "C1-PCS"))
    with (
        visit("zh-Hans") as visitor,
        refusing(console, outcome.reason_code, outcome.words.en),
    ):
        page = visitor.open("/alarms")
        send(page)

        expect(page.locator("#orders .msg.stop")).to_contain_text("该处无闭锁")


@pytest.mark.parametrize(
    ("code", "device", "target"),
    [
        *((code, "C1-R07", "C1-R07") for code in RESETTABLE),
        ("protection.latched", "PANEL", "station"),
        ("protection.latched", "STATION", "station"),
    ],
)
def test_what_is_reset_is_the_device_and_for_panel_and_controller_the_station(
    visit, console, code, device, target
):
    happen(console, event(code, device))
    with visit() as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(ROWS)).to_have_count(1)
        send(page)
        expect(page.locator("#orders .msg.info")).to_contain_text("accepted it")

    assert newest(console).payload == {"target": target}


def test_only_what_protection_holds_is_reset_at_the_station(visit, console):
    happen(console, event("pcs.alarm", "C1-PCS"), event("protection.latched", "C1-R07", 2_000))
    with visit() as visitor:
        page = visitor.open("/alarms")
        row_of(page, "C1-PCS").click()
        expect(page.locator("#alarm-detail")).to_contain_text("PCS alarm")
        expect(page.locator(ACT)).to_have_count(0)

        row_of(page, "C1-R07").click()

        expect(page.locator(ACT)).to_be_enabled()


def test_nothing_is_ordered_without_a_reason_or_by_escape(visit, console):
    happen(console, event("protection.latched", "C1-R07"))
    before = newest(console).id
    with visit() as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(ROWS)).to_have_count(1)
        send(page, "no")
        dialog = page.locator("#station-reset")
        expect(dialog.get_by_role("alert")).to_contain_text("Write the reason")
        expect(dialog.locator("textarea")).to_be_focused()

        page.keyboard.press("Escape")

        expect(dialog).to_be_hidden()
        expect(page.locator("#orders p")).to_have_count(0)
    assert newest(console).id == before


def test_an_order_without_receipt_is_told_as_such(visit, console):
    happen(console, event("protection.latched", "C1-R07"))
    with visit() as visitor:
        visitor.page.clock.install()
        page = visitor.open("/alarms")
        expect(page.locator(ROWS)).to_have_count(1)
        page.route("**/orders?*", lambda route: route.fulfill(json={"orders": []}))
        send(page)
        expect(page.locator("#orders .msg.info")).to_contain_text("is awaited")

        page.clock.run_for(21_000)

        expect(page.locator("#orders .msg.stop")).to_contain_text("no receipt yet")


@pytest.mark.parametrize("role", ["engineer", "viewer"])
def test_who_may_send_no_order_sees_the_act_and_cannot_use_it(visit, console, role):
    happen(console, event("protection.latched", "C1-R07"))

    async def become(role: str) -> None:
        async with connection(console.worker.services.pool) as conn:
            await conn.execute("UPDATE users SET roles = ARRAY[%s]", [role])

    console.do(become(role))
    try:
        with visit() as visitor:
            page = visitor.open("/alarms")
            expect(page.locator(ACT)).to_be_disabled()
    finally:
        console.do(become("admin"))


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_dialog_and_order_fit_on_every_screen(visit, console, language):
    happen(console, event("protection.latched", "PANEL"))
    problems = []
    with visit(language) as visitor:
        page = visitor.open("/alarms")
        send(page)
        expect(page.locator("#orders .msg.info")).to_contain_text(re.compile("accepted|已接受"))
        page.click(ACT)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
            problems += [f"{size} {found}" for found in page.evaluate(OVERFLOW)]
            inside = "d => d.getBoundingClientRect().right <= innerWidth"
            assert page.locator("#station-reset").evaluate(inside), size

    assert problems == []


def test_the_text_of_a_latched_alarm_points_to_the_act(visit, console):
    happen(
        console,
        event("protection.trip", "C1-R07", 9_000),
        event("protection.trip", "C1-R07", active=False),
    )
    with visit() as visitor:
        page = visitor.open("/alarms")
        page.locator(ROWS).first.focus()
        page.keyboard.press("a")
        expect(page.locator(ROWS)).to_contain_text("Latched, waits for reset")

        expect(page.locator("#alarm-detail dd").last).to_contain_text("“Reset at the station…”")

        expect(page.locator(ACT)).to_have_text("Reset at the station…")


def test_an_emergency_stop_is_not_reset_from_afar(visit, console):
    happen(console, event("control.emergency_stop", "PANEL"))
    with visit() as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(ROWS)).to_have_count(1)
        expect(page.locator("#alarm-detail .acts")).to_be_visible()

        expect(page.locator(ACT)).to_have_count(0)
