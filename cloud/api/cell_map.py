"""One figure of every cell of a station: the map on which racks stand one below the other."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.fleet import stale_after_ms
from cloud.health.worst import By
from cloud.history import CellsAt
from cloud.live import LiveImage

router = APIRouter(prefix="/stations", tags=["history"], responses=ERRORS)

_LAYOUT: Final = "estimate.cells/"
_DIGITS: Final = 4
_SIGNALS: Final[Mapping[By, tuple[str, str]]] = MappingProxyType(
    {
        By.SOC: ("cell_soc", "cell_soc_half_width"),
        By.SOH: ("cell_soh", "cell_soh_half_width"),
        By.RESISTANCE: ("cell_resistance_ratio", "cell_resistance_half_width"),
        By.ANOMALY: ("cell_anomaly_score", ""),
    }
)
"""Figure -> its signal, and the one of its half width."""


class RackCells(BaseModel):
    """The cells of one rack, in the order in which its BMS counts them; null: not known."""

    rack: str
    at_ms: int
    stale: bool = Field(description="older than the limit for estimates of cells")
    values: list[float | None]
    half_widths: list[float | None] = Field(description="empty for a figure without interval")


class CellMap(BaseModel):
    """All racks of which the newest cells are known, in the order of their tags."""

    now_ms: int
    by: By
    racks: list[RackCells]
    racks_without: list[str] = Field(description="racks whose newest cells are not known")


@router.get("/{station}/cell-map")
async def show_cell_map(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    by: Annotated[By, Query(description="which figure of each cell")] = By.SOC,
) -> CellMap:
    """One estimated figure of every cell of the station, with half of its interval."""
    services = parts.services
    await fleet.find(services.pool, station)
    devices = (await fleet.devices(services.pool)).get(station, set())
    racks = fleet.from_devices(devices).racks
    image = await services.live.latest(station)
    found = {} if image is None else _newest(image)
    if not found.keys() >= set(racks):  # cells are told seldom: an image just begun lacks some
        stored = await services.history.newest_estimates(station)
        found = {cells.device: cells for cells in stored} | found
    present = now_ms()
    return CellMap(
        now_ms=present,
        by=by,
        racks=[_told(cells, by, present) for _, cells in sorted(found.items())],
        racks_without=[rack for rack in racks if rack not in found],
    )


def _newest(image: LiveImage) -> dict[str, CellsAt]:
    """Return the cells of every rack that the image of the moment holds, by its tag."""
    return {
        device: CellsAt(
            image.station,
            device,
            int(frame.times_ms[-1]),
            {c.signal.name: frame.physical(c.signal.name)[-1] for c in frame.layout.columns},
        )
        for (device, layout), frame in image.frames.items()
        if layout.startswith(_LAYOUT)
    }


def _told(cells: CellsAt, by: By, present_ms: int) -> RackCells:
    def numbers(signal: str) -> list[float | None]:
        values = cells.values.get(signal)
        if values is None:
            return []
        return [round(v, _DIGITS) if v == v else None for v in values.tolist()]  # noqa: PLR0124 - NaN

    signal, width = _SIGNALS[by]
    return RackCells(
        rack=cells.device,
        at_ms=cells.at_ms,
        stale=present_ms - cells.at_ms > stale_after_ms(_LAYOUT),
        values=numbers(signal),
        half_widths=numbers(width),
    )
