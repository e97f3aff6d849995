import re
import secrets
import shutil
import tempfile
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import expect
from psycopg.conninfo import make_conninfo

from cloud import alarms
from cloud.alarms.acts import refusal
from cloud.alarms.definitions import AlarmClass
from cloud.alarms.states import Change, Life, State
from cloud.db import connection
from tests.cloud.alarms.happening import T0, Happened, put
from tests.cloud.web.conftest import SIZES
from tests.cloud.web.console import STATION, Console, running_console
from tests.cloud.web.feeder import now_ms
from tests.cloud.web.test_pages_in_chromium import OVERFLOW
from tests.waiting import wait_until

FLOOD = 5_000
ROWS = "#alarm-rows tbody tr"


@pytest.fixture(scope="module")
def console(server_dsn: str, template: str):
    """A console of its own: what these tests leave standing is in nobody's way."""
    name = f"alarms_{secrets.token_hex(6)}"
    home = Path(tempfile.mkdtemp(prefix="sm-alarms-"))
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        dsn = make_conninfo(server_dsn, dbname=name)
        with running_console(dsn, home, history_ms=60_000) as running:
            yield running
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def session(console: Console) -> str:
    credentials = {"user": console.user, "password": console.password}
    return httpx.post(f"{console.url}/api/v1/session", json=credentials).cookies["sm_session"]


def happen(console: Console, *events: Happened) -> None:
    """Let events have arrived and the engine have worked them."""
    services = console.worker.services
    console.do(put(services.pool, services.vault, events, STATION))
    wait_until(lambda: waiting(console) == 0, "the engine to work what has arrived", 60)


def waiting(console: Console) -> int:
    async def count() -> int:
        async with connection(console.worker.services.pool) as conn:
            row = await (await conn.execute("SELECT count(*) FROM alarm_inbox")).fetchone()
        return row[0]

    return console.do(count())


def event(code: str, device: str, ago_ms: int = 1_000, *, active: bool = True, tag: str = ""):
    return Happened(code, device, now_ms() - ago_ms - T0, active, tag, now_ms() - T0)


def row_of(page, device: str):
    return page.locator(ROWS).filter(has_text=device.replace("-", "\u2011"))


def show(page, tab: str) -> None:
    """Go to another list; its module has come when a row is chosen."""
    page.click(f".tabs a:has-text('{tab}')")
    expect(page.locator(".tabs [aria-current]")).to_contain_text(tab)
    expect(page.locator(f"{ROWS}[aria-selected='true']")).to_have_count(1)


@pytest.fixture(autouse=True)
def calm(console: Console):
    """Begin each test without an alarm: the tables are those of alarms alone."""
    yield

    async def forget() -> None:
        async with connection(console.worker.services.pool) as conn:
            await conn.execute(
                "TRUNCATE alarms, alarm_occurrences, alarm_acts, alarm_journal, alarm_inbox,"
                " alarm_outbox, events RESTART IDENTITY CASCADE"
            )

    console.do(forget())


def test_alarms_are_chosen_and_acknowledged_by_keyboard(visit, console):
    happen(console, *(event("pcs.alarm", f"C{n}-PCS", 1_000 * n) for n in (1, 2, 3)))
    with visit() as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(ROWS)).to_have_count(3)
        page.locator(ROWS).first.focus()

        page.keyboard.press("ArrowDown")
        expect(page.locator(f"{ROWS}:focus")).to_contain_text("C2\u2011PCS")
        page.keyboard.press("a")

        expect(page.locator("#say")).to_have_text("1 acknowledged.")
        expect(row_of(page, "C2-PCS").locator(".pr.ack")).to_be_visible()
        expect(row_of(page, "C2-PCS")).to_contain_text("by admin")
        page.keyboard.press("Home")
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("a")
        expect(page.locator("#say")).to_have_text("2 acknowledged.")
        expect(page.locator(f"{ROWS} .pr.ack")).to_have_count(3)
        expect(page.locator("#banner")).to_contain_text("Unacknowledged 0")
    assert audited(console, "acknowledge_alarm") == [[2], [1, 3]]


def audited(console: Console, action: str) -> list[list[int]]:
    async def rows() -> list[list[int]]:
        query = "SELECT detail->'alarms' FROM audit WHERE action = %s ORDER BY id"
        async with connection(console.worker.services.pool) as conn:
            return [row[0] for row in await (await conn.execute(query, [action])).fetchall()]

    return console.do(rows())


def test_the_focus_stays_at_its_place_when_the_list_renews_itself(visit, console):
    happen(console, *(event("pcs.alarm", f"C{n}-PCS", 10_000 * n) for n in (1, 2, 3)))
    with visit() as visitor:
        page = visitor.open("/alarms")
        page.locator(ROWS).nth(1).focus()
        page.keyboard.press("ArrowDown")

        happen(console, event("pcs.alarm", "C9-PCS"))
        expect(page.locator(ROWS)).to_have_count(4)

        expect(page.locator(f"{ROWS}:focus")).to_contain_text("C3\u2011PCS")
        expect(page.locator(f"{ROWS}[tabindex='0']")).to_have_count(1)
        expect(page.locator(f"{ROWS}[aria-selected='true']")).to_have_count(1)


