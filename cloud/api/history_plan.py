"""What a station's history takes and will take, from what is stored of it."""

from typing import Any

from fastapi import APIRouter

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.stations import StationId
from cloud.errors import NotFound
from cloud.history.plan.estimate import Prices, make_plan
from cloud.history.plan.measure import measure
from cloud.history.retention import policy

router = APIRouter(tags=["history"], responses=ERRORS)


@router.get("/stations/{station}/history/plan")
async def show_plan(parts: DeskOf, _: Reader, station: StationId) -> dict[str, Any]:
    """Bytes a day, after a year and after 15, by class and tier of the retention policy.

    Measured on the last month of the station's own blocks and rollups; `sources` says what is not.
    `day` has what its devices give, what was sent and what is stored in a day. Costs are by list
    prices of 2026 (USD); `./stationmaster history plan` takes others.
    """
    services = parts.services
    await fleet.find(services.pool, station)
    rules = policy.load(services.config.history.policy)
    load = await measure(services.pool, services.history.reader, station, rules)
    if load is None:
        raise NotFound(f"station {station!r} has no history yet")
    return make_plan(load, rules, Prices()).to_json()
