"""What was earned, as programs and people ask for it, from settled bids of the store."""

import csv
import dataclasses
import datetime as dt
import io
import math
from decimal import Decimal

import pytest

from cloud.access import Role
from cloud.api.revenue import day_at
from cloud.api.revenue_csv import quantity_told
from cloud.app import open_worker
from cloud.config import CloudConfig
from cloud.web.user_app import create_user_app
from tests.cloud.api.conftest import Cloud
from tests.cloud.settled import MARKET, PRODUCT, SERIES, price_of, settle_day, store_prices
from tests.cloud.stations import create_station
from tests.cloud.web.console import PATIENT, quick_passwords

FIRST, LAST = dt.date(2026, 3, 3), dt.date(2026, 3, 5)
SPAN = f"from={FIRST}&to={LAST}"
QUARTERS = [quarter / 4 for quarter in range(8)]


@pytest.fixture
async def market_cloud(dsn, tmp_path):
    desk = {
        "station": "s1",
        "market": MARKET.id,
        "price": SERIES,
        "products": [{"id": PRODUCT.id}],
    }
    config = CloudConfig(data_dir=tmp_path, database=PATIENT, market={"desks": [desk]})
    async with open_worker(config, dsn) as worker:
        pool, vault = worker.services.pool, worker.services.vault
        await create_station(pool, "s1")
        await store_prices(pool, FIRST, LAST)
        for number in range(3):
            await settle_day(pool, vault, "s1", FIRST + dt.timedelta(days=number))
        yield Cloud(worker, create_user_app(worker.services, passwords=quick_passwords()))


def by_hand(day: dt.date) -> Decimal:
    """Return energy times price of a day, less the missing MWh at 30 above the day-ahead price."""
    total = Decimal(0)
    for hour in QUARTERS:
        total -= 2 * Decimal(f"{price_of(day, 2 + hour):.2f}")
        total += 2 * Decimal(f"{price_of(day, 18 + hour):.2f}")
    return total - (Decimal(f"{price_of(day, 19.75):.2f}") + 30)


async def test_a_settled_day_is_price_times_energy_less_wear_to_the_cent(market_cloud):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        answer = await trader.get(f"/api/v1/revenue?from={FIRST}&to={FIRST}")

    (book,) = answer.json()["ledgers"]
    wear = Decimal(15) * 60  # 15 MWh discharged
    charged = Decimal(book["by_item"].get("deviation", "0"))
    assert Decimal(book["total"]) == by_hand(FIRST) + charged
    assert Decimal(book["wear"]) == wear
    assert Decimal(book["net"]) == Decimal(book["total"]) - wear
    steps = {one["step"]: Decimal(one["amount"]) for one in book["waterfall"]}
    assert sum(steps.values()) == Decimal(book["total"])
    assert abs(steps["price"]) <= Decimal("0.02")  # believed 10 below, as many MWh in as out
    assert steps["imbalance"] < 0
    assert (Decimal(book["charged_mwh"]), Decimal(book["lost_mwh"])) == (16, 1)


async def test_days_add_up_and_stand_against_plan_and_foresight(market_cloud):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        book = (await trader.get(f"/api/v1/revenue?{SPAN}&station=s1")).json()["ledgers"][0]

    assert len(book["days"]) == book["compared_days"] == 3
    for kind in ("by_market", "by_station", "by_hour", "by_item"):
        assert sum(map(Decimal, book[kind].values())) == Decimal(book["total"]), kind
    assert Decimal(book["compared_net"]) < Decimal(book["compared_perfect"])
    assert 0 < book["share_of_perfect"] < 1
    roi = book["roi"]
    assert (roi["days"], roi["reference_years"], roi["initial"]) == (3, "2.0", "1500000")
    assert float(roi["half_width"]) > 0
    assert not any(one["differs"] for one in book["days"])
    chance = math.erfc(math.sqrt(-3 * math.log(0.95)))  # Kupiec: no breach of three
    assert book["var"] == {
        "bids": 3,
        "breaches": 0,
        "expected": pytest.approx(0.15),
        "p_value": pytest.approx(chance),
    }


