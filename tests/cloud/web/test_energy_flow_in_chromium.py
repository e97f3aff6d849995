"""The station's picture tells a rack that is out and a converter that has tripped from the rest."""

import json
import re
import time
from collections.abc import Collection, Mapping

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from contract.limits import LimitReason


def showing(
    page: Page, url: str, session: str, points: Mapping[str, float], silent: Collection[str] = ()
) -> None:
    """Let the station's stream say these values, and let some containers be long silent."""
    live = f"{url}/api/v1/stations/haibin-1/live"
    image = httpx.get(live, cookies={"sm_session": session}, timeout=30).json()

    def answer(route: Route) -> None:
        now_ms = time.time() * 1000
        times = {
            device: now_ms - 720_000 if device.partition("-")[0] in silent else now_ms
            for device in image["times_ms"]
        }
        told = {**image, "points": {**image["points"], **points}}
        told |= {"times_ms": times} if silent else {}
        body = f"retry: 100\nevent: live\ndata: {json.dumps(told)}\n\n"
        route.fulfill(content_type="text/event-stream", body=body)

    page.route("**/stations/haibin-1/stream", answer)


def test_an_open_rack_is_hollow_and_a_faulted_one_crossed_in_the_picture(visit, session):
    points = {"C1-R03:contactor_closed": 0.0, "C1-R04:rack_state": 4.0, "C2-PCS:pcs_state": 4.0}
    with visit() as visitor:
        page = visitor.page
        showing(page, visitor.url, session, points)
        visitor.open("/stations/haibin-1")
        hollow, crossed, usual = (
            page.locator(f"[data-rack='{rack}']") for rack in ("C1-R03", "C1-R04", "C1-R05")
        )

        expect(hollow.locator(".lim")).to_have_css("fill", "none")
        expect(hollow.locator("title")).to_contain_text("contactor open")
        expect(hollow.locator(".cross")).to_be_hidden()
        expect(crossed.locator(".cross")).to_be_visible()
        expect(crossed.locator("title")).to_contain_text("fault")
        expect(usual.locator(".cross")).to_be_hidden()
        expect(usual.locator(".lim")).not_to_have_css("fill", "none")
        expect(page.locator("[data-converter='C2-PCS'] .cross")).to_be_visible()
        expect(page.locator("[data-converter='C2-PCS'] .dev")).to_have_css(
            "stroke-dasharray", "4px, 3px"
        )
        expect(page.locator(".sld [data-point='C2-PCS:pcs_state']")).to_have_text("fault")
        expect(page.locator("[data-converter='C1-PCS'] .cross")).to_be_hidden()


def test_limits_of_racks_that_are_silent_are_hatched_and_their_mean_soc_struck_out(visit, session):
    with visit() as visitor:
        showing(visitor.page, visitor.url, session, {}, silent={"C1"})
        page = visitor.open("/stations/haibin-1")

        for container, old in (("C1", True), ("C2", False)):
            row = page.locator(f"[data-limit-of='{container}']")
            cells = [row.locator("td").filter(has=page.locator("[data-bms]"))]
            cells.append(row.locator("td").filter(has=page.locator("[data-tightest]")))
            cells.append(page.locator(f"[data-mean-soc='{container}']"))
            for cell in cells:
                if old:
                    expect(cell).to_have_class(re.compile(r"\bstale\b"))
                else:
                    expect(cell).not_to_have_class(re.compile(r"\bstale\b"))


def test_limits_of_both_directions_are_named_with_both_reasons(visit, session):
    points = {
        "STATION:discharge_limit_kw": 1730.0,
        "STATION:charge_limit_kw": 1200.0,
        "STATION:discharge_limit_reason": 5.0,
        "STATION:charge_limit_reason": 7.0,
        "STATION:scheduled_power_kw": 0.0,
    }
    with visit() as visitor:
        showing(visitor.page, visitor.url, session, points)
        page = visitor.open("/stations/haibin-1")

        title, text = page.locator("[data-binding-title]"), page.locator("[data-binding-text]")
        expect(title).to_have_text("Discharge limited to 1.73 MW, charge to 1.20 MW")
        expect(text).to_contain_text("Discharge: PCS unavailable. Charge: cell voltage.")


WORN = {
    "STATION:discharge_limit_kw": 3450.0,
    "STATION:charge_limit_kw": 2800.0,
    "STATION:discharge_limit_reason": 0.0,
    "STATION:charge_limit_reason": float(LimitReason.CELL_HEALTH),
    "STATION:charge_limit_rack": 12.0,
    "STATION:charge_limit_cell": 87.0,
    "C2-R02:charge_health_share": 0.82,
    "STATION:scheduled_power_kw": 0.0,
}
OF_HEALTH = {
    "en": ("Health of a cell (estimate).", "its health leaves 82.0"),
    "zh-Hans": ("单体健康状态（估计）", "其健康状态允许满额电流的 82.0"),
}


