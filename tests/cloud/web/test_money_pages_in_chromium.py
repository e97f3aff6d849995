"""Revenue, forecast quality and the desk's track: pages of real settled days, and what they say."""

import asyncio
import dataclasses
import datetime as dt
import re
import socket
from concurrent.futures import Future
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import expect

from cloud.config_market import MarketSection
from cloud.web.user_app import create_user_app
from tests.cloud.market.retraining.past import put_trainings
from tests.cloud.settled import MARKET, PRODUCT, SERIES, settle_day, store_prices
from tests.cloud.web.console import STATION, quick_passwords, serving
from tests.cloud.web.test_pages_in_chromium import OVERFLOW

FIRST = dt.date(2026, 3, 1)
DAYS = 24
LAST = FIRST + dt.timedelta(days=DAYS - 1)
SPAN = f"from={FIRST}&to={LAST}&market={MARKET.id}"
MOST_MS = 30_000
"""Weeks of bids are read after the page."""
NOTHING = "from=2025-01-01&to=2025-01-02"
DESK = {"station": STATION, "market": MARKET.id, "price": SERIES, "products": [{"id": PRODUCT.id}]}


@contextmanager
def served(console):
    """Serve the console's pages once more, with a desk for the station; yield the address."""
    services = console.worker.services
    market = MarketSection.model_validate({"desks": [DESK]})
    config = services.config.model_copy(update={"market": market})
    app = create_user_app(dataclasses.replace(services, config=config), passwords=quick_passwords())
    listener = socket.create_server(("127.0.0.1", 0))
    stop: Future[asyncio.Event] = Future()

    async def run() -> None:
        ended = asyncio.Event()
        async with serving(app, listener):
            stop.set_result(ended)
            await ended.wait()

    running = asyncio.run_coroutine_threadsafe(run(), console.loop)
    ended = stop.result(20)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        console.loop.call_soon_threadsafe(ended.set)
        running.result(20)


async def settle_all(services) -> list[str]:
    await store_prices(services.pool, FIRST, LAST)
    put_trainings(services.pool, STATION, MARKET.id)
    return [
        await settle_day(services.pool, services.vault, STATION, FIRST + dt.timedelta(days=number))
        for number in range(DAYS)
    ]


@pytest.fixture(scope="module")
def bids(console) -> list[str]:
    return console.do(settle_all(console.worker.services))


@pytest.fixture(scope="module")
def address(console, bids):
    with served(console) as url:
        yield url


@pytest.fixture(scope="module")
def store(address, session):
    """What the store says, by the interface."""
    with httpx.Client(base_url=address, cookies={"sm_session": session}, timeout=30) as client:
        yield lambda path: client.get(f"/api/v1{path}").json()


def shown(value: object, digits: int = 2) -> str:
    """A number as the page writes it."""
    number = float(str(value))
    return f"{number:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


@pytest.mark.parametrize(
    ("language", "theme", "size"),
    [
        *(("en", "dark", "desk"), ("zh-Hans", "light", "tablet")),
        *(("en", "light", "phone"), ("zh-Hans", "dark", "phone")),
    ],
)
def test_the_pages_of_money_are_whole_in_every_size(visit, address, language, theme, size):
    words = {
        f"/revenue?{SPAN}": {"en": "From plan to paid", "zh-Hans": "从计划到实付"},
        f"/forecasts?{SPAN}": {"en": "Coverage", "zh-Hans": "覆盖率"},
    }
    problems = []
    with visit(language, theme, size) as visitor:
        visitor.url = address
        for path, wanted in words.items():
            page = visitor.open(path)
            expect(page.locator("main")).to_contain_text(wanted[language])
            problems += [f"{path}: {found}" for found in page.evaluate(OVERFLOW)]

    assert problems == []


def test_the_money_on_the_page_is_that_of_the_store(visit, address, store):
    (book,) = store(f"/revenue?{SPAN}")["ledgers"]
    with visit() as visitor:
        visitor.url = address
        page = visitor.open(f"/revenue?{SPAN}")
        tiles = page.locator(".kpi .v").all_text_contents()
        steps = page.locator("[data-waterfall] tr td:last-child").all_text_contents()
        days = page.locator("[data-days] tbody tr").all()
        var = page.locator("[data-var] dd").all_text_contents()
        nets = [row.locator("td").nth(6).text_content() for row in days]
        hours = page.locator("[data-hours] tr").all_text_contents()
        payback = page.locator("[data-roi]").text_content()

    assert len(days) == len(book["days"]) == DAYS
    assert tiles[:3] == [f"{shown(book[name])}CNY" for name in ("total", "wear", "net")]
    assert tiles[3] == f"{shown(100 * book['share_of_perfect'], 1)}%"
    signed = [one["amount"] for one in book["waterfall"]]
    assert [step.removeprefix("+") for step in steps] == [
        *(shown(amount) for amount in signed),
        shown(book["total"]),
    ]
    assert nets == [shown(one["net"]) for one in reversed(book["days"])]
    assert len(hours) == len(book["by_hour"])
    told = book["var"]
    assert var == [
        *(str(told["bids"]), str(told["breaches"])),
        *(shown(told["expected"], 1), shown(told["p_value"], 3)),
    ]
    assert shown(book["roi"]["yearly"], 0) in payback


