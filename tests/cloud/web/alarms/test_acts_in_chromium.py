import re

from playwright.sync_api import expect

from cloud import alarms
from cloud.alarms.acts import ActForbidden
from cloud.db import connection
from tests.cloud.web.alarms.happen import (
    ROWS,
    audited,
    event,
    happen,
    row_of,
    show,
)
from tests.cloud.web.feeder import now_ms


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

        expect(page.locator("#alarm-detail")).to_contain_text("has an alarm of its own")
        expect(page.locator("#alarm-detail [data-act='station-reset']")).to_have_count(0)
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
    codes = [*alarms.Why, ActForbidden.code, alarms.NoSuchAlarm.code]
    told = [{"code": code, "message": "the cloud's own words"} for code in codes]
    with visit("zh-Hans") as visitor:
        page = visitor.open("/alarms")

        words = page.evaluate(
            "async (told) => { const { rule } = await import('/static/js/alarms_acts.js');"
            " return told.map(rule); }",
            [*told, {"code": "of another version", "message": "the cloud's own words"}],
        )

    assert [text for text in words[:-1] if not re.search(r"[\u4e00-\u9fff]", text)] == []
    assert len(set(words)) == len(words)
    assert words[-1] == "the cloud's own words"
