"""The newest forecast of a day's price, for bids that no model has made.

What a person or another system offers is weighed with the forecast that the desk has drafted on
last. Where it has drafted nothing for that day, the price is forecast by what the last days have
cost, which takes no training.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cloud.config_desk import DeskSection
from cloud.db import Pool
from cloud.market import bids
from cloud.market.errors import MarketError
from cloud.market.exchanges import load_market
from cloud.vault.vault import Vault

_LOOKED_AT: Final = 8
"""Of the bids with the latest gates; what was drafted last has one of them."""
_WARM_UP_DAYS: Final = 28


@dataclass(frozen=True)
class Known:
    """A forecast as a bid keeps it, and its version; both empty: there is none."""

    record: Mapping[str, Any] | None = None
    versions: tuple[str, ...] = field(default=())

    @property
    def inputs(self) -> dict[str, Any]:
        """The part of a version's inputs that it is weighed by."""
        return {} if self.record is None else {"forecast": dict(self.record)}


UNKNOWN: Final = Known()


async def newest_forecast(
    pool: Pool,
    vault: Vault,
    place: tuple[str, str, dt.date],
    section: DeskSection | None,
    known_ms: int,
) -> Known:
    """Return the newest forecast of a station's delivery day in a market.

    Args:
        pool: the store.
        vault: keys of stations.
        place: station, market and day.
        section: of the desk that bids there, with its series; None: there is none.
        known_ms: the present.
    """
    station, market, day = place
    there = [
        one for one in await bids.listed(pool, day, day, station=station) if one.market == market
    ]
    looked_at = [one.id for one in there[-_LOOKED_AT:]]
    kept = [
        (content.inputs["forecast"]["known_ms"], content)
        for bid in await bids.load_many(pool, vault, looked_at)
        for content in (version.content for version in bid.versions)
        if "forecast" in content.inputs
    ]
    if kept:
        _, content = max(kept, key=lambda pair: pair[0])
        return Known(content.inputs["forecast"], content.forecasts[:1])  # the plan's own
    return UNKNOWN if section is None else await _by_last_days(pool, section, day, known_ms)


async def _by_last_days(pool: Pool, section: DeskSection, day: dt.date, known_ms: int) -> Known:
    from cloud.market.desk.forecasting import (  # noqa: PLC0415 - loads scipy, which is slow
        Forecaster,
        Sources,
    )
    from cloud.market.forecasts import as_record, naive_members  # noqa: PLC0415 - as above

    forecaster = Forecaster(
        load_market(section.market),
        Sources(section.price),
        members=naive_members(),
        allow_short=True,
        warm_up_days=_WARM_UP_DAYS,
    )
    try:
        made = await forecaster.day(pool, day, known_ms)
    except MarketError:  # nothing is stored yet: the bid says that it could not be weighed
        return UNKNOWN
    known = dt.datetime.fromtimestamp(made.known_ms / 1e3, dt.UTC)
    return Known(as_record(made), (f"{made.version} known {known:%Y-%m-%dT%H:%MZ}",))
