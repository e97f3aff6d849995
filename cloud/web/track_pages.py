"""Whether the desk's risk is told rightly: a part of the desk that is read after the page.

It reads weeks of bids, so that the page does not wait for it.
"""

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zlib import crc32

from fastapi import APIRouter
from fastapi.responses import Response

from cloud import fleet
from cloud.api import revenue as money
from cloud.api.bids import load
from cloud.api.context import Forbidden
from cloud.fleet import Station
from cloud.market.bids import Bid
from cloud.market.desk.judging import battery_of, forecast_of
from cloud.market.desk.weighing import beside_of, is_energy, worth_of
from cloud.market.exchanges import load_market
from cloud.market.money import newest_weighed
from cloud.web import track_view
from cloud.web.desk_view import counting
from cloud.web.desk_words import money_unit
from cloud.web.frame_view import may_read_market
from cloud.web.visit import PageVisit, Visit, digest

if TYPE_CHECKING:
    from cloud.market.forecasts.kept import KeptDay

router = APIRouter(include_in_schema=False)

_LOOKED_BACK: Final = dt.timedelta(days=90)
_MOST_BIDS: Final = 120


@router.get("/fragments/stations/{station}/bids/{bid}/track")
async def track_fragment(visit: PageVisit, station: str, bid: UUID) -> Response:
    """Possible days by past misses, breaches of the VaR, and what the bands have held."""
    if not may_read_market(visit):
        raise Forbidden(visit.t("none of your roles reads the market; ask for that of a trader"))
    found = await fleet.find(visit.parts.services.pool, station)
    view = await _track(visit, found, await load(visit.parts, station, bid))
    return visit.fragment("fragments/track.html", "track", view)


async def _track(visit: Visit, station: Station, bid: Bid) -> dict[str, Any]:
    services = visit.parts.services
    kept = await _kept(visit, bid)
    pairs = await newest_weighed(
        services.pool, services.vault, station.id, (bid.market, bid.product), _MOST_BIDS
    )
    view = await asyncio.to_thread(_weighed, bid, station, kept)
    view |= {
        "test": track_view.test_view(pairs),
        "unit": money_unit(visit.language, f"{load_market(bid.market).currency}/MWh"),
        "currency": money_unit(visit.language, load_market(bid.market).currency),
    }
    return view | {"digest": digest(view)}


async def _kept(visit: Visit, bid: Bid) -> "list[KeptDay]":
    """Return the forecasts that bids of the last weeks keep, before the day of this one."""
    from cloud.market.money.beliefs import kept_days  # noqa: PLC0415 - loads scipy

    services = visit.parts.services
    series = money.series_of(visit.parts)
    span = bid.day - _LOOKED_BACK, bid.day - dt.timedelta(days=1)
    found = await kept_days(
        services.pool, services.vault, span, series, station=bid.station, market=bid.market
    )
    return found.get((bid.station, bid.market), [])


def _weighed(bid: Bid, station: Station, kept: "list[KeptDay]") -> dict[str, Any]:
    from cloud.market.desk import residual_days as misses  # noqa: PLC0415 - as above
    from cloud.market.forecasts.kept import quality  # noqa: PLC0415 - as above

    content = counting(bid).content
    battery, forecast = battery_of(content.inputs), forecast_of(content.inputs)
    energy = is_energy(content.bid_set)
    view: dict[str, Any] = {
        "energy": energy,
        "chain": None,
        "forecast": forecast is not None,
        "days": 0 if forecast is None else len(misses.usable(kept, forecast)),
        "least": misses.LEAST_DAYS,
        "late": sum(one.late for one in kept),
        "bands": track_view.bands_view(quality(kept)),
    }
    if battery is None or forecast is None or not energy:
        return view
    found = misses.residual_days(
        *(content.bid_set, battery, forecast, kept),
        beside=beside_of(content.inputs),
        worth=worth_of(content.inputs),
        seed=crc32(bid.id.encode()),
    )
    if found is not None:
        span = bid.begin_ms, bid.end_ms
        view["chain"] = track_view.chain_view(found, station.zone, span)
    return view
