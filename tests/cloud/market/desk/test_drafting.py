import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.battery import Battery
from cloud.market.bid import Direction, OfferMode
from cloud.market.desk.drafting import DraftRequest, NothingToBid, at, draft
from cloud.market.desk.judging import figures_of, forecast_of
from cloud.market.desk.record import content_of
from cloud.market.desk.weighing import beside_of, own_mw, worth_of
from cloud.market.errors import BadProfile
from cloud.market.exchanges import check, load_market
from cloud.market.forecast import Forecast
from cloud.market.plans import EndSoc
from cloud.market.risk import revenue_scenarios
from cloud.market.station_battery import StationBattery

DAY = dt.date(2026, 3, 10)
MARKET = load_market("test-exchange")
ENERGY = MARKET.product("day-ahead-energy")
STARTS = ENERGY.intervals_ms(DAY)
BATTERY = Battery(
    charge_mw=3.45,
    discharge_mw=3.45,
    energy_mwh=7.0,
    charge_efficiency=0.95,
    discharge_efficiency=0.94,
    wear_per_mwh=15.0,
    soc=0.5,
)


def forecast(mean: np.ndarray, step_min: int = 60, flags: tuple[str, ...] = ()) -> Forecast:
    return Forecast(
        series="price",
        start_ms=STARTS[0],
        step_min=step_min,
        known_ms=STARTS[0] - 86_400_000,
        mean=mean,
        quantiles=np.repeat(mean[:, None], 7, axis=1),
        version="test/1",
        flags=flags,
    )


def request(mean: np.ndarray) -> DraftRequest:
    return DraftRequest(
        station="demo",
        market=MARKET,
        product=ENERGY,
        day=DAY,
        now_ms=STARTS[0] - 43_200_000,
        sold=StationBattery(BATTERY, 0.9, ("efficiency is assumed",)),
        energy=forecast(mean, flags=("short history",)),
    )


HOURS = 60 + 40 * np.sin(np.arange(24) / 24 * 4 * np.pi)


def test_a_day_is_drafted_with_prices_that_pay_and_reasons():
    made = draft(request(HOURS))

    (bid,) = made.bids
    assert (bid.market, bid.product, bid.day) == ("test-exchange", "day-ahead-energy", DAY)
    assert check(bid, ENERGY, BATTERY) == ()
    by_start = dict(zip(made.starts_ms, made.reasons, strict=True))
    assert tuple(one.start_ms for one in bid.intervals) == made.starts_ms
    offered = [one for one in bid.intervals if one.segments]
    assert offered
    for interval in offered:
        (segment,) = interval.segments
        reason = by_start[interval.start_ms]
        assert segment.why == reason.words.en == made.told[bid.product][interval.start_ms].en
        assert segment.price is not None
        if segment.direction is Direction.DISCHARGE:
            assert float(segment.price) >= reason.discharge_above - 1e-6
        else:
            assert float(segment.price) <= reason.charge_below + 1e-6
        assert float(segment.power_mw) <= abs(reason.power_mw) + 1e-9
    assert made.plan.revenue - made.plan.wear > 0
    assert made.notes == ("efficiency is assumed", "short history")