async def test_lines_are_exported_with_times_in_utc(market_cloud):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        answer = await trader.get(f"/api/v1/revenue.csv?{SPAN}")

    table = list(csv.DictReader(io.StringIO(answer.text)))
    first = next(one for one in table if one["day"] == str(FIRST))
    assert answer.headers["content-type"].startswith("text/csv")
    assert first["start_utc"] == "2026-03-02T18:00:00Z"  # 2:00 in Shanghai
    assert (first["currency"], first["unit"]) == ("CNY", "MWh")
    total = sum(Decimal(one["amount"]) for one in table)
    assert total == sum(by_hand(FIRST + dt.timedelta(days=k)) for k in range(3)) + sum(
        Decimal(one["amount"]) for one in table if one["item"] == "deviation"
    )


async def test_kept_forecasts_are_scored_against_the_prices_that_came(market_cloud):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        (found,) = (await trader.get(f"/api/v1/forecasts/quality?{SPAN}")).json()

    ensemble, best, worst = found["scores"]
    assert (ensemble["member"], best["member"], worst["member"]) == (
        *("ensemble", "lear.84", "naive.week"),
    )
    assert ensemble["mae"] == pytest.approx(10.0, abs=0.01)
    assert best["mae"] == pytest.approx(5.0, abs=0.01)
    assert ensemble["coverage"]["0.5"] == 0.0  # the median lies 10 below all that came
    assert ensemble["coverage"]["0.95"] == 1.0
    assert found["weights"][str(FIRST)] == {"naive.week": 0.25, "lear.84": 0.75}
    assert (len(found["days"]), found["left_out"]) == (3, 0)


async def test_a_forecast_that_was_made_when_the_prices_were_known_is_not_scored(market_cloud):
    services, late = market_cloud.worker.services, LAST + dt.timedelta(days=1)
    await store_prices(services.pool, late, late)
    await settle_day(services.pool, services.vault, "s1", late, known_before_ms=660_000)

    async with market_cloud.signed_in(Role.TRADER) as trader:
        answer = await trader.get(f"/api/v1/forecasts/quality?from={FIRST}&to={late}")
        page = (await trader.get(f"/forecasts?from={FIRST}&to={late}")).text

    (found,) = answer.json()
    assert (len(found["days"]), found["left_out"], found["late"]) == (3, 0, 1)
    assert str(late) not in found["daily_mae"]
    assert found["scores"][0]["mae"] == pytest.approx(10.0, abs=0.01)
    assert "1 forecast too late" in page
    assert "Only a forecast made before the day&#39;s prices counts." in page


async def test_only_who_reads_the_market_sees_its_money(market_cloud):
    async with market_cloud.signed_in(Role.OPERATOR) as operator:
        answers = [
            (await operator.get(path)).status_code
            for path in ("/api/v1/revenue", "/api/v1/revenue.csv", "/revenue", "/forecasts")
        ]
        fleet = await operator.get("/")

    assert answers == [403, 403, 403, 403]
    assert 'href="/revenue"' not in fleet.text


async def test_too_many_days_are_refused_with_the_remedy(market_cloud):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        answer = await trader.get("/api/v1/revenue?from=2020-01-01&to=2026-01-01")

    assert answer.status_code == 422
    assert "ask for 1 to 370" in answer.json()["message"]


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
async def test_the_pages_show_it_in_both_languages(market_cloud, language):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        trader.cookies.set("sm_language", language)
        revenue = await trader.get(f"/revenue?{SPAN}")
        forecasts = await trader.get(f"/forecasts?{SPAN}")
        nothing = await trader.get("/revenue?from=2025-01-01&to=2025-01-02")

    assert (revenue.status_code, forecasts.status_code, nothing.status_code) == (200, 200, 200)
    wanted = ("From plan to paid", "Coverage") if language == "en" else ("从计划到实付", "覆盖率")
    assert wanted[0] in revenue.text
    assert wanted[1] in forecasts.text
    assert "data-roi" in revenue.text


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
async def test_a_settled_bid_shows_what_was_missed_and_what_it_cost(market_cloud, language):
    async with market_cloud.worker.services.pool.connection() as conn:
        (bid,) = await (await conn.execute("SELECT id::text FROM bids ORDER BY day")).fetchone()
    async with market_cloud.signed_in(Role.TRADER) as trader:
        trader.cookies.set("sm_language", language)
        page = (await trader.get(f"/stations/s1/bids/{bid}")).text
        told = (await trader.get(f"/api/v1/stations/s1/bids/{bid}")).json()["settlement"]
        made = (await trader.get(f"/api/v1/stations/s1/bids/{bid}/settlements")).json()
        days = await trader.get(f"/api/v1/stations/s1/settled-days/{MARKET.id}/{FIRST}")

    (late,) = told["deviations"]
    assert (Decimal(late["imbalance_mwh"]), late["course"]) == (-1, "less")
    assert told["differences"] == []
    (once,) = made["settlements"]
    assert (once["number"], once["final"], once["amount"]) == (1, False, told["amount"])
    assert days.json()["versions"] == []
    assert "settled" in days.json()["words"]["en"]
    assert ("provisional" if language == "en" else "暂估") in page
    assert "data-deviations" in page
    assert "data-differences" not in page
    wanted = "delivered less than awarded" if language == "en" else "执行少于中标"
    assert wanted in page


