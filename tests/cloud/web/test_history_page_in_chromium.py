import datetime as dt
import io
import json
import re
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from tests.cloud.web.conftest import SIZES, asked
from tests.cloud.web.console import ZONE
from tests.cloud.web.feeder import now_ms
from tests.cloud.web.past import EVENTS, Past, give_past
from tests.cloud.web.plant import WARM_CELL, WARM_RACK
from tests.cloud.web.proxy import cable
from tests.cloud.web.test_pages_in_chromium import OVERFLOW

PATH = "/stations/haibin-1/history"
RACK = f"/stations/haibin-1/racks/{WARM_RACK}"
EIGHT = [
    "STATION:delivered_power_kw",
    "METER:active_power_kw",
    "C1-PCS:active_power_kw",
    "STATION:soc",
    f"{WARM_RACK}:cell_voltage_max_v",
    f"{WARM_RACK}:cell_temperature_max_c",
    f"{WARM_RACK}:rack_state",
    "STATION:charge_limit_reason",
]
WORDS = {
    "en": {
        "power": "STATION delivered power",
        "cell": "C1\u2011R07 cell temperature 145",
        "minutes": "from minutes",
        "quarters": "from quarter hours",
        "samples": "from samples",
        "too_many": "Choose a coarser resolution, a shorter range or fewer signals",
        "cells": "choose samples, 1\u00a0min or 15\u00a0min",
        "mean": "Cells are means of the quarter hour",
        "older": "No cells are stored at or before",
        "cut": "The page has no connection to the cloud.",
        "fire": "Fire alarm",
        "gone": "This station has no signal",
        "written": "Write a time as year-month-day hour:minute",
    },
    "zh-Hans": {
        "power": "STATION 实际功率",
        "cell": "C1\u2011R07 单体温度 145",
        "minutes": "来自分钟数据",
        "quarters": "来自 15\u00a0min 数据",
        "samples": "来自采样值",
        "too_many": "请选择更粗的分辨率、更短的范围或更少的信号",
        "cells": "请选择采样值、1\u00a0min 或 15\u00a0min",
        "mean": "的 15\u00a0min 均值",
        "older": "及以前没有电芯数据",
        "cut": "页面与云端无连接",
        "fire": "火警",
        "gone": "本站没有信号",
        "written": "填写时间",
    },
}
LANGUAGES = sorted(WORDS)
COUNT_DRAWN = """() => {
  const { clearRect } = CanvasRenderingContext2D.prototype;
  window.drawn = { shown: 0, gone: 0 };
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    window.drawn[this.canvas.isConnected ? "shown" : "gone"] += 1;
    return clearRect.apply(this, area);
  };
}"""
"""Counts the clearing of canvases, by which every drawing begins: those of the page, and others."""


@pytest.fixture(scope="module")
def past(console) -> Past:
    """Weeks of history for the console's station."""
    return console.do(give_past(console.worker, console.feeder, days=34), 240)


@pytest.fixture(autouse=True)
def _past(past) -> None:
    """Every test here has it."""


def address(*signals: str, **facts: object) -> str:
    parts = [f"signal={signal}" for signal in signals]
    return f"{PATH}?{'&'.join([*parts, *(f'{name}={value}' for name, value in facts.items())])}"


def look(visitor, path: str, charts: int) -> Page:
    """Open a history page and wait for its charts."""
    page = visitor.open(path)
    expect(page.locator("#charts figure")).to_have_count(charts)
    expect(page.locator("[data-told]")).to_have_text(re.compile(r"\d"))
    return page


def points(page: Page) -> int:
    found = re.search(r"([\d,]+) (?:points|点)", page.locator("[data-told]").text_content() or "")
    assert found is not None
    return int(found[1].replace(",", ""))


def drag(page: Page, start: float, end: float) -> None:
    """Drag over the first chart, from one share of its width to another."""
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * start, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, box["y"] + 50, steps=6)
    expect(page.locator("#charts .window").first).to_be_visible()
    page.mouse.up()