def test_what_a_bid_leaves_in_store_is_worth_what_its_plan_makes_of_it_then():
    whole = draft(request(HOURS))
    half_ms = whole.starts_ms[len(whole.starts_ms) // 2]
    part = draft(replace(request(HOURS), until_ms=half_ms))

    at_end, at_noon = (
        worth_of(content_of(made, made.bids[0], request(HOURS)).inputs) for made in (whole, part)
    )

    last = max(at for at, start in enumerate(part.starts_ms) if start < half_ms)
    dearest = float(part.request.price[last + 1 :].max())
    assert at_end == pytest.approx(whole.request.end_value)
    assert at_noon == pytest.approx(float(part.plan.energy_value[last]))
    assert 0 < at_noon <= dearest


def test_a_bid_that_only_buys_for_later_is_no_loss():
    empty = replace(BATTERY, soc=0.0)
    asked = replace(request(HOURS), sold=replace(request(HOURS).sold, battery=empty))
    made = draft(asked)
    (bid,) = made.bids
    buys = tuple(
        replace(one, segments=tuple(s for s in one.segments if s.direction is Direction.CHARGE))
        for one in bid.intervals
    )
    only = replace(bid, intervals=buys)
    inputs = content_of(made, only, asked).inputs

    counted = figures_of(only, empty, asked.energy, seed=1, worth=100.0)
    cash = figures_of(only, empty, asked.energy, seed=1)

    assert worth_of(inputs) is not None
    assert cash["expected"] < 0
    assert counted["left_mwh"] > 0
    assert counted["expected"] == pytest.approx(cash["expected"] + counted["left"])
    assert counted["left"] == pytest.approx(100.0 * counted["left_mwh"])
    assert counted["var"] < cash["var"]


@settings(max_examples=25, deadline=None)
@given(
    prices=st.lists(st.floats(-600, 5000), min_size=6, max_size=6),
    soc=st.floats(0, 1),
    market=st.sampled_from(["test-exchange", "europe", "au-nem"]),
)
def test_whatever_the_prices_a_draft_keeps_every_rule_of_its_market(
    prices: list[float], soc: float, market: str
):
    rules = load_market(market)
    product = next(one for one in rules.products if one.kind == "energy")
    starts = product.intervals_ms(DAY)
    sold = replace(request(HOURS).sold, battery=replace(BATTERY, soc=soc))
    mean = replace(forecast(np.tile(prices, 4)), start_ms=starts[0])
    evening = starts[len(starts) * 3 // 4]  # a quarter of the day has all that a whole one has
    asked = DraftRequest(
        *("demo", rules, product, DAY, starts[0] - 10**9, sold, mean), from_ms=evening
    )

    made = draft(asked)

    for bid in made.bids:
        assert check(bid, product, sold.battery) == ()


def test_closed_intervals_are_left_out():
    late = replace(request(HOURS), product=MARKET.product("intraday-energy"))
    noon = STARTS[48]

    made = draft(replace(late, now_ms=noon))

    assert made.starts_ms[0] == noon + 10 * 60_000
    with pytest.raises(NothingToBid, match="every gate has closed"):
        draft(replace(late, now_ms=STARTS[-1] + 3_600_000))


def test_a_product_that_is_named_as_another_kind_is_a_mistake_that_is_told():
    beside = forecast(np.full(24, 40.0))

    with pytest.raises(BadProfile, match="intraday-energy is no product that pays for power held"):
        draft(replace(request(HOURS), held={"intraday-energy": beside}))
    with pytest.raises(BadProfile, match="regulation is no product of energy by 15 minutes"):
        draft(replace(request(HOURS), side={"regulation": beside}))


def test_a_self_schedule_names_no_price():
    made = draft(replace(request(HOURS), mode=OfferMode.SELF_SCHEDULE))

    segments = [one for bid in made.bids for i in bid.intervals for one in i.segments]
    assert segments
    assert all(one.price is None for one in segments)


def test_regulation_is_offered_by_the_hour_beside_energy_and_shares_its_power():
    held = forecast(np.full(24, 40.0))
    asked = replace(request(HOURS), held={"regulation": held}, used={"regulation": 0.2})

    made = draft(asked)

    by_product = {bid.product: bid for bid in made.bids}
    regulation = by_product["regulation"]
    assert check(regulation, MARKET.product("regulation"), BATTERY) == ()
    offered = {i.start_ms: i.power_mw(Direction.BOTH) for i in regulation.intervals}
    assert sum(offered.values()) > 0
    limit = Decimal("3.45")
    for interval in by_product["day-ahead-energy"].intervals:
        hour = interval.start_ms - interval.start_ms % 3_600_000
        power = sum(one.power_mw for one in interval.segments)
        assert power + offered.get(hour, Decimal(0)) <= limit
    # 0.2 MWh an hour at 15 of wear.
    assert all(i.segments[0].price == Decimal("3.00") for i in regulation.intervals if i.segments)


def test_a_broken_wish_is_among_the_notes():
    impossible = replace(request(HOURS), wishes=(EndSoc(1.5, name="reserve for the island"),))

    assert any("reserve for the island" in note for note in draft(impossible).notes)


def test_only_what_is_not_sold_already_is_offered():
    whole = draft(request(HOURS))
    planned = dict(zip(whole.starts_ms, whole.plan.power_mw.tolist(), strict=True))

    assert draft(replace(request(HOURS), committed=planned)).bids == ()

    most = max(planned, key=lambda start: planned[start])
    promised = planned | {most: planned[most] - 1.0}
    (bid,) = draft(replace(request(HOURS), committed=promised)).bids

    (interval,) = (one for one in bid.intervals if one.segments)
    assert interval.start_ms == most
    assert [(one.direction, one.power_mw) for one in interval.segments] == [
        (Direction.DISCHARGE, Decimal("1.000"))
    ]


def test_charging_less_than_promised_is_a_sale_from_where_charging_no_longer_pays():
    whole = draft(request(HOURS))
    planned = dict(zip(whole.starts_ms, whole.plan.power_mw.tolist(), strict=True))
    still = next(
        start
        for start, reason in zip(whole.starts_ms, whole.reasons, strict=True)
        if abs(reason.power_mw) < 1e-9
    )
    reason = whole.reasons[whole.starts_ms.index(still)]

    (bid,) = draft(replace(request(HOURS), committed=planned | {still: -1.0})).bids

    (segment,) = (part for one in bid.intervals for part in one.segments)
    assert segment.direction is Direction.DISCHARGE
    assert float(segment.price or 0) == pytest.approx(reason.charge_below, abs=0.0101)


def test_a_block_is_offered_alone_though_the_whole_day_is_planned():
    until = STARTS[40]

    made = draft(replace(request(HOURS), until_ms=until))

    assert len(made.starts_ms) == 96
    assert all(one.start_ms < until for bid in made.bids for one in bid.intervals)


@pytest.mark.parametrize("off", [-8.0, 0.0, 8.0])
def test_a_price_that_is_a_little_off_the_forecast_loses_no_trade_that_pays(off: float):
    made = draft(request(HOURS))
    (bid,) = made.bids
    came = made.request.price[None, :] + off

    earned = revenue_scenarios(bid, came, BATTERY)[0]

    planned = made.plan.power_mw @ came[0] * 0.25 - made.plan.wear
    assert earned == pytest.approx(planned, rel=0.02)


def test_one_run_bids_at_three_kinds_of_market_within_the_stations_power():
    asked = replace(
        request(HOURS),
        held={"regulation": forecast(np.full(24, 12.0))},
        used={"regulation": 0.2},
        side={"local-energy": forecast(HOURS * 0.9 + 12.0)},
        side_most_mw=1.0,
    )

    made = draft(asked)

    by_product = {bid.product: bid for bid in made.bids}
    assert set(by_product) == {"day-ahead-energy", "regulation", "local-energy"}
    for name, bid in by_product.items():
        assert check(bid, MARKET.product(name), BATTERY) == ()
    held = {i.start_ms: i.power_mw(Direction.BOTH) for i in by_product["regulation"].intervals}
    for index, start in enumerate(made.starts_ms):
        hour = start - start % 3_600_000
        offered = [
            part.power_mw * (1 if part.direction is Direction.DISCHARGE else -1)
            for name in ("day-ahead-energy", "local-energy")
            for part in by_product[name].intervals[index].segments
        ]
        assert abs(sum(offered, Decimal(0))) + held.get(hour, Decimal(0)) <= Decimal("3.45")
        assert sum(offered, Decimal(0)) == pytest.approx(
            Decimal(str(round(made.plan.power_mw[index], 6))), abs=Decimal("0.003")
        )


def test_a_bid_at_another_market_is_weighed_by_the_price_of_that_market_and_says_what_it_is_for():
    cheap = replace(
        request(HOURS), side={"local-energy": forecast(HOURS - 8.0)}, side_most_mw=2.0
    )  # cheaper all day: what is bought there is sold a day ahead

    made = draft(cheap)

    kept = {bid.product: content_of(made, bid, cheap) for bid in made.bids}
    local, ahead = kept["local-energy"], kept["day-ahead-energy"]
    ways = {part.direction for one in local.bid_set.intervals for part in one.segments}
    assert ways == {Direction.CHARGE}
    assert forecast_of(local.inputs).mean == pytest.approx(HOURS - 8.0)
    assert forecast_of(ahead.inputs).mean == pytest.approx(HOURS)
    assert local.inputs["forecast"]["mean"] == ahead.inputs["forecast"]["mean"]
    assert local.inputs["plan"]["price"] == pytest.approx(at(cheap.side["local-energy"], STARTS))
    assert local.forecasts[1].startswith("local-energy: test/1 known")
    told = [one for one in local.explanation if one.start_ms is None][-1]
    assert told.en.startswith("one plan, one battery: this bid buys ")
    assert "sells 0.00 MWh, what is traded beside it buys" in told.en
    assert "售出 0.00 MWh，其他交易买入" in told.zh
    worth = worth_of(local.inputs)
    figures = figures_of(
        *(local.bid_set, BATTERY, forecast_of(local.inputs)),
        beside=beside_of(local.inputs),
        worth=worth,
        seed=1,
    )
    bought = -sum(own_mw(one) for one in local.bid_set.intervals) * 0.25
    assert figures["left"] == pytest.approx(bought * 0.95 * worth, rel=0.01)
    assert figures["expected"] > figures["left"] - bought * HOURS.max()


def test_every_interval_of_every_bid_says_why_so_much_or_nothing_is_offered():
    asked = replace(
        request(HOURS),
        held={"regulation": forecast(np.full(24, 12.0))},
        used={"regulation": 0.2},
        side={"local-energy": forecast(HOURS * 0.9 + 12.0)},
        side_most_mw=1.0,
    )

    made = draft(asked)

    for bid in made.bids:
        for one in bid.intervals:
            words = made.told[bid.product][one.start_ms]
            assert words.zh
            if one.segments:
                assert {part.why for part in one.segments} == {words.en}
            else:
                assert words.en.startswith(("nothing is", "stands still"))
    held = {words.zh for words in made.told["day-ahead-energy"].values()}
    assert any("预留：调频 " in words for words in held)


def test_an_offer_beside_what_is_promised_says_both():
    whole = draft(request(HOURS))
    planned = dict(zip(whole.starts_ms, whole.plan.power_mw.tolist(), strict=True))
    most = max(planned, key=lambda start: planned[start])

    made = draft(replace(request(HOURS), committed=planned | {most: planned[most] - 1.0}))

    told = made.told["day-ahead-energy"]
    assert told[most].en.startswith("sells 1.00 MW at ")
    assert f"beside {planned[most] - 1.0:+.2f} MW promised or offered elsewhere" in told[most].en
    least = min(planned, key=lambda start: planned[start])
    assert "is promised already or offered at another market" in told[least].en
