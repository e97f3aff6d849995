"""Bids over the interface: look, ask what-if, change, approve, withdraw; who may do which."""

import pytest

from cloud.access import Role
from cloud.api.image import now_ms
from cloud.app import open_worker
from cloud.config import CloudConfig
from cloud.config_market import MarketSection
from cloud.market import bids, prices
from cloud.market.desk.limits import set_limits
from cloud.trading import TradingDesk
from cloud.trading.meter import StationMeter
from cloud.web.user_app import create_user_app
from contract.words import Words
from tests.cloud.api.conftest import Cloud
from tests.cloud.desk_day import DESK, LIMITS, PRODUCT, day_ahead, new_bid
from tests.cloud.stations import create_station
from tests.cloud.web.console import PATIENT, quick_passwords

BASE = "/api/v1/stations/haibin-1/bids"
CASES = ["expected", "price_up", "price_down", "spike", "negative_day", "outage"]


@pytest.fixture
async def trader(cloud):
    async with cloud.signed_in(Role.TRADER) as client:
        yield client


@pytest.fixture
async def head(cloud):
    async with cloud.signed_in(Role.HEAD_TRADER) as client:
        yield client


async def work(cloud):
    """Let the worker check what is drafted; nothing is handed over without an exchange."""
    one = cloud.worker.services
    meter = StationMeter(one.pool, one.history)
    rooms = one.pool, one.vault, one.keys, meter
    desk = TradingDesk(*rooms, section=MarketSection(), clock=now_ms)
    worker = bids.Worker(one.pool, one.vault, exchanges={}, desk=desk, clock=now_ms)
    await worker.run()


async def drafted(cloud, power: str = "2") -> str:
    one = cloud.worker.services
    await set_limits(one.pool, DESK, LIMITS, who="zhou", why="the year's budget")
    made = await bids.draft(
        one.pool,
        one.vault,
        new_bid("haibin-1", power=power),
        who="drafting",
        why="",
        now_ms=now_ms(),
    )
    await work(cloud)
    return made


@pytest.fixture
async def bid(cloud, feeder) -> str:
    return await drafted(cloud)


def edited(bid: dict, power: str, *, at: int = 72) -> dict:
    version = bid["versions"][0]
    version["intervals"][at]["segments"][0]["power_mw"] = power
    return {"version": version["number"], "intervals": version["intervals"]}


async def test_a_bid_is_told_whole_with_its_reasons_its_risk_and_its_log(trader, bid):
    listed = await trader.get(f"{BASE}?from={day_ahead()}&to={day_ahead()}")
    whole = (await trader.get(f"{BASE}/{bid}")).json()
    forecast = (await trader.get(f"{BASE}/{bid}/forecast")).json()

    assert [(one["id"], one["state"]) for one in listed.json()["bids"]] == [(bid, "checked")]
    first = whole["versions"][0]
    assert first["judgement"]["approver"] == "trader"
    assert first["judgement"]["figures"]["power_mw"] == 2
    assert [one["name"] for one in first["judgement"]["stress"]] == CASES
    assert first["judgement"]["stress"][1]["words"]["zh"] == "电价上涨30%"
    assert first["intervals"][72]["segments"][0]["why"] == "sells at 62.50 or more"
    assert first["explanation"][0]["zh"] == "电表为新装"
    assert [(one["version"], one["after"]) for one in whole["log"]][:2] == [
        *((1, "drafted"), (2, "drafted")),
    ]
    assert (forecast["unit"], len(forecast["quantiles"])) == ("EUR/MWh", 96)


async def test_what_if_weighs_an_edit_and_stores_nothing(trader, bid):
    whole = (await trader.get(f"{BASE}/{bid}")).json()
    as_it_is = (await trader.post(f"{BASE}/{bid}/what-if", json=edited(whole, "2"))).json()

    less = (await trader.post(f"{BASE}/{bid}/what-if", json=edited(whole, "0.5"))).json()
    large = (await trader.post(f"{BASE}/{bid}/what-if", json=edited(whole, "3.2"))).json()
    wrong = (await trader.post(f"{BASE}/{bid}/what-if", json=edited(whole, "30"))).json()

    first = whole["versions"][0]
    assert as_it_is["judgement"] == first["judgement"]
    assert as_it_is["fingerprint"] == first["fingerprint"]
    assert as_it_is["may_approve"]
    assert sum(less["histogram"]["counts"]) == less["scenarios"] == 2_000
    assert less["judgement"]["figures"]["expected"] < first["judgement"]["figures"]["expected"]
    assert large["judgement"]["approver"] == "head_trader"
    assert not large["may_approve"]
    assert {one["rule"] for one in wrong["violations"]} == {"rated_power"}
    assert wrong["violations"][0]["start_ms"] == first["intervals"][72]["start_ms"]
    assert "max_power_mw" in wrong["judgement"]["breaches"][0]["en"]
    assert (await trader.get(f"{BASE}/{bid}")).json()["newest"] == whole["newest"]