@pytest.mark.parametrize("language", LANGUAGES)
def test_signals_are_found_by_tag_and_by_label_chosen_and_removed(visit, language):
    words = WORDS[language]
    with visit(language) as visitor:
        page = look(visitor, PATH, 2)
        expect(page.locator("#chosen li")).to_have_count(2)
        expect(page.locator("figcaption").first).to_contain_text(words["power"])

        page.fill("#search", "r07 temp 145" if language == "en" else "R07 单体温度 145")
        page.locator("#hits button", has_text="C1\u2011R07").click()
        expect(page.locator("#charts figure")).to_have_count(3)
        expect(page.locator("#chosen")).to_contain_text(words["cell"])
        assert asked(page)["signal"][-1] == f"{WARM_RACK}:cell_temperature_c:{WARM_CELL + 1}"

        page.fill("#search", "nothing of the kind")
        expect(page.locator("#hits li")).to_have_count(0)
        page.locator("#chosen li").first.locator("button").click()
        expect(page.locator("#charts figure")).to_have_count(2)
        assert len(asked(page)["signal"]) == 2

        page.reload()
        expect(page.locator("#charts figure")).to_have_count(2)
        expect(page.locator("#chosen")).to_contain_text(words["cell"])


def test_no_more_than_eight_signals_can_be_chosen(visit):
    with visit() as visitor:
        page = look(visitor, address(*EIGHT, range="day"), 6)
        expect(page.locator("#full")).to_be_visible()
        page.fill("#search", "METER frequency")
        page.keyboard.press("Enter")

        expect(page.locator("#say")).to_contain_text("At most 8 signals")
        expect(page.locator("#chosen li")).to_have_count(8)


def test_a_change_of_theme_draws_no_chart_that_is_gone(visit):
    with visit() as visitor:
        page = look(visitor, PATH, 2)
        page.locator("#chosen li").first.locator("button").click()
        expect(page.locator("#charts figure")).to_have_count(1)
        page.evaluate(COUNT_DRAWN)

        page.click("form[data-themes] button[value=light]")

        page.wait_for_function("window.drawn.shown > 0")
        assert page.evaluate("window.drawn.gone") == 0