def test_the_quality_on_the_page_is_that_of_the_store(visit, address, store):
    (found,) = store(f"/forecasts/quality?{SPAN}")
    with visit() as visitor:
        visitor.url = address
        page = visitor.open(f"/forecasts?{SPAN}")
        rows = [
            row.locator("td").all_text_contents()
            for row in page.locator("[data-scores] tbody tr").all()
        ]
        bands = page.locator("[data-coverage] tbody tr td:nth-child(3)").all_text_contents()
        weights = page.locator("[data-weights] tbody tr").all()

    assert [row[0] for row in rows] == [one["member"] for one in found["scores"]]
    assert [row[1:4] for row in rows] == [
        [
            *(shown(one["mae"]), shown(one["rmae"], 3)),
            "\N{EN DASH}" if one["pinball"] is None else shown(one["pinball"]),
        ]
        for one in found["scores"]
    ]
    assert bands == [shown(100 * share, 1) for share in found["scores"][0]["coverage"].values()]
    assert len(weights) == len(found["weights"]) == DAYS


def test_days_without_settled_bids_say_so_and_what_to_do(visit, address):
    with visit() as visitor:
        visitor.url = address
        page = visitor.open(f"/revenue?{NOTHING}")
        expect(page.locator("main")).to_contain_text("No bid of these days is settled yet.")
        expect(page.locator(".kpi")).to_have_count(0)
        page = visitor.open(f"/forecasts?{NOTHING}")
        expect(page.locator("main")).to_contain_text("No bid of these days keeps a forecast")
        page.fill("[name=from]", FIRST.isoformat())
        page.fill("[name=to]", LAST.isoformat())
        page.click("main form .btn")
        expect(page.locator("[data-scores] tbody tr").first).to_contain_text("ensemble")


@pytest.mark.parametrize("path", ["/revenue", "/forecasts"])
def test_a_span_that_cannot_be_shown_is_refused_in_words(visit, address, path):
    with visit() as visitor:
        visitor.url = address
        page = visitor.page
        refused = page.goto(f"{address}{path}?from=2026-03-05&to=2026-03-01")
        visitor.complaints.clear()  # Chromium reports the 422 itself
        expect(page.locator("body")).to_contain_text("ask for 1 to 370, the first day first")

    assert refused.status == 422


def test_the_desk_says_whether_its_risk_is_told_rightly(visit, address, bids):
    with visit() as visitor:
        visitor.url = address
        page = visitor.open(f"/desk?station={STATION}&bid={bids[-1]}")
        track = page.locator("#track[data-bids]")
        expect(track.locator("[data-breaches]")).to_contain_text(
            "Nothing speaks against the VaR", timeout=MOST_MS
        )
        tested = track.locator("[data-breaches] dd").all_text_contents()
        bands = track.locator("[data-bands] tbody tr").all_text_contents()
        learnt = track.locator("[data-chain] dd").all_text_contents()
        drawn = track.locator(".misses polyline").count()
        marks = track.locator(".spread text").all_text_contents()
        cases = page.locator("#stress tbody tr")
        expect(cases).to_have_count(6)
        expect(cases.first).to_contain_text("the day as forecast")
        expect(page.locator("[data-check]")).to_have_text("The gate is closed, or the bid is over.")
        expect(page.locator("#hist text.last, #hist text.first")).to_have_text(
            ["CVaR 95 %", "VaR 95 %"]
        )

    assert tested[:3] == [str(DAYS), "0", "1.2"]
    # All prices came 10 above the median of bands that are 27, 53 and 80 wide.
    assert [re.sub(r"\s+", " ", one) for one in bands] == [
        *("50100.0+50.0", "80100.0+20.0", "90100.0+10.0"),
    ]
    assert learnt[-1] == f"{DAYS - 1} days"
    assert all(re.fullmatch(r"[\N{MINUS SIGN}\d,.]+ CNY", one) for one in learnt[:3])
    assert (drawn, marks) == (6, ["CVaR", "VaR"])


def test_a_desk_of_few_days_says_that_they_are_not_enough(visit, address, bids):
    with visit("zh-Hans") as visitor:
        visitor.url = address
        page = visitor.open(f"/desk?station={STATION}&bid={bids[3]}")
        track = page.locator("#track[data-bids]")
        expect(track.locator("[data-chain]")).to_contain_text(
            "天数尚不足：3 / 21 天", timeout=MOST_MS
        )
        expect(track.locator("[data-bands]")).to_contain_text("天数尚不足：3 / 7 天")
        assert page.evaluate(OVERFLOW) == []
