"""The station's picture tells a rack that is out and a converter that has tripped from the rest."""

import json
from collections.abc import Mapping

import httpx
from playwright.sync_api import Page, Route, expect


def showing(page: Page, url: str, session: str, points: Mapping[str, float]) -> None:
    """Let the station's stream say these values instead of the plant's own."""
    live = f"{url}/api/v1/stations/haibin-1/live"
    image = httpx.get(live, cookies={"sm_session": session}).json()

    def answer(route: Route) -> None:
        told = {**image, "points": {**image["points"], **points}}
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