GONE = {
    "en": ("Samples before 2026-02-01 08:00 are no longer kept", "Values of 1\u00a0min are shown"),
    "zh-Hans": ("2026-02-01 08:00 之前的采样值不再保存", "现显示 1\u00a0min 数据"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_longer_kept_is_said_and_what_is_shown_instead(visit, language):
    note = {"code": "gone", "resolution": "raw", "before_ms": 1_769_904_000_000, "text": "gone"}

    def answer(route, instead):
        document = route.fetch().json()
        document["notes"] = [note | {"instead": instead}]
        for series in document["series"] if instead is None else []:
            series |= {name: [] for name, column in series.items() if isinstance(column, list)}
        route.fulfill(json=document)

    with visit(language) as visitor:
        visitor.page.route("**/api/v1/series?**", lambda route: answer(route, "1min"))
        page = look(visitor, PATH, 2)
        for words in GONE[language]:
            expect(page.locator("#gone")).to_contain_text(words)

        page.unroute_all(behavior="wait")
        page.route("**/api/v1/series?**", lambda route: answer(route, None))
        page.reload()
        expect(page.locator("#gone")).to_contain_text(GONE[language][0])
        expect(page.locator("#gone")).not_to_contain_text(GONE[language][1])
        expect(page.locator("#empty")).to_be_hidden()


@pytest.mark.parametrize("language", LANGUAGES)
def test_dragging_asks_again_finer_a_double_click_and_the_browser_go_back(visit, language):
    words = WORDS[language]
    with visit(language) as visitor:
        page = look(visitor, address("STATION:delivered_power_kw", range="month"), 1)
        told = page.locator("[data-told]")
        expect(told).to_contain_text(words["quarters"])
        coarse = points(page)

        drag(page, 0.95, 0.99)
        expect(told).to_contain_text(words["minutes"])
        start, end = (int(asked(page)[name][0]) for name in ("from", "to"))
        assert 0.03 < (end - start) / (30 * 86_400_000) < 0.05

        box = page.locator(".u-over").first.bounding_box()
        page.mouse.dblclick(box["x"] + 200, box["y"] + 40)
        expect(told).to_contain_text(words["quarters"])
        assert abs(points(page) - coarse) <= 2
        assert asked(page)["range"] == ["month"]

        page.go_forward()
        expect(told).to_contain_text(words["minutes"])
        page.go_back()
        expect(told).to_contain_text(words["quarters"])


def test_the_chosen_resolution_is_answered_and_the_tier_is_said(visit):
    with visit() as visitor:
        page = look(visitor, address("STATION:delivered_power_kw", range="week"), 1)
        told = page.locator("[data-told]")
        for resolution, words in (
            ("1min", "from minutes ·"),
            ("15min", "from quarter hours ·"),
            ("1h", "1 h · from quarter hours ·"),
            ("1d", "1 d · from quarter hours ·"),
            ("1mo", "month · from quarter hours ·"),
            ("raw", "from samples ·"),
        ):
            page.select_option("#resolution", resolution)
            expect(told).to_have_text(re.compile(f"^{re.escape(words)} [\\d,]+ points$"))
            assert asked(page)["resolution"] == [resolution]
        page.select_option("#resolution", "auto")
        expect(told).to_have_text(re.compile("^from quarter hours"))
        assert "resolution" not in asked(page)
        expect(page.locator("#resolution option:checked")).to_have_text("Auto: 15 min")


def test_typed_times_are_market_time_and_a_wrong_one_is_named(visit):
    with visit() as visitor:
        page = look(visitor, address("STATION:soc", range="day"), 1)
        day = (dt.datetime.now(ZoneInfo(ZONE)) - dt.timedelta(days=3)).strftime("%Y-%m-%d")
        page.fill("[name=from]", f"{day} 06:00")
        page.fill("[name=to]", f"{day} 18:30")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("from="))

        start, end = (
            dt.datetime.fromtimestamp(int(asked(page)[name][0]) / 1e3, ZoneInfo(ZONE))
            for name in ("from", "to")
        )
        assert (start.isoformat()[:16], end.isoformat()[:16]) == (f"{day}T06:00", f"{day}T18:30")

        page.fill("[name=to]", "2026-02-30 10:00")
        page.keyboard.press("Enter")
        expect(page.locator("#wrong")).to_contain_text("Write a time")
        expect(page.locator("[name=to]")).to_have_attribute("aria-invalid", "true")
        page.fill("[name=to]", f"{day} 05:00")
        page.keyboard.press("Enter")
        expect(page.locator("#wrong")).to_contain_text("begin must be before its end")
        page.click("[data-range=day]")
        expect(page.locator("#wrong")).to_be_hidden()


def test_exactly_what_is_shown_is_downloaded_in_four_forms(visit):
    with visit() as visitor:
        signals = ("STATION:delivered_power_kw", "STATION:soc")
        end = now_ms() // 3_600_000 * 3_600_000 - 7_200_000
        page = look(visitor, address(*signals, **{"from": end - 36_000_000, "to": end}), 2)
        rows = points(page)

        found = {}
        for form in ("csv", "parquet", "arrow", "json"):
            with page.expect_download() as download:
                page.click(f"[data-format={form}]")
            assert download.value.suggested_filename.endswith(f".{form}")
            found[form] = download.value.path().read_bytes()

    tables = [
        pa.csv.read_csv(io.BytesIO(found["csv"])),
        pq.read_table(io.BytesIO(found["parquet"])),
        pa.ipc.open_stream(io.BytesIO(found["arrow"])).read_all(),
    ]
    series = json.loads(found["json"])["series"]
    assert [one["signal"] for one in series] == list(signals)
    values = [value for one in series for value in one["values"]]
    assert len(values) == rows
    for table in tables:
        assert table.num_rows == rows
        assert table.column("value").to_pylist() == pytest.approx(values)


def test_energies_of_powers_add_up_and_other_signals_have_none(visit):
    with visit() as visitor:
        page = look(visitor, address("STATION:delivered_power_kw", "STATION:soc", range="week"), 2)
        table = page.locator("#energy")
        expect(table).to_be_visible()
        expect(table.locator("[data-energy-of]")).to_have_text("by the day")
        expect(table.locator("thead")).to_contain_text("STATION delivered power")
        expect(table.locator("thead")).not_to_contain_text("SOC")

        def numbers(selector: str) -> list[list[float]]:
            rows = table.locator(selector).all()
            cells = [row.locator("td.r").all_text_contents() for row in rows]
            return [[float(text.replace(",", "")) for text in row] for row in cells]

        rows, total = numbers("tbody tr"), numbers("tfoot tr")[0]
        assert 6 <= len(rows) <= 8
        for k in (0, 1):
            assert sum(row[k] for row in rows) == pytest.approx(total[k], abs=0.05 * len(rows))
            assert total[k] > 10_000

        page.locator("#chosen li").first.locator("button").click()
        expect(table).to_be_hidden()


@pytest.mark.parametrize("language", LANGUAGES)
def test_events_are_marked_on_the_axis_listed_and_lead_to_their_time(visit, language):
    with visit(language) as visitor:
        page = look(visitor, address("STATION:soc", range="month"), 1)
        events = page.locator("#event-list li")
        expect(events.filter(has_text=WORDS[language]["fire"])).to_have_count(2)
        assert events.count() >= len(EVENTS)
        expect(page.locator("#marks .pr.x1").first).to_be_visible()

        events.filter(has_text=WORDS[language]["fire"]).last.locator("button").click()
        page.wait_for_url(re.compile("from="))
        expect(events.first).to_contain_text(WORDS[language]["fire"])
        start, end = (int(asked(page)[name][0]) for name in ("from", "to"))
        assert end - start == 3_600_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_is_one_sentence_with_the_remedy_and_the_old_chart_stays(visit, language):
    words = WORDS[language]
    with visit(language) as visitor:
        page = look(visitor, address("STATION:delivered_power_kw", range="all"), 1)
        page.select_option("#resolution", "raw")
        expect(page.locator("#trouble")).to_contain_text(words["too_many"])
        expect(page.locator("#charts.old canvas")).to_be_visible()
        expect(page.locator("[data-act=again]")).to_be_hidden()

        cell = f"{WARM_RACK}:cell_voltage_v:7"
        page.goto(visitor.url + address(cell, range="day", resolution="1d"))
        expect(page.locator("#trouble")).to_contain_text(words["cells"])
        expect(page.locator("#chosen li")).to_have_count(1)

        page.goto(visitor.url + address("STATION:soc", "C9-R99:soc", range="day"))
        expect(page.locator("#trouble")).to_contain_text(words["gone"])
        expect(page.locator("#charts figure")).to_have_count(1)
        visitor.complaints.clear()  # Chromium reports the 422 itself


def test_a_lost_connection_keeps_the_chart_and_can_be_tried_again(visit, console):
    with visit() as visitor, cable(urlsplit(console.url).port) as line:
        visitor.url = f"http://127.0.0.1:{line.port}"
        page = look(visitor, address("STATION:soc", range="day"), 1)

        line.cut()
        page.click("[data-range=week]")
        expect(page.locator("#trouble")).to_contain_text(WORDS["en"]["cut"])
        expect(page.locator("#charts.old canvas")).to_be_visible()

        line.mend()
        page.click("[data-act=again]")
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#charts.old")).to_have_count(0)
        page.close()
        visitor.complaints.clear()  # the browser has every reason to complain without cable


@pytest.mark.parametrize("language", LANGUAGES)
def test_cells_of_a_past_time_are_shown_and_one_step_leads_back_to_live(visit, past, language):
    words = WORDS[language]
    at = dt.datetime.fromtimestamp(past.cells_ms / 1e3, ZoneInfo(ZONE))
    with visit(language) as visitor:
        page = visitor.open(RACK)
        expect(page.locator("#past")).to_be_hidden()
        page.fill("[name=at]", at.strftime("%Y-%m-%d %H:%M"))
        page.keyboard.press("Enter")

        told = page.locator("[data-past]")
        expect(told).to_contain_text(words["mean"])
        expect(told).to_contain_text(at.strftime("%H:%M"))
        assert asked(page)["at"] == [str(past.cells_ms)]
        expect(page.locator("[data-cell-name]")).to_have_text("C1\u2011R07.3\u201141")
        expect(page.locator("[data-cell='temperature']")).to_have_text(re.compile(r"3\d\.\d °C"))
        expect(page.locator("#cell-history")).to_have_attribute("href", re.compile("from=.*to="))

        page.click("[data-at=later]")
        expect(told).to_contain_text((at + dt.timedelta(minutes=15)).strftime("%H:%M"))
        page.go_back()
        expect(page.locator("[name=at]")).to_have_value(at.strftime("%Y-%m-%d %H:%M"))
        page.fill("[name=at]", "2001-01-01")
        page.keyboard.press("Enter")
        expect(told).to_contain_text(words["older"])
        page.fill("[name=at]", "yesterday")
        page.keyboard.press("Enter")
        expect(told).to_contain_text(words["written"])

        page.click("[data-act=live]")
        expect(page.locator("#past")).to_be_hidden()
        expect(page.locator("[data-cells-age]")).to_have_text(re.compile(r"\d\ss"))
        page.fill("[name=at]", "32")
        page.keyboard.press("Enter")
        with page.expect_response(re.compile("/cells/")):
            pass
        expect(told).to_contain_text(words["written"])
        page.click("[data-act=live]")
        assert "at" not in asked(page)
        visitor.complaints = [one for one in visitor.complaints if "404" not in one]


def test_station_and_rack_lead_to_the_history_of_what_they_show(visit):
    with visit() as visitor:
        page = visitor.open("/stations/haibin-1")
        page.locator("main a[href*='/history?']").first.click()
        expect(page.locator("#charts figure")).to_have_count(2)
        assert "STATION:scheduled_power_kw" in asked(page)["signal"]

        page = visitor.open(RACK)
        expect(page.locator("[data-cell-name]")).to_have_text("C1\u2011R07.3\u201141")
        page.click("#cell-history")
        expect(page.locator("#charts figure")).to_have_count(2)
        assert asked(page)["signal"] == [
            f"{WARM_RACK}:cell_temperature_c:{WARM_CELL + 1}",
            f"{WARM_RACK}:cell_voltage_v:{WARM_CELL + 1}",
        ]
        page.keyboard.press("g")
        page.keyboard.press("h")
        page.wait_for_url(visitor.url + PATH)


def test_everything_works_by_keyboard(visit):
    with visit() as visitor:
        page = look(visitor, address("STATION:soc", range="day"), 1)
        page.focus("#search")
        page.keyboard.type("METER freq")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("#charts figure")).to_have_count(2)

        page.locator("#charts .chart").first.focus()
        when = page.locator("figcaption .when")
        newest = when.first.text_content()
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        expect(when.first).not_to_have_text(newest)
        expect(when.last).to_have_text(when.first.text_content())
        page.keyboard.press("+")
        page.wait_for_url(re.compile("from="))
        start, end = (int(asked(page)[name][0]) for name in ("from", "to"))
        assert end - start == pytest.approx(43_200_000, abs=5)
        page.locator("#charts .chart").first.focus()
        page.keyboard.press("-")
        page.wait_for_function("(to) => !location.search.includes(`to=${to}`)", arg=end)