@pytest.mark.parametrize("language", OF_HEALTH)
def test_a_worn_cell_that_binds_is_named_with_what_its_health_leaves(visit, session, language):
    with visit(language) as visitor:
        showing(visitor.page, visitor.url, session, WORN)
        page = visitor.open("/stations/haibin-1")

        text, link = page.locator("[data-binding-text]"), page.locator("[data-binding-link]")
        for words in OF_HEALTH[language]:
            expect(text).to_contain_text(words)
        expect(text).to_contain_text("C2\u2011R02")
        expect(text).to_contain_text("87")
        expect(link).to_have_attribute("href", "/stations/haibin-1/racks/C2-R02")


UNTOLD = {
    "STATION:discharge_limit_kw": 0.0,
    "STATION:charge_limit_kw": 3450.0,
    "STATION:discharge_limit_reason": float(LimitReason.RACK_SIGNALS),
    "STATION:charge_limit_reason": 0.0,
    "STATION:discharge_limit_rack": 12.0,
    "STATION:scheduled_power_kw": 0.0,
    "C2-R02:contactor_closed": None,
    "C2-R02:discharge_current_limit_a": None,
    "C2-R02:cell_voltage_min_v": None,
    "C2-R02:cells_voltage_min_v": 3.28,
}


@pytest.mark.parametrize(
    ("language", "words"), [("en", "tells no value of: "), ("zh-Hans", "未提供以下信号的值：")]
)
def test_a_rack_that_tells_too_little_is_named_with_its_signals(visit, session, language, words):
    with visit(language) as visitor:
        showing(visitor.page, visitor.url, session, UNTOLD)
        page = visitor.open("/stations/haibin-1")

        text = page.locator("[data-binding-text]")
        expect(text).to_contain_text("C2\u2011R02")
        expect(text).to_contain_text(f"{words}contactor_closed, discharge_current_limit_a")
        expect(text).not_to_contain_text("cell_voltage_min_v")


ASKED = {
    "STATION:dispatch_source": 1.0,
    "STATION:asked_power_kw": 480.0,
    "STATION:scheduled_power_kw": 90.0,
    "STATION:regulation_power_kw": 90.0,
    "STATION:frequency_request_kw": 300.0,
    "STATION:frequency_response_kw": 200.0,
    "STATION:agc_power_kw": 1500.0,
}


def decision(page: Page) -> dict[str, str]:
    """The lines of the decision, by their names."""
    lines = "(dl) => [...dl.querySelectorAll('dt')].map((dt) => [dt, dt.nextElementSibling])"
    return dict(
        page.locator("#decision").evaluate(
            f"(dl) => ({lines})(dl).map((pair) => pair.map((node) => node.textContent))"
        )
    )


def test_the_lines_of_a_decision_add_up_to_what_was_asked(visit, session):
    with visit() as visitor:
        showing(visitor.page, visitor.url, session, ASKED)
        page = visitor.open("/stations/haibin-1")
        expect(page.locator("[data-passed-over=agc_power_kw]")).to_have_text(" · not followed")

        told = decision(page)

    assert told["Asked"] == "0.48MW"
    assert told["Schedule"] == "0.09MW"
    assert told["Regulation signal"] == "0.09MW"
    assert told["Frequency response"] == "300.0kW · granted 200.0kW"
    assert told["AGC request"] == "1.50MW · not followed"


def test_a_plan_that_the_centre_outranks_says_so(visit, session):
    points = ASKED | {"STATION:dispatch_source": 4.0, "STATION:asked_power_kw": 1800.0}
    with visit("zh-Hans") as visitor:
        showing(visitor.page, visitor.url, session, points)
        page = visitor.open("/stations/haibin-1")
        expect(page.locator("[data-passed-over=agc_power_kw]")).to_have_text("")

        told = decision(page)

    assert told["计划曲线"] == "0.09MW · 未采用"
    assert told["调频信号"] == "0.09MW · 未采用"
    assert told["AGC 请求"] == "1.50MW"


@pytest.mark.parametrize(
    ("language", "pressed", "button", "insulation"),
    [
        ("en", 0.0, "not pressed", "normal"),
        ("en", 1.0, "pressed", "normal"),
        ("zh-Hans", 0.0, "未按下", "正常"),
        ("zh-Hans", 1.0, "已按下", "正常"),
    ],
)
def test_button_and_insulation_say_their_state(  # noqa: PLR0917 - one case each
    visit, session, language, pressed, button, insulation
):
    points = {"PANEL:emergency_stop": pressed, "C1-IMD:insulation_alarms": 0.0}
    with visit(language) as visitor:
        showing(visitor.page, visitor.url, session, points)
        page = visitor.open("/stations/haibin-1")

        expect(page.locator("[data-point='PANEL:emergency_stop']")).to_have_text(button)
        expect(page.locator("[data-bits='C1-IMD:insulation_alarms']")).to_have_text(insulation)


def test_a_decision_that_no_limit_bit_says_nothing(visit, session):
    with visit() as visitor:
        showing(visitor.page, visitor.url, session, {"STATION:binding_limit": 0.0})
        page = visitor.open("/stations/haibin-1")

        expect(page.locator("[data-limit-that-bit]")).to_have_text("nothing")


def test_a_decision_that_a_limit_bit_names_it(visit, session):
    with visit() as visitor:
        showing(visitor.page, visitor.url, session, {"STATION:binding_limit": 7.0})
        page = visitor.open("/stations/haibin-1")

        expect(page.locator("[data-limit-that-bit]")).to_have_text("cell voltage")
