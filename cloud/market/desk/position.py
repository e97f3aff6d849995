"""What a station has sold and bought already, by all that is cleared for it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cloud.db import Pool
from cloud.market import bids
from cloud.market.battery import Battery
from cloud.market.desk.awards import Traded, energy_trades
from cloud.vault.vault import Vault

_MS_PER_HOUR: Final = 3_600_000


async def traded(
    pool: Pool, vault: Vault, station: str, begin_ms: int, end_ms: int
) -> tuple[Traded, ...]:
    """Return the trades of energy that overlap a span of time."""
    found: list[Traded] = []
    for won in await bids.won_within(pool, vault, station, begin_ms, end_ms):
        awards = ((a.start_ms, a.direction, float(a.power_mw)) for a in won.cleared.awards)
        found.extend(energy_trades(awards, won.cleared.interval_min))
    return tuple(one for one in found if one.start_ms < end_ms and one.end_ms > begin_ms)


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
        hours = (min(one.end_ms, begin_ms) - max(one.start_ms, now_ms)) / _MS_PER_HOUR
        if hours > 0:
            moved = one.power_mw * hours
            loss = battery.discharge_efficiency if moved > 0 else 1 / battery.charge_efficiency
            energy -= moved / loss
    soc = min(max(energy / battery.energy_mwh, battery.soc_min), battery.soc_max)
    return replace(battery, soc=soc)