async def test_revenue_in_another_currency_than_the_investment_is_not_set_against_it(market_cloud):
    services = market_cloud.worker.services
    market = services.config.market
    euro = market.investment.model_copy(update={"currency": "EUR"})
    config = services.config.model_copy(
        update={"market": market.model_copy(update={"investment": euro})}
    )
    app = create_user_app(dataclasses.replace(services, config=config), passwords=quick_passwords())
    async with Cloud(market_cloud.worker, app).signed_in(Role.TRADER) as trader:
        page = await trader.get(f"/revenue?{SPAN}")
        (book,) = (await trader.get(f"/api/v1/revenue?{SPAN}")).json()["ledgers"]

    assert book["roi"] is None
    assert "1,500,000 EUR" in page.text


MOMENT_MS = round(dt.datetime(2026, 11, 26, 19, 37, tzinfo=dt.UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("markets", "day"),
    [
        ([MARKET.id], 27),  # Shanghai: already the next one
        ([MARKET.id, "au-nem"], 27),
        ([], 26),
        (["atlantis"], 26),
    ],
)
def test_the_present_day_is_that_of_the_market(markets, day):
    assert day_at(MOMENT_MS, markets) == dt.date(2026, 11, day)


@pytest.mark.parametrize("end", ["", "&to="])
async def test_a_first_day_without_a_last_reaches_to_the_present_day(market_cloud, end):
    today = dt.datetime.now(dt.UTC).date()
    first = today - dt.timedelta(days=9)
    async with market_cloud.signed_in(Role.TRADER) as trader:
        answer = await trader.get(f"/api/v1/revenue?from={first}{end}")
        page = await trader.get(f"/revenue?from={first}{end}")

    assert (answer.status_code, page.status_code) == (200, 200), answer.text
    assert answer.json()["first"] == str(first)
    assert dt.date.fromisoformat(answer.json()["last"]) >= today
    assert f'name="from" value="{first}"' in page.text


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("0.01333333333333333333333333333", "0.013333"), ("-2.500", "-2.500"), ("1E-9", "0.000000")],
)
def test_a_quantity_is_exported_without_endless_digits(quantity, text):
    assert quantity_told(Decimal(quantity)) == text


@pytest.mark.parametrize(
    ("query", "chinese", "english"),
    [
        (
            "from=2026-12-01&to=2026-11-01",
            "2026-12-01 至 2026-11-01 为 -29 天",
            "2026-12-01 to 2026-11-01 are -29 days",
        ),
        ("from=yesterday", "from：&#39;yesterday&#39; 不是日期", "is no day; write year-month-day"),
    ],
)
async def test_a_page_says_what_is_wrong_in_the_readers_language(
    market_cloud, query, chinese, english
):
    async with market_cloud.signed_in(Role.TRADER) as trader:
        page = f"/revenue?{query}"
        zh = await trader.get(page, headers={"accept-language": "zh-CN"})
        en = await trader.get(page, headers={"accept-language": "en"})

    assert (zh.status_code, en.status_code) == (422, 422)
    assert chinese in zh.text
    assert english in en.text
    assert "Input should be" not in zh.text + en.text
