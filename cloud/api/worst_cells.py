"""The worst cells of a station, over all of its racks."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.fleet import stale_after_ms
from cloud.health.worst import By, worst

router = APIRouter(prefix="/stations", tags=["history"], responses=ERRORS)

_MOST: Final = 200
_LAYOUT: Final = "estimate.cells/"


class WorstCellAnswer(BaseModel):
    """One cell; shares of one, null where not known."""

    rack: str
    cell: int = Field(description="within its rack, from 1")
    at_ms: int
    stale: bool = Field(description="older than the limit for estimates of cells")
    soh: float | None
    soh_half_width: float | None
    resistance_ratio: float | None = Field(description="1 is a new cell")
    soc_off: float | None = Field(description="from the median of its rack")
    anomaly_score: float | None
    stands_out: bool = Field(
        description="further from the median of its rack than half of its interval"
    )


class WorstCells(BaseModel):
    """The worst first."""

    now_ms: int
    racks: int = Field(description="racks whose cells were looked at")
    racks_without: list[str] = Field(description="racks whose newest cells are not known")
    standing_out: int = Field(description="cells of the station that stand out by this figure")
    half_width: float | None = Field(description="median over the cells; null: it has none")
    cells: list[WorstCellAnswer]


@router.get("/{station}/worst-cells")
async def show_worst_cells(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    by: Annotated[By, Query(description="what makes a cell worse than another")] = By.SOH,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 20,
) -> WorstCells:
    """The cells of all racks with the least SOH, or the worst by another figure."""
    services = parts.services
    await fleet.find(services.pool, station)
    devices = (await fleet.devices(services.pool)).get(station, set())
    topology = fleet.from_devices(devices)
    racks = await services.history.newest_estimates(station)
    present = now_ms()
    known = {one.device for one in racks}
    found = worst(racks, by, limit)
    return WorstCells(
        now_ms=present,
        racks=len(racks),
        racks_without=[rack for rack in topology.racks if rack not in known],
        standing_out=found.standing_out,
        half_width=found.half_width,
        cells=[
            WorstCellAnswer(**vars(cell), stale=present - cell.at_ms > stale_after_ms(_LAYOUT))
            for cell in found.cells
        ],
    )
