"""History: series of signals, cells of a rack, and the counts of what is stored."""

import math
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.api.times import Moment, Range
from cloud.fleet import stale_after_ms
from cloud.history import CellsAt, Resolution, SignalRef, Tier
from cloud.history.cell_map import ESTIMATED, MEASURED
from cloud.history.render import (
    arrow_writer,
    csv_writer,
    parquet_writer,
    rendered,
    to_json,
)
from cloud.live import LiveImage

router = APIRouter(tags=["history"], responses=ERRORS)

_MOST_SIGNALS = 200
# As fine as the finest of the estimates travels.
_DIGITS = 4
_FAMILIES = {MEASURED: "rack.cells/", ESTIMATED: "estimate.cells/"}
Device = Annotated[str, Path(description="device tag, e.g. C1-R07", max_length=64)]


class Format(StrEnum):
    """How a series is written."""

    JSON = "json"
    ARROW = "arrow"
    PARQUET = "parquet"
    CSV = "csv"


_FILES = {
    Format.ARROW: (arrow_writer, "application/vnd.apache.arrow.stream"),
    Format.PARQUET: (parquet_writer, "application/vnd.apache.parquet"),
    Format.CSV: (csv_writer, "text/csv; charset=utf-8"),
}
_SERIES_TYPES: dict[str, dict[str, object]] = {
    "application/json": {},
    **{media.partition(";")[0]: {} for _, media in _FILES.values()},
}


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
    tz: str = Field(
        "UTC", max_length=64, description="IANA time zone of hours, days and months (1h, 1d, 1mo)"
    )
    format: Format = Format.JSON
    max_points: int | None = Field(None, ge=1, description="most points in the answer")


class SamplesQuery(Range):
    """Which samples are counted."""

    device: str = Field(max_length=64)
    layout: str = Field(max_length=64)


class CellsAnswer(BaseModel):
    """All cells of a rack at one sample time; element 0 is cell 1, null is missing.

    Where samples of that time are no longer kept, means of the quarter hour `at_ms` (tier 15min).
    """

    device: str
    now_ms: int
    at_ms: int
    stale: bool = Field(description="older than the limit for cells; always false for a past time")
    tier: Tier = Tier.RAW
    voltage_v: list[float | None]
    temperature_c: list[float | None]


class CellEstimatesAnswer(BaseModel):
    """What the station estimates of every cell of a rack; element 0 is cell 1, null is not known.

    Where estimates of that time are no longer kept, means of the quarter hour `at_ms` (tier 15min).
    """

    device: str
    now_ms: int
    at_ms: int
    stale: bool = Field(description="older than the limit for them; always false for a past time")
    tier: Tier = Tier.RAW
    values: dict[str, list[float | None]] = Field(
        description="by signal: cell_soc, cell_soh, cell_resistance_ratio, their half-widths, ..."
    )


