"""What the station estimates, as readers see it: the map of cells, bands, what binds, health."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from cloud.web import format as form
from tests.cloud.web.conftest import asked
from tests.cloud.web.estimates import ODD_CELL, ODD_RACK, SEARCHING_RACK
from tests.cloud.web.plant import CELLS, RACKS

STATION = "/stations/haibin-1"
RACK = f"{STATION}/racks/{ODD_RACK}"
HALF = re.compile(r"±\d+\.\d")
NAMES = {
    "en": {
        "soc": "SOC",
        "resistance": "Resistance",
        "anomaly": "Anomaly",
        "short": "internal short, warning",
        "outside": "outside the interval",
        "none": "no fresh estimate",
        "estimated": "Estimated by the station",
        "beside": "with the estimate",
        "empty": "a cell that is nearly empty",
        "early": "Thermal runaway, early warning",
        "searching": "searching for SOC: 37 cells",
    },
    "zh-Hans": {
        "soc": "SOC",
        "resistance": "内阻",
        "anomaly": "异常",
        "short": "内短路，预警",
        "outside": "超出区间",
        "none": "无最新估计",
        "estimated": "电站估计值",
        "beside": "叠加估计",
        "empty": "单体接近放空",
        "early": "热失控预警",
        "searching": "SOC 搜索中：37 个单体",
    },
}
LANGUAGES = sorted(NAMES)
PAINTED = """([left, width]) => {
  const canvas = document.querySelector("#charts canvas");
  const k = canvas.width / canvas.clientWidth;
  const x = Math.round((left + 0.8 * width) * k);
  const copy = new OffscreenCanvas(1, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, -x, 0);
  const column = copy.getImageData(0, 0, 1, canvas.height).data;
  let most = 0, run = 0;
  for (let y = 0; y < canvas.height; y++) {
    run = column[4 * y + 3] > 20 ? run + 1 : 0;
    most = Math.max(most, run);
  }
  return most / k;
}"""
"""Height in CSS pixels of the tallest painted stretch of the first chart, twelve minutes ago."""
COLOURS = """() => {
  const canvas = document.querySelector("#heat canvas");
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 64) sum = (sum * 31 + data[i]) % 1000003;
  return sum;
}"""
"""A number that is another one when the map is."""


def cell_name() -> str:
    return form.tag(f"{ODD_CELL // 52 + 1}") + "\u2011" + str(ODD_CELL % 52 + 1)


def area(page: Page) -> list[float]:
    """Where the plot of the first chart lies in its canvas: left and width in CSS pixels."""
    box = page.locator(".u-over").first.bounding_box()
    host = page.locator("#charts .chart").first.bounding_box()
    assert box is not None
    assert host is not None
    return [box["x"] - host["x"], box["width"]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_map_of_cells_switches_between_what_is_measured_and_what_is_estimated(visit, language):
    names = NAMES[language]
    with visit(language) as visitor:
        page = visitor.open(RACK)
        expect(page.locator("[data-cell-name]")).to_have_text(f"{form.tag(ODD_RACK)}.{cell_name()}")
        expect(page.locator("[data-cell='finding']")).to_contain_text(names["short"])
        expect(page.locator("[data-cell='soc']")).to_have_text(HALF)
        seen = {page.evaluate(COLOURS)}

        for quantity, end in (("soc", "%"), ("soh", "%"), ("resistance", "%"), ("anomaly", "1.00")):
            page.click(f"[data-quantity={quantity}]")
            expect(page.locator(f"[data-quantity={quantity}]")).to_have_attribute(
                "aria-pressed", "true"
            )
            expect(page.locator("[data-ramp-high]")).to_contain_text(end)
            page.hover("#heat", position={"x": 300, "y": 40})
            tip = page.locator("#heat .tip")
            expect(tip).to_have_text(HALF if end == "%" else re.compile(r"0\.\d\d"))
            page.wait_for_function(f"(seen) => !seen.includes(({COLOURS})())", arg=list(seen))
            seen.add(page.evaluate(COLOURS))
        assert len(seen) == 5

        page.focus("#heat")
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-cell='finding']")).not_to_contain_text(names["short"])
        page.click("[data-scale=deviation]")
        expect(page.locator("[data-ramp-high]")).to_contain_text("+")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_panel_sets_the_estimate_beside_the_bms_and_leads_to_the_cells(visit, language):
    names = NAMES[language]
    with visit(language) as visitor:
        page = visitor.open(RACK)
        apart = page.locator("#estimate [data-apart]")
        expect(apart).to_contain_text(names["outside"])
        expect(apart).to_have_class(re.compile(r"\bb\b"))
        expect(page.locator("#anomaly")).to_contain_text(names["short"])
        page.click("[data-index=resistance_cell_max_index]")
        expect(page.locator("[data-quantity=resistance]")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[data-cell-name]")).to_contain_text(cell_name())

        visitor.open(f"{STATION}/racks/{SEARCHING_RACK}")
        expect(page.locator("[data-estimator]")).to_have_text(names["searching"])
        expect(page.locator("#anomaly")).to_be_hidden()


@pytest.fixture
def silent(console) -> Iterator[None]:
    """The estimators of the station have stopped; all else goes on."""
    console.feeder.plant.estimating = False
    yield
    console.feeder.plant.estimating = True


@pytest.mark.parametrize("language", LANGUAGES)
def test_estimates_that_stop_are_stale_while_what_is_measured_is_not(visit, silent, language):
    with visit(language) as visitor:
        page = visitor.open(RACK)

        expect(page.locator("[data-estimator]")).to_have_text(NAMES[language]["none"])
        expect(page.locator("#estimate dd.stale").first).to_be_visible()
        expect(page.locator("#anomaly")).to_be_hidden()
        expect(page.locator(".kpi .v.stale")).to_have_count(0)
        page.click("[data-quantity=soc]")
        expect(page.locator("[data-cells-age].stale")).to_be_visible(timeout=60_000)
        page.click("[data-quantity=voltage]")
        expect(page.locator("[data-cells-age].stale")).to_have_count(0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_trend_of_an_estimate_has_its_interval_as_a_band(visit, language):
    names = NAMES[language]
    with visit(language) as visitor:
        page = visitor.open(f"{STATION}/history?signal={ODD_RACK}:soc&range=hour")
        expect(page.locator("figcaption .item")).to_have_count(1)
        expect(page.locator("#of-interval")).to_be_hidden()
        page.wait_for_function(f"(area) => ({PAINTED})(area) > 0", arg=area(page))
        line = page.evaluate(PAINTED, area(page))

        page.click(f"#chosen button:has-text('{names['beside']}')")
        expect(page.locator("figcaption .item")).to_have_count(2)
        expect(page.locator("figcaption .range").last).to_have_text(HALF)
        expect(page.locator("#of-interval")).to_be_visible()
        # How tall depends on the hour of the schedule: SOC that has moved far makes the axis long.
        taller = f"(area) => ({PAINTED})(area) > {line + 5}"
        page.wait_for_function(taller, arg=area(page))

        assert asked(page)["signal"][-1] == f"{ODD_RACK}:soc_estimate"
        assert line < 8
        expect(page.locator("#charts figure")).to_have_count(1)
        page.fill("#search", f"{ODD_RACK} soc")
        expect(page.locator("#hits .group").last).to_have_text(names["estimated"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_station_says_what_it_can_deliver_and_which_cell_binds(visit, language):
    with visit(language) as visitor:
        page = visitor.open(STATION)
        for hours in ("15min", "1h", "4h"):
            energy = page.locator(f"[data-point='STATION:discharge_energy_{hours}_kwh']")
            expect(energy).to_have_text(re.compile(r"^\d+\.\d\d$"))
        expect(page.locator("[data-confidence]")).to_contain_text("90")
        bound = page.locator("[data-bound=discharge]")
        # What binds follows the hour of the day: energy of the cells, or else the converters.
        if NAMES[language]["empty"] in (bound.text_content() or ""):
            bound.locator("a").click()
            page.wait_for_url(re.compile(r"/racks/.*show=soc&cell=\d+"))
            expect(page.locator("[data-quantity=soc]")).to_have_attribute("aria-pressed", "true")
        else:
            expect(bound.locator("[data-bound-by]")).not_to_have_text(form.NO_VALUE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_health_foresees_sorts_the_worst_cells_and_shows_the_evidence(visit, language):
    with visit(language) as visitor:
        page = visitor.open(f"{STATION}/health")
        expect(page.locator("[data-foreseen=state] [data-value]")).to_contain_text("8,320")
        runaway = page.locator("[data-foreseen=runaway]")
        expect(runaway).to_contain_text(NAMES[language]["early"])
        expect(runaway.locator("[data-value]")).to_contain_text(NAMES[language]["short"])
        expect(runaway.locator("[data-window]")).to_contain_text("2.3\u00a0h")
        first = page.locator("#worst tbody tr").first
        for column in ("soh", "resistance", "soc", "anomaly"):
            page.click(f"[data-sort={column}]")
            expect(page.locator(f"[data-sort-of={column}]")).to_have_attribute(
                "aria-sort", "ascending" if column == "soh" else "descending"
            )
            expect(first).to_contain_text(cell_name())
        expect(page.locator("#worst tbody tr")).to_have_count(20)

        page.fill("#rule [name=soh]", "80")
        page.press("#rule [name=soh]", "Enter")
        expect(page.locator("[data-rule]")).to_contain_text("80")
        page.fill("#rule [name=soh]", "eighty")
        page.press("#rule [name=soh]", "Enter")
        expect(page.locator("#rule-wrong")).to_be_visible()

        page.locator("#anomaly-list a").first.click()
        page.wait_for_url(re.compile(r"/history\?"))
        expect(page.locator("#chosen li")).to_have_count(7)
        shown = asked(page)
        assert f"{ODD_RACK}:cell_anomaly_score:{ODD_CELL + 1}" in shown["signal"]


def test_an_anomaly_that_was_told_leads_to_the_window_that_shows_it(visit, console):
    detail = f": cell {ODD_CELL + 1}: loses charge by itself (last 138 min)"
    event = console.feeder.raise_event(ODD_RACK, "anomaly.warning", active=True, detail=detail)
    console.do(event)
    try:
        with visit() as visitor:
            page = visitor.open(f"{STATION}/health")
            told = page.locator("#anomaly-list li", has_text="loses charge by itself")
            shown = parse_qs(urlsplit(told.locator("a").first.get_attribute("href") or "").query)

            start, end = (int(shown[name][0]) for name in ("from", "to"))
            assert 138 * 60_000 < end - start < 4 * 3_600_000
            assert f"{ODD_RACK}:cell_voltage_v:{ODD_CELL + 1}" in shown["signal"]
            expect(told.locator("a").last).to_have_attribute(
                "href", re.compile(rf"cell={ODD_CELL + 1}$")
            )
    finally:
        console.do(console.feeder.raise_event(ODD_RACK, "anomaly.warning", active=False))


ALIKE = {
    "en": ("No cell stands out yet: all lie within their intervals of ±6.6", "full charges"),
    "zh-Hans": ("尚无突出的单体：差异均在 ±6.6", "充满与深放"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_cells_that_are_all_alike_are_no_list_of_the_worst(visit, language):
    cell = {"rack": ODD_RACK, "cell": 1, "at_ms": 0, "stale": False, "stands_out": False}
    cell |= {"soh": 1.0, "soh_half_width": 0.066, "resistance_ratio": 1.0, "soc_off": 0.0}
    answer = {"now_ms": 0, "racks": 20, "racks_without": [], "standing_out": 0, "half_width": 0.066}
    answer["cells"] = [cell | {"anomaly_score": 0.0}]
    with visit(language) as visitor:
        visitor.page.route("**/worst-cells*", lambda route: route.fulfill(json=answer))
        page = visitor.open(f"{STATION}/health")

        told = page.locator("[data-none-stands-out]")
        for words in ALIKE[language]:
            expect(told).to_contain_text(words)
        expect(page.locator("#worst tbody")).to_be_hidden()


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_cells_of_the_station_are_one_map_whose_click_opens_the_rack_at_that_cell(
    visit, language
):
    names = NAMES[language]
    with visit(language) as visitor:
        page = visitor.open(f"{STATION}/cells?show=soh")
        expect(page.locator("[data-shape]")).to_contain_text("8,320")
        expect(page.locator("[data-ramp-high]")).to_contain_text("%")
        seen = {page.evaluate(COLOURS)}
        for quantity in ("resistance", "anomaly", "soc"):
            page.click(f"[data-quantity={quantity}]")
            expect(page.locator(f"[data-quantity={quantity}]")).to_have_attribute(
                "aria-pressed", "true"
            )
            page.wait_for_function(f"(seen) => !seen.includes(({COLOURS})())", arg=list(seen))
            seen.add(page.evaluate(COLOURS))
        box = page.locator("#heat").bounding_box()
        assert box is not None
        rows = len(RACKS)
        at = {
            "x": 72 + (box["width"] - 72) * (ODD_CELL + 0.5) / CELLS,
            "y": (box["height"] - 18) * (RACKS.index(ODD_RACK) + 0.5) / rows,
        }
        page.hover("#heat", position=at)
        tip = page.locator("#heat .tip")
        expect(tip).to_contain_text(form.tag(ODD_RACK))
        expect(tip).to_contain_text(cell_name())
        expect(tip).to_contain_text(names["short"])
        page.click("#heat", position=at)
        page.wait_for_url(f"**/racks/{ODD_RACK}?show=soc&cell={ODD_CELL + 1}")


def test_the_map_of_all_cells_is_walked_by_keys_and_enter_opens_the_rack(visit):
    with visit() as visitor:
        page = visitor.open(f"{STATION}/cells")
        expect(page.locator("[data-ramp-high]")).to_contain_text("%")
        page.focus("#heat")
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft"):
            page.keyboard.press(key)
        told = page.locator("[data-told]")
        expect(told).to_contain_text(f"{form.tag(RACKS[1])} · Cell 1\u20112")
        expect(told).to_contain_text("from the rack's median")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/racks/{RACKS[1]}?show=soc&cell=2")