async def test_an_edit_is_a_new_version_that_is_approved_as_it_was_seen(cloud, trader, bid):
    whole = (await trader.get(f"{BASE}/{bid}")).json()
    change = edited(whole, "1.5") | {"newest": whole["newest"], "why": "the rack is warm"}

    made = await trader.post(f"{BASE}/{bid}/versions", json=change)
    late = await trader.post(f"{BASE}/{bid}/versions", json=change)
    await work(cloud)
    now = (await trader.get(f"{BASE}/{bid}")).json()
    newest = now["versions"][-1]
    blind = await trader.post(
        f"{BASE}/{bid}/approve", json={"version": newest["number"], "fingerprint": "0" * 16}
    )
    seen = {"version": newest["number"], "fingerprint": newest["fingerprint"]}
    approved = await trader.post(f"{BASE}/{bid}/approve", json=seen)

    assert made.status_code == 201
    assert (late.status_code, late.json()["code"]) == (409, "bid_refused")
    assert (blind.status_code, blind.json()["code"]) == (409, "bid_refused")
    assert approved.json()["versions"][-1]["approved_by"] == "trader-user"
    assert [one["state"] for one in approved.json()["versions"]] == [
        *("withdrawn", "checked", "approved"),
    ]


async def test_what_is_large_is_approved_by_a_head_of_trading(cloud, trader, head, feeder):
    large = await drafted(cloud, "3.2")
    version = (await trader.get(f"{BASE}/{large}")).json()["versions"][0]
    seen = {"version": 1, "fingerprint": version["fingerprint"]}

    refused = await trader.post(f"{BASE}/{large}/approve", json=seen)
    approved = await head.post(f"{BASE}/{large}/approve", json=seen)

    assert version["judgement"]["approver"] == "head_trader"
    assert "ask a head of trading" in refused.json()["message"]
    assert approved.json()["versions"][0]["approved_by"] == "head_trader-user"


async def test_a_bid_is_withdrawn_with_a_reason(trader, bid):
    unsaid = await trader.post(f"{BASE}/{bid}/withdraw", json={"why": ""})
    gone = await trader.post(f"{BASE}/{bid}/withdraw", json={"why": "the station is out"})

    assert unsaid.status_code == 422
    assert {one["state"] for one in gone.json()["versions"]} == {"withdrawn"}
    assert gone.json()["log"][-1]["why"] == "the station is out"