def test_the_language_changes_and_the_page_shows_the_same(visit):
    with visit() as visitor:
        page = look(visitor, address("STATION:soc", range="day"), 1)
        page.click("[data-range=week]")
        page.wait_for_url(re.compile("range=week"))
        page.click("button[value=zh-Hans]")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        expect(page.locator("[data-told]")).to_contain_text(WORDS["zh-Hans"]["quarters"])

        assert asked(page) == {"signal": ["STATION:soc"], "range": ["week"]}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_on_any_screen(visit, past, language, theme):
    problems = []
    with visit(language, theme) as visitor:
        for name, path in {
            "usual": PATH,
            "eight": address(*EIGHT, range="day"),
            "month": address(*EIGHT[:3], range="month", resolution="1d"),
            "cells": f"{RACK}?at={past.cells_ms}",
        }.items():
            page = visitor.open(path)
            if name == "cells":
                expect(page.locator("#past")).to_be_visible()
            else:
                expect(page.locator("[data-told]")).to_have_text(re.compile(r"\d"))
            page.wait_for_function("document.fonts.status === 'loaded'")
            for size, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
                problems += [f"{name} {size} {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []


MOMENTS = {
    "Asia/Shanghai": ["2026-05-01 18:00", "2026-12-31 23:59", "2012-02-29 00:00"],
    "Europe/Berlin": ["2026-03-29 03:00", "2026-10-25 02:30", "2026-10-25 03:00", "2026-07-01"],
    "Asia/Kolkata": ["2026-05-01 05:30"],
    "America/St_Johns": ["2026-11-01 01:30", "2026-03-08 01:59"],
    "Pacific/Apia": ["2011-12-31 00:00"],
}


def test_market_time_is_read_and_written_as_the_zone_has_it(visit):
    with visit() as visitor:
        page = visitor.open("/alarms")
        for zone, texts in MOMENTS.items():
            for text in texts:
                found, again = page.evaluate(
                    "async ([text, zone]) => { const { readTime, showTime } = await"
                    " import('/static/js/zone.js'); const at = readTime(text, zone);"
                    " return [at, showTime(at, zone)]; }",
                    [text, zone],
                )
                local = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
                assert found == local.timestamp() * 1e3, (zone, text)
                assert again == local.strftime("%Y-%m-%d %H:%M")
        wrong = ["", "2026", "2026-13-01", "2026-02-30", "2026-05-01 24:00", "x2026-05-01", "1e9"]
        read = page.evaluate(
            "async (texts) => { const { readTime } = await import('/static/js/zone.js');"
            " return texts.map((text) => readTime(text, 'UTC')); }",
            wrong,
        )
        assert read == [None] * len(wrong)


DRAWN = """async ([series, resolution, zone]) => {
  const { rowOf, drawn } = await import('/static/js/history_data.js');
  const known = { kind: 'analog', scale: 1 };
  return drawn(rowOf(series, known, resolution), resolution, zone).slice(0, 2);
}"""


LISTED = """async (answer) => {
  const { Signals } = await import('/static/js/history_signals.js');
  return new Signals(answer, []).all.map((one) => one.name);
}"""


def test_a_signal_of_two_layouts_that_succeed_one_another_is_listed_once(visit):
    names = ["granted_power_kw", "regulation_power_kw"]
    granted, added = (
        {"signal": n, "unit": "kW", "kind": "analog", "cells": 1, "states": []} for n in names
    )
    answer = {
        "first_ms": 0,
        "layouts": [
            {"layout": "dispatch", "signals": [granted]},
            {"layout": "dispatch/2", "signals": [granted, added]},
        ],
        "devices": [{"device": "STATION", "layouts": ["dispatch", "dispatch/2"]}],
    }
    with visit() as visitor:
        listed = visitor.open("/alarms").evaluate(LISTED, answer)

    assert listed == [f"STATION:{name}" for name in names]


def test_a_line_ends_where_samples_or_buckets_are_missing(visit):
    with visit() as visitor:
        page = visitor.open("/alarms")
        raw = {"times_ms": [0, 1000, 2000, 5000, 6000], "values": [1, 2, None, 4, 5]}
        times, values = page.evaluate(DRAWN, [raw, "raw", "UTC"])
        assert values == [1, 2, None, None, 4, 5]
        assert times[3] < 2.1

        hour = 3_600_000
        buckets = {"times_ms": [0, hour, 4 * hour], "values": [1, 2, 3]}
        times, values = page.evaluate(DRAWN, [buckets, "1h", "UTC"])
        assert values == [1, 2, 2, None, 3, 3, None]
        assert [times[2], times[4], times[5]] == [7200, 14_400, 18_000]

        spring = dt.datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin"))
        days = {"times_ms": [int(spring.timestamp() * 1e3)], "values": [1]}
        times, values = page.evaluate(DRAWN, [days, "1d", "Europe/Berlin"])
        assert (values, times[1] - times[0]) == ([1, 1, None], 23 * 3600)
