"""What alarm tests in a browser do again and again: let things happen, find rows, change lists."""

from playwright.sync_api import Locator, Page, expect

from cloud import alarms
from cloud.db import connection
from tests.cloud.alarms.happening import T0, Happened, put
from tests.cloud.web.console import STATION, Console
from tests.cloud.web.feeder import now_ms
from tests.waiting import wait_until

ROWS = "#alarm-rows tbody tr"


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


def event(
    code: str,
    device: str,
    ago_ms: int = 1_000,
    *,
    active: bool = True,
    tag: str = "",
    present_ms: int | None = None,
) -> Happened:
    """An event so long before the present, which is that of the call unless it is given."""
    present = (now_ms() if present_ms is None else present_ms) - T0
    return Happened(code, device, present - ago_ms, active, tag, present)


def row_of(page: Page, device: str) -> Locator:
    return page.locator(ROWS).filter(has_text=device.replace("-", "\u2011"))


def audited(console: Console, action: str) -> list[list[int]]:
    async def rows() -> list[list[int]]:
        query = "SELECT detail->'alarms' FROM audit WHERE action = %s ORDER BY id"
        async with connection(console.worker.services.pool) as conn:
            return [row[0] for row in await (await conn.execute(query, [action])).fetchall()]

    return console.do(rows())


def show(page: Page, tab: str) -> None:
    """Go to another list; its module has come when a row is chosen."""
    page.click(f".tabs a:has-text('{tab}')")
    expect(page.locator(".tabs [aria-current]")).to_contain_text(tab)
    expect(page.locator(f"{ROWS}[aria-selected='true']")).to_have_count(1)


def incident(console: Console) -> None:
    course = {
        "cell.temperature": 8_882,
        "protection.trip": 7_500,
        "protection.action": 7_300,
        "protection.confirmed": 5_100,
        "rack.isolated": 5_000,
    }
    present_ms = now_ms()
    happen(
        console,
        *(event(code, "C1-R07", ago, present_ms=present_ms) for code, ago in course.items()),
    )
    wait_until(lambda: raised(console) == 3, "the alarms to be raised", 30)


def raised(console: Console) -> int:
    return sum(console.do(alarms.counts(console.worker.services.pool)).open.values())