class SamplesAnswer(BaseModel):
    """The sample times of one device and layout that are really stored."""

    times_ms: list[int]
    duplicated: int = Field(description="stored copies beyond the first of each")
    damaged: list[str] = Field(description="stored parts that could not be opened")


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
    """One or many signals over any range.

    Raw answers carry values and quality; all others carry mean, minimum, maximum, last and count
    of each bucket, and the energy in both directions where the signal is a power. `resolution`
    and `tiers` say how fine the answer is and what it was read from. A bucket is in the answer
    when its start is in [from, to), and is then whole. Nothing is filled in: where there is no
    sample there is no point. `notes` say what of the range is no longer
    kept, and what answered `instead`: [{code, resolution, before_ms, instead, text}].

    JSON is bounded by `max_points`; page through a longer range with `from` set to the last `to`.
    Arrow, Parquet and CSV are streamed and may be of any length. `damaged` names stored parts
    that could not be opened (a stream ends there, unfinished).
    """
    await fleet.find(parts.services.pool, asked.station)
    history = parts.services.history
    signals = [SignalRef.parse(text) for text in asked.signal]
    if asked.format is Format.JSON:
        result = await history.query(
            asked.station,
            signals,
            asked.start_ms,
            asked.end_ms,
            resolution=asked.resolution,
            max_points=asked.max_points,
            timezone=asked.tz,
        )
        return Response(to_json(result), media_type="application/json")
    pieces = history.stream(
        asked.station,
        signals,
        asked.start_ms,
        asked.end_ms,
        resolution=asked.resolution,
        timezone=asked.tz,
    )
    writer, media_type = _FILES[asked.format]
    body = await _begun(rendered(pieces, writer))
    name = f"{asked.station}-{asked.start_ms}-{asked.end_ms}.{asked.format.value}"
    return StreamingResponse(
        body,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _begun(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Compute the first piece now, so that a refusal is still an answer of its own."""
    first = await anext(body)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in body:
            yield piece

    return whole()


@router.get("/stations/{station}/cells/{device}")
async def show_cells(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    device: Device,
    at: Annotated[
        Moment | None,
        Query(description="at or before this time, as `from` of a range; default now"),
    ] = None,
) -> CellsAnswer:
    """Voltage and temperature of every cell of a rack, newest or at a past time."""
    found, present = await _cells(parts, station, device, at, MEASURED), now_ms()
    return CellsAnswer(
        device=device,
        now_ms=present,
        at_ms=found.at_ms,
        stale=at is None and _is_old(found, present, MEASURED),
        tier=found.tier,
        voltage_v=_numbers(found.values["cell_voltage_v"], 3),
        temperature_c=_numbers(found.values["cell_temperature_c"], 1),
    )


@router.get("/stations/{station}/cells/{device}/estimates")
async def show_cell_estimates(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    device: Device,
    at: Annotated[
        Moment | None,
        Query(description="at or before this time, as `from` of a range; default now"),
    ] = None,
) -> CellEstimatesAnswer:
    """SOC, SOH, resistance, efficiency and anomaly score of every cell, with their half-widths."""
    found, present = await _cells(parts, station, device, at, ESTIMATED), now_ms()
    return CellEstimatesAnswer(
        device=device,
        now_ms=present,
        at_ms=found.at_ms,
        stale=at is None and _is_old(found, present, ESTIMATED),
        tier=found.tier,
        values={name: _numbers(values, _DIGITS) for name, values in found.values.items()},
    )


@router.get("/stations/{station}/samples")
async def show_samples(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[SamplesQuery, Query()]
) -> SamplesAnswer:
    """The device times of the samples that are really stored, decoded from the store."""
    stored = await parts.services.history.samples(
        station, asked.device, asked.layout, asked.start_ms, asked.end_ms
    )
    return SamplesAnswer(
        times_ms=stored.times_ms.tolist(),
        duplicated=stored.duplicated,
        damaged=list(stored.damaged),
    )


@router.get("/stations/{station}/ledger")
async def show_ledger(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[Range, Query()]
) -> LedgerAnswer:
    """How much was received, what it took on the wire and takes on disk, what came twice."""
    return LedgerAnswer(
        **vars(await parts.services.history.ledger(station, asked.start_ms, asked.end_ms))
    )


async def _cells(parts: Desk, station: str, device: str, at_ms: int | None, signal: str) -> CellsAt:
    """Return the cells of the live image, else those of history."""
    image = await parts.services.live.latest(station) if at_ms is None else None
    newest = None if image is None else _cells_in(image, device, _FAMILIES[signal])
    return newest or await parts.services.history.cells_at(station, device, at_ms, signal)


def _cells_in(image: LiveImage, device: str, family: str) -> CellsAt | None:
    for (tag, layout), frame in image.frames.items():
        if tag == device and layout.startswith(family):
            names = [column.signal.name for column in frame.layout.columns]
            values = {name: frame.physical(name)[-1] for name in names}
            return CellsAt(image.station, device, int(frame.times_ms[-1]), values)
    return None


def _is_old(found: CellsAt, present_ms: int, signal: str) -> bool:
    return present_ms - found.at_ms > stale_after_ms(_FAMILIES[signal])


def _numbers(values: NDArray[np.float64], digits: int) -> list[float | None]:
    return [round(value, digits) if math.isfinite(value) else None for value in values.tolist()]
