"""History: series of signals, cells of a rack, and the counts of what is stored."""

import math
from enum import StrEnum
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.fleet import stale_after_ms
from cloud.history import Resolution, SignalRef
from cloud.history.render import to_arrow, to_json
from cloud.live import LiveImage

router = APIRouter(tags=["history"], responses=ERRORS)

_MOST_SIGNALS = 200
_CELLS = "rack.cells/"
_ARROW = "application/vnd.apache.arrow.stream"
_SERIES_TYPES: dict[str, dict[str, object]] = {"application/json": {}, _ARROW: {}}
Device = Annotated[str, Path(description="device tag, e.g. C1-R07", max_length=64)]


class Format(StrEnum):
    """How a series is written."""

    JSON = "json"
    ARROW = "arrow"


class Range(BaseModel):
    """A range of sample times; the end is not part of it."""

    start_ms: int = Field(alias="from", ge=0, description="first time, epoch milliseconds")
    end_ms: int = Field(alias="to", ge=0, description="end, epoch milliseconds, exclusive")


class SeriesQuery(Range):
    """Which signals over which range, in which form."""

    station: str = Field(description="id of the station", max_length=32)
    signal: list[str] = Field(
        min_length=1,
        max_length=_MOST_SIGNALS,
        description="DEVICE:signal or DEVICE:signal:index; repeatable",
    )
    resolution: Resolution = Field(
        Resolution.AUTO, description="auto takes the finest that fits the range"
    )
    format: Format = Format.JSON
    max_points: int | None = Field(None, ge=1, description="most points in the answer")


class SamplesQuery(Range):
    """Which samples are counted."""

    device: str = Field(max_length=64)
    layout: str = Field(max_length=64)


class CellsAnswer(BaseModel):
    """All cells of a rack at one sample time; element 0 is cell 1, null is missing."""

    device: str
    now_ms: int
    at_ms: int
    stale: bool = Field(description="older than the limit for cells; always false for a past time")
    voltage_v: list[float | None]
    temperature_c: list[float | None]


class SamplesAnswer(BaseModel):
    """The sample times of one device and layout that are really stored."""

    times_ms: list[int]
    duplicated: int = Field(description="stored copies beyond the first of each")


class LedgerAnswer(BaseModel):
    """What the ledger and the disk hold for samples in the range."""

    batches: int
    samples: int
    values: int
    wire_bytes: int
    disk_bytes: int
    disk_values: int
    duplicates: int
    conflicts: int


@router.get("/series", response_class=Response, responses={200: {"content": _SERIES_TYPES}})
async def show_series(parts: DeskOf, _: Reader, asked: Annotated[SeriesQuery, Query()]) -> Response:
    """One or many signals over any range, as JSON or as an Arrow stream.

    Raw answers carry values and quality; 1-minute and 15-minute answers carry mean, minimum,
    maximum, last and count of each bucket.
    """
    await fleet.find(parts.services.pool, asked.station)
    result = await parts.services.history.query(
        asked.station,
        [SignalRef.parse(text) for text in asked.signal],
        asked.start_ms,
        asked.end_ms,
        resolution=asked.resolution,
        max_points=asked.max_points,
    )
    if asked.format is Format.ARROW:
        return Response(to_arrow(result), media_type=_ARROW)
    return Response(to_json(result), media_type="application/json")


@router.get("/stations/{station}/cells/{device}")
async def show_cells(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    device: Device,
    at: Annotated[
        int | None, Query(ge=0, description="at or before this time; default now")
    ] = None,
) -> CellsAnswer:
    """Voltage and temperature of every cell of a rack, newest or at a past time."""
    image = await parts.services.live.latest(station) if at is None else None
    newest = None if image is None else _cells_in(image, device)
    if newest is None:
        found = await parts.services.history.cells_at(station, device, at)
        newest = found.at_ms, found.voltage_v, found.temperature_c
    at_ms, voltage_v, temperature_c = newest
    present = now_ms()
    return CellsAnswer(
        device=device,
        now_ms=present,
        at_ms=at_ms,
        stale=at is None and present - at_ms > stale_after_ms(_CELLS),
        voltage_v=_numbers(voltage_v, 3),
        temperature_c=_numbers(temperature_c, 1),
    )


@router.get("/stations/{station}/samples")
async def show_samples(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[SamplesQuery, Query()]
) -> SamplesAnswer:
    """The device times of the samples that are really stored, decoded from the store."""
    stored = await parts.services.history.samples(
        station, asked.device, asked.layout, asked.start_ms, asked.end_ms
    )
    return SamplesAnswer(times_ms=stored.times_ms.tolist(), duplicated=stored.duplicated)


@router.get("/stations/{station}/ledger")
async def show_ledger(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[Range, Query()]
) -> LedgerAnswer:
    """How much was received, what it took on the wire and takes on disk, what came twice."""
    return LedgerAnswer(
        **vars(await parts.services.history.ledger(station, asked.start_ms, asked.end_ms))
    )


def _cells_in(
    image: LiveImage, device: str
) -> tuple[int, NDArray[np.float64], NDArray[np.float64]] | None:
    for (tag, layout), frame in image.frames.items():
        if tag == device and layout.startswith(_CELLS):
            return (
                frame.t0_ms,
                frame.physical("cell_voltage_v")[-1],
                frame.physical("cell_temperature_c")[-1],
            )
    return None


def _numbers(values: NDArray[np.float64], digits: int) -> list[float | None]:
    return [round(value, digits) if math.isfinite(value) else None for value in values.tolist()]
