"""What a station has sold and bought already, by all that is cleared for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloud.db import Pool
from cloud.market import bids
from cloud.market.battery import Battery
from cloud.market.desk.awards import Traded, energy_trades
from cloud.market.exchanges import Kind, load_market
from cloud.market.units import HOUR_MS, MINUTE_MS
from cloud.vault.vault import Vault


async def traded(
    pool: Pool, vault: Vault, station: str, begin_ms: int, end_ms: int
) -> tuple[Traded, ...]:
    """Return the trades of energy that overlap a span of time."""
    found: list[Traded] = []
    for one in await bids.results_within(pool, vault, station, begin_ms, end_ms):
        awards = ((a.start_ms, a.direction, float(a.power_mw)) for a in one.cleared.awards)
        found.extend(energy_trades(awards, one.cleared.interval_min))
    return tuple(one for one in found if one.start_ms < end_ms and one.end_ms > begin_ms)


@dataclass(frozen=True, slots=True)
class HeldReady:
    """Power that is cleared to be held ready over a stretch of time.

    Attributes:
        start_ms, end_ms: UTC epoch.
        power_mw: either way.
        energy_mwh: that must be there, or find room, to sustain it.
    """

    start_ms: int
    end_ms: int
    power_mw: float
    energy_mwh: float


async def held_ready(
    pool: Pool, vault: Vault, station: str, begin_ms: int, end_ms: int
) -> tuple[HeldReady, ...]:
    """Return the power held ready that overlaps a span of time."""
    found: list[HeldReady] = []
    for won in await bids.results_within(pool, vault, station, begin_ms, end_ms):
        product = load_market(won.market).product(won.product)
        if product.kind not in {Kind.REGULATION, Kind.RESERVE}:
            continue
        for one in won.cleared.awards:
            power, lasts_ms = float(one.power_mw), product.interval_min * MINUTE_MS
            energy = power * float(product.soc_band_h)
            found.append(HeldReady(one.start_ms, one.start_ms + lasts_ms, power, energy))
    return tuple(one for one in found if one.start_ms < end_ms and one.end_ms > begin_ms)


def reserved(battery: Battery, held: Sequence[HeldReady]) -> Battery:
    """Return what is left of a battery beside the power that is held ready at any one time.

    The SOC it has now stays inside what is left: what lies outside is not sold, nor given back.
    """
    at = {one.start_ms for one in held}
    together = [[one for one in held if one.start_ms <= start < one.end_ms] for start in at]
    power = max((sum(one.power_mw for one in group) for group in together), default=0.0)
    energy = max((sum(one.energy_mwh for one in group) for group in together), default=0.0)
    low = battery.soc_min + energy / battery.discharge_efficiency / battery.energy_mwh
    high = battery.soc_max - energy * battery.charge_efficiency / battery.energy_mwh
    if low > high:
        low = high = (battery.soc_min + battery.soc_max) / 2
    return replace(
        battery,
        charge_mw=max(battery.charge_mw - power, 0.0),
        discharge_mw=max(battery.discharge_mw - power, 0.0),
        soc_min=min(low, battery.soc),
        soc_max=max(high, battery.soc),
    )


def committed_mw(trades: Sequence[Traded], starts_ms: Sequence[int]) -> dict[int, float]:
    """Return the power that is promised at the beginnings of intervals, MW."""
    return {
        start: sum(one.power_mw for one in trades if one.start_ms <= start < one.end_ms)
        for start in starts_ms
    }


def carried(battery: Battery, trades: Sequence[Traded], now_ms: int, begin_ms: int) -> Battery:
    """Return the battery with the SOC that it will have when what is sold until then is delivered.

    Args:
        battery: as it is now.
        trades: cleared.
        now_ms: the present.
        begin_ms: until when they are run through.
    """
    energy = battery.soc * battery.energy_mwh
    for one in sorted(trades, key=lambda trade: trade.start_ms):
        hours = (min(one.end_ms, begin_ms) - max(one.start_ms, now_ms)) / HOUR_MS
        if hours > 0:
            moved = one.power_mw * hours
            loss = battery.discharge_efficiency if moved > 0 else 1 / battery.charge_efficiency
            energy -= moved / loss
    soc = min(max(energy / battery.energy_mwh, battery.soc_min), battery.soc_max)
    return replace(battery, soc=soc)