async def test_a_program_drafts_once_what_it_sends_twice(trader, feeder):
    starts = PRODUCT.intervals_ms(day_ahead())
    sale = {"direction": "discharge", "power_mw": "1", "price": "80", "why": "by hand"}
    asked = {
        "market": "test-exchange",
        "product": PRODUCT.id,
        "day": str(day_ahead()),
        "intervals": [{"start_ms": starts[0], "segments": [sale]}],
    }

    made = await trader.post(BASE, json=asked)
    again = await trader.post(BASE, json=asked)
    other = await trader.post(
        BASE, json=asked | {"intervals": [{"start_ms": starts[0], "segments": []}]}
    )

    assert (made.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert made.json()["id"] == again.json()["id"]
    assert made.json()["versions"][0]["inputs"]["battery"]["energy_mwh"] > 0


async def test_what_a_trader_drafts_is_weighed_with_the_newest_forecast(dsn, tmp_path):
    """No other bid of the day is there; a limit of CVaR blocks nothing without cause."""
    section = {
        "desk": DESK,
        "station": "haibin-1",
        "market": "test-exchange",
        "price": "tx.ahead",
        "products": [{"id": PRODUCT.id}],
    }
    config = CloudConfig(data_dir=tmp_path, database=PATIENT, market={"desks": [section]})
    async with open_worker(config, dsn) as worker:
        one = worker.services
        await create_station(one.pool, "haibin-1")
        async with one.pool.connection() as conn:
            await conn.execute("UPDATE stations SET rated_power_kw = 4000, capacity_kwh = 8000")
        await set_limits(one.pool, DESK, LIMITS, who="zhou", why="the year's budget")
        end_ms = PRODUCT.intervals_ms(day_ahead())[0] - 24 * 3_600_000
        rows = [
            prices.Row(end_ms - hour * 3_600_000, 50.0 + hour % 24, end_ms - hour * 3_600_000)
            for hour in range(45 * 24, 0, -1)
        ]
        series = prices.Series(
            *("tx.ahead", prices.Kind.DAY_AHEAD, "EUR/MWh", "TX", "Asia/Shanghai", 60),
            publication=prices.Publication("import"),
        )
        await prices.import_rows(one.pool, series, rows, source="test", now_ms=end_ms)
        cloud = Cloud(worker, create_user_app(one, passwords=quick_passwords()))
        sale = {"direction": "discharge", "power_mw": "1", "price": "80"}
        starts = PRODUCT.intervals_ms(day_ahead())
        asked = {
            "market": "test-exchange",
            "product": PRODUCT.id,
            "desk": DESK,
            "day": str(day_ahead()),
            "intervals": [{"start_ms": starts[0], "segments": [sale]}],
        }
        async with cloud.signed_in(Role.TRADER) as trader:
            made = (await trader.post(BASE, json=asked)).json()
            await work(cloud)
            judged = (await trader.get(f"{BASE}/{made['id']}")).json()["versions"][0]
            gates = "/api/v1/stations/haibin-1/gates?ahead_h=150"
            empty = (await trader.get(gates)).json()["gates"][-1]
            names = "market", "product", "begin_ms", "end_ms", "gate_ms"
            place = [empty[name] for name in names]
            look = bids.Look("haibin-1", *place, True, Words("none", "无"))
            await bids.keep_look(one.pool, one.vault, look, now_ms())
            told = (await trader.get(gates)).json()["gates"][-1]
            over = starts[0] - 5 * 86_400_000
            interval = {"start_ms": over, "segments": [sale]}
            day = str(PRODUCT.calendar.day_of(over))
            late = await trader.post(BASE, json=asked | {"day": day, "intervals": [interval]})

    assert (empty["bid"], empty["drafting"]) == (None, None)
    assert (told["drafting"], told["why"]) == ("failed", "none")
    assert told["words"] == {"en": "none", "zh": "无"}
    assert (late.status_code, late.json()["code"]) == (409, "bid_refused")
    assert "bid for a later one" in late.json()["remedy"]
    assert late.json()["words"]["en"] == late.json()["message"]
    assert "申报已截止" in late.json()["words"]["zh"]
    assert "known" in made["versions"][0]["forecasts"][0]
    assert judged["judgement"]["blocked"] == ""
    assert judged["judgement"]["figures"]["cvar"] <= LIMITS.max_cvar


async def test_gates_say_what_stands_for_them(trader, bid):
    told = (await trader.get("/api/v1/stations/haibin-1/gates?ahead_h=72")).json()
    near = (await trader.get("/api/v1/stations/haibin-1/gates?ahead_h=1")).json()

    (gate,) = told["gates"]
    assert (gate["bid"]["id"], gate["bid"]["state"], gate["desk"]) == (bid, "checked", DESK)
    assert near["gates"] == []


async def test_who_may_do_which_is_asked_every_time(cloud, operator, trader, head, bid):
    limits = {"limits": {"max_power_mw": 1.0}, "why": "a smaller budget"}

    assert (await operator.get(f"{BASE}/{bid}")).status_code == 403
    assert (await operator.get("/api/v1/markets")).status_code == 403
    assert (await trader.put(f"/api/v1/desks/{DESK}/limits", json=limits)).status_code == 403
    unsaid = await head.put(f"/api/v1/desks/{DESK}/limits", json=limits | {"why": ""})
    assert unsaid.status_code == 422
    told = (await head.put(f"/api/v1/desks/{DESK}/limits", json=limits)).json()
    assert [one["set_by"] for one in told["past"]] == ["head_trader-user", "zhou"]
    assert told["limits"]["max_power_mw"] == 1.0


async def test_what_is_not_there_is_not_found(trader, feeder):
    none = "00000000-0000-0000-0000-000000000000"

    assert (await trader.get(f"{BASE}/{none}")).status_code == 404
    assert (await trader.get(f"{BASE}/nonsense")).status_code == 422
    assert (await trader.get("/api/v1/markets/mars")).json()["code"] == "not_found"
    assert (await trader.get("/api/v1/stations/none/gates")).status_code == 404


async def test_markets_name_limits_steps_gates_and_where_they_come_from(trader):
    told = (await trader.get("/api/v1/markets")).json()["markets"]

    (market,) = [one for one in told if one["id"] == "test-exchange"]
    (product,) = [one for one in market["products"] if one["id"] == PRODUCT.id]
    assert product["gate"] == {"days_before": 1, "at": "23:30:00", "minutes_before": None}
    assert (product["price_step"], product["max_segments"]) == ("0.01", 10)
    assert product["origins"]["price_cap"]["source"]
    assert product["name"]["zh"] == "日前电能量"


async def test_rows_of_prices_are_imported_once_and_read_as_they_are_known(trader):
    rows = [{"start_ms": f"2026-03-0{day}T00:00:00Z", "value": 30 + day} for day in (1, 2)]
    series = {
        "kind": "price.day_ahead",
        "unit": "EUR/MWh",
        "zone": "TX",
        "timezone": "Asia/Shanghai",
        "step_min": 1_440,
        "source": "a program",
        "rows": rows,
    }

    first = (await trader.post("/api/v1/prices/tx.day_ahead/rows", json=series)).json()
    again = (await trader.post("/api/v1/prices/tx.day_ahead/rows", json=series)).json()
    listed = (await trader.get("/api/v1/prices")).json()["series"]
    span = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-04T00:00:00Z"}
    read = (await trader.get("/api/v1/prices/tx.day_ahead", params=span)).json()
    unknown = await trader.get("/api/v1/prices/tx.other", params=span)

    assert (first["added"], again["added"], first["refused"]) == (2, 0, False)
    assert [one["id"] for one in listed] == ["tx.day_ahead"]
    assert read["value"] == [31.0, 32.0, None]
    assert unknown.status_code == 422