def test_single_letters_act_never_while_somebody_types(visit, console):
    happen(console, event("pcs.alarm", "C1-PCS"), event("chiller.alarm", "C2-CHL"))
    with visit() as visitor:
        page = visitor.open("/alarms")
        page.keyboard.press("/")
        expect(page.locator("#filter")).to_be_focused()

        page.keyboard.type("c1-pcs as")
        expect(page.locator(".panel .body p")).to_contain_text(["No alarm fits the filter."])
        page.keyboard.press("Control+a")
        page.keyboard.type("c1-pcs")
        expect(page.locator(ROWS)).to_have_count(1)

        expect(page.locator("#shelve")).to_be_hidden()
        expect(page.locator(f"{ROWS}.un")).to_have_count(1)
        assert "q=c1-pcs" in page.url
        page.keyboard.press("ArrowDown")
        page.keyboard.press("g")
        page.keyboard.press("f")
        page.wait_for_url(f"{visitor.url}/")


def test_an_alarm_is_shelved_with_a_reason_and_comes_back_by_itself(visit, console):
    happen(console, event("pcs.alarm", "C1-PCS"))
    with visit() as visitor:
        page = visitor.open("/alarms")
        page.locator(ROWS).first.focus()
        page.keyboard.press("s")
        dialog = page.locator("#shelve")
        expect(dialog).to_contain_text(re.compile(r"Comes back\s*\d\d:\d\d:\d\d"))
        dialog.get_by_role("button", name="Shelve", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("Write the reason")
        dialog.locator("textarea").fill("filter is being changed")
        dialog.get_by_role("button", name="Shelve", exact=True).click()

        expect(page.locator("#say")).to_have_text("1 shelved.")
        expect(page.locator(ROWS)).to_have_count(0)
        expect(page.locator("#banner")).to_contain_text("No active alarm")
        show(page, "Shelved")
        expect(page.locator(ROWS)).to_contain_text("by admin: filter is being changed")
        expect(page.locator(f"{ROWS} [data-left]")).to_have_text(re.compile(r"^(30:00|29:\d\d)$"))

        services = console.worker.services
        engine = alarms.Engine(services.pool, services.vault, alarms.load())
        console.do(engine.run(now_ms() + 31 * 60_000))
        expect(page.locator(ROWS)).to_have_count(0)
        show(page, "Active")
        expect(page.locator(f"{ROWS}.un")).to_have_count(1)


def test_a_shelved_alarm_is_taken_back_by_hand(visit, console):
    happen(console, event("pcs.alarm", "C1-PCS"))
    with visit("zh-Hans") as visitor:
        page = visitor.open("/alarms")
        page.locator(ROWS).first.focus()
        page.keyboard.press("s")
        page.locator("#shelve textarea").fill("更换滤芯")
        page.click("#shelve button[value=ok]")
        show(page, "已搁置")
        page.click("#alarm-list [data-act=unshelve]")

        expect(page.locator("#say")).to_have_text("已取消搁置 1 条。")
        expect(page.locator(".tabs [data-count=active]")).to_have_text("1")


def test_a_safety_alarm_is_not_shelved_and_the_rule_is_said(visit, console):
    happen(console, event("fire.alarm", "FIRE"))
    with visit() as visitor:
        page = visitor.open("/alarms")
        page.locator(ROWS).first.focus()
        page.keyboard.press("s")

        dialog = page.locator("#shelve")
        expect(dialog).to_contain_text("A safety alarm cannot be shelved")
        expect(dialog.locator("textarea")).to_be_disabled()
        expect(dialog.locator("select")).to_be_disabled()
        expect(dialog.locator("button[value=ok]")).to_be_disabled()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.evaluate(
            "async () => { const { act } = await import('/static/js/alarms_acts.js');"
            " await act('shelve', [{ id: 1, onset_ms: 0 }], { hours: 1, reason: 'none' }); }"
        )
        expect(page.locator("#refusal")).to_contain_text("Nothing was done. A safety alarm cannot")
        visitor.complaints.clear()  # Chromium reports the 422 itself


def test_a_latched_alarm_waits_for_its_reset(visit, console):
    happen(console, event("fire.alarm", "FIRE", 9_000), event("fire.alarm", "FIRE", active=False))
    with visit() as visitor:
        page = visitor.open("/alarms")
        expect(page.locator(f"{ROWS} .pr.x1.rtn")).to_be_visible()
        page.locator(ROWS).first.focus()
        page.keyboard.press("a")
        expect(page.locator(ROWS)).to_contain_text("Latched, waits for reset")

        expect(page.locator("#alarm-detail")).to_contain_text("reset by an order to the station")
        page.click("#alarm-detail [data-act=reset]")

        expect(page.locator("#say")).to_have_text("1 reset.")
        expect(page.locator(ROWS)).to_have_count(0)


def test_an_alarm_is_taken_out_of_service_and_put_back(visit, console):
    happen(console, event("pcs.alarm", "C1-PCS"))
    with visit() as visitor:
        page = visitor.open("/alarms")
        page.click("#alarm-detail [data-act='out-of-service']")
        page.locator("#out-of-service textarea").fill("converter is being rebuilt")
        page.click("#out-of-service button[value=ok]")
        expect(page.locator("#say")).to_have_text("1 taken out of service.")
        show(page, "Out of service")
        expect(page.locator(ROWS)).to_contain_text("converter is being rebuilt")

        page.click("#alarm-list [data-act='in-service']")
        page.locator("#in-service textarea").fill("done")
        page.click("#in-service button[value=ok]")

        expect(page.locator("#say")).to_have_text("1 back in service.")
        expect(page.locator(ROWS)).to_have_count(0)
        expect(page.locator("#banner a.un")).to_have_count(1)


def incident(console: Console) -> None:
    happen(
        console,
        event("cell.temperature", "C1-R07", 8_882),
        event("protection.trip", "C1-R07", 7_500),
        event("protection.action", "C1-R07", 7_300),
        event("protection.confirmed", "C1-R07", 5_100),
        event("rack.isolated", "C1-R07", 5_000),
    )
    wait_until(lambda: raised(console) == 3, "the alarms to be raised", 30)


def raised(console: Console) -> int:
    return sum(console.do(alarms.counts(console.worker.services.pool)).open.values())


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
        expect(lines.nth(2)).to_contain_text("+1.582")
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

        expect(page.locator(".tabs [data-count=active]")).to_have_text("5,001", timeout=20_000)
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
        for path in ("/alarms", "/alarms?tab=history", "/alarms?tab=shelved", story):
            visitor.open(path)
            page.wait_for_function("document.fonts.status === 'loaded'")
            for size, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
                problems += [f"{path} {size} {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []


def test_urgent_alarms_that_come_close_together_are_all_said(visit, console):
    with visit() as visitor:
        page = visitor.open("/alarms")
        happen(console, event("fire.alarm", "FIRE", 3_000))
        shout = page.locator("#shout")
        expect(shout).to_have_text("Priority 1: Fire alarm, Haibin 1 · FIRE", timeout=10_000)

        happen(console, event("pcs.trip", "C1-PCS", 1_000))

        expect(shout).to_have_text("Priority 2: PCS tripped, Haibin 1 · C1-PCS", timeout=15_000)


def test_a_viewer_reads_all_and_can_act_on_nothing(visit, console):
    happen(console, event("pcs.alarm", "C1-PCS"))

    async def look_only(role: str) -> None:
        async with connection(console.worker.services.pool) as conn:
            await conn.execute("UPDATE users SET roles = ARRAY[%s]", [role])

    console.do(look_only("viewer"))
    try:
        with visit() as visitor:
            page = visitor.open("/alarms")
            expect(page.locator(ROWS)).to_have_count(1)
            buttons = page.locator("#alarm-list [data-act], #alarm-detail [data-act]")
            expect(page.locator("#alarm-detail")).to_contain_text("Cause")
            assert all(button.is_disabled() for button in buttons.all())
            page.locator(ROWS).first.focus()
            page.keyboard.press("a")
            page.keyboard.press("s")
            expect(page.locator("#shelve")).to_be_hidden()
            expect(page.locator(f"{ROWS}.un")).to_have_count(1)
    finally:
        console.do(look_only("admin"))


def test_every_refusal_of_an_act_has_words_of_the_page_in_both_languages(visit):
    definitions = alarms.load()
    lives = [
        Life(base, shelved_until_ms=until, out_of_service=out)
        for base in (s for s in State if s not in alarms.SILENT)
        for until in (None, 1)
        for out in (False, True)
    ]
    told = {
        refusal(life, rule, alarms.Wanted(change))
        for rule in definitions.records
        if rule.code in ("fire.alarm", "pcs.alarm")
        for life in lives
        for change in Change
    } - {""}
    assert AlarmClass.SAFETY in {rule.class_ for rule in definitions.records}
    with visit("zh-Hans") as visitor:
        page = visitor.open("/alarms")

        words = page.evaluate(
            "async (told) => { const { rule } = await import('/static/js/alarms_acts.js');"
            " return told.map(rule); }",
            sorted(told),
        )

    assert len(told) > 8
    assert [text for text in words if not re.search(r"[\u4e00-\u9fff]", text)] == []
