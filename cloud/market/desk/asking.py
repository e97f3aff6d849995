"""What a draft is asked for: the desk, the block of its product, the forecast, and the station.

The station is as it will be when the block begins: what is cleared until then is delivered, and
what is promised besides is kept.
"""

from dataclasses import dataclass, replace
from typing import Final

from cloud.config_desk import DeskSection, ProductSection
from cloud.db import Pool
from cloud.market.battery import Battery
from cloud.market.desk.blocks import Block
from cloud.market.desk.drafting import DraftRequest
from cloud.market.desk.forecasting import Forecaster, Sources, anchored
from cloud.market.desk.position import carried, committed_mw, held_ready, reserved, traded
from cloud.market.exchanges import DayGate, Market, Product, load_market
from cloud.market.forecast import Forecast
from cloud.market.forecasts import Member, naive_members, quick_members
from cloud.market.plans import EndSoc
from cloud.market.station_battery import StationBattery
from cloud.vault.vault import Vault

_PROFILE: Final = "naive.profile"


@dataclass(frozen=True)
class Task:
    """One block of one product of one desk."""

    section: DeskSection
    product: ProductSection
    rules: Product
    block: Block


class Desk:
    """One desk's market, and its forecaster, which learns from day to day."""

    def __init__(self, section: DeskSection) -> None:
        self.section = section
        self.market: Market = load_market(section.market)
        self.forecaster = Forecaster(
            self.market,
            Sources(section.price, section.exogenous),
            members=_members(section.members),
            allow_short=section.allow_short_history,
            warm_up_days=section.warm_up_days,
        )


async def forecast_of(pool: Pool, desk: Desk, task: Task, now_ms: int) -> Forecast:
    """Forecast the day; what is known of its prices by now takes the forecast's place."""
    forecast = await desk.forecaster.day(pool, task.block.day, now_ms)
    if isinstance(task.rules.gate, DayGate):
        return forecast
    return await anchored(pool, forecast, task.section.price, now_ms)


async def request_of(
    pool: Pool,
    vault: Vault,
    desk: Desk,
    task: Task,
    *,
    sold: StationBattery,
    forecast: Forecast,
    now_ms: int,
) -> DraftRequest:
    """Return what the draft of a block is asked for, by what is known now.

    Args:
        pool: the store.
        vault: keys of stations.
        desk: whose block it is.
        task: the block.
        sold: what the station can sell now.
        forecast: of the energy price on the block's day.
        now_ms: the present, UTC epoch.
    """
    section, block = task.section, task.block
    end_ms = desk.market.calendar.day_bounds_ms(block.day)[1]
    trades = await traded(pool, vault, section.station, now_ms, end_ms)
    battery = carried(sold.battery, trades, now_ms, block.begin_ms)
    if not isinstance(task.rules.gate, DayGate):  # what was cleared a day ahead is promised
        ready = await held_ready(pool, vault, section.station, block.begin_ms, end_ms)
        battery = reserved(battery, ready)
    held = {
        name: await desk_price(desk, pool, series, block, now_ms)
        for name, series in task.product.held.items()
    }
    side = {
        name: await desk_price(desk, pool, series, block, now_ms)
        for name, series in task.product.side.items()
    }
    return DraftRequest(
        station=section.station,
        market=desk.market,
        product=task.rules,
        day=block.day,
        now_ms=now_ms,
        sold=replace(sold, battery=battery),
        energy=forecast,
        held=held,
        held_most_mw=task.product.held_most_mw,
        side=side,
        side_most_mw=task.product.side_most_mw,
        used=task.product.used,
        mode=task.product.mode,
        committed=committed_mw(trades, task.rules.intervals_ms(block.day)),
        from_ms=block.begin_ms,
        until_ms=block.end_ms,
        wishes=_wishes(section, battery),
    )


async def desk_price(desk: Desk, pool: Pool, series: str, block: Block, now_ms: int) -> Forecast:
    """Forecast the price of another product by what the last days have paid."""
    forecaster = Forecaster(
        desk.market,
        Sources(series),
        members=naive_members(),
        allow_short=True,
        warm_up_days=desk.section.warm_up_days,
    )
    return await forecaster.day(pool, block.day, now_ms)


def careful(request: DraftRequest) -> DraftRequest:
    """Return the request of a fall-back: the price of the last days, half of the power."""
    profile = request.energy.members.get(_PROFILE)
    energy = request.energy
    if profile is not None:
        energy = replace(energy, mean=profile, version=f"{_PROFILE} of {energy.version}")
    battery: Battery = request.sold.battery
    half = replace(battery, charge_mw=battery.charge_mw / 2, discharge_mw=battery.discharge_mw / 2)
    return replace(request, energy=energy, sold=replace(request.sold, battery=half))


def _wishes(section: DeskSection, battery: Battery) -> tuple[EndSoc, ...]:
    if section.end_soc is None:
        return ()
    reach = battery.soc_max - battery.soc_min
    return (EndSoc(battery.soc_min + section.end_soc * reach),)


def _members(who: str) -> tuple[Member, ...] | None:
    return {"naive": naive_members(), "quick": quick_members()}.get(who)
