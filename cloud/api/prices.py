"""Series of prices and what drives them: list, read as of a time, import rows."""

import math
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, MarketReader, PriceImporter
from cloud.api.image import now_ms
from cloud.api.times import Moment, Range
from cloud.market import prices
from cloud.market.errors import BadSeries
from cloud.market.prices import Code, Finding, Kind, Publication, Series
from cloud.market.prices.publication import AT_IMPORT

router = APIRouter(prefix="/prices", tags=["prices"], responses=ERRORS)

SeriesId = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="as de-lu.day_ahead")
]
_MOST_ROWS = 100_000


class SeriesAnswer(BaseModel):
    """A series: what it is, in which unit, for which zone."""

    id: str
    kind: Kind
    unit: str
    zone: str = Field(description="where it holds, in the market's words")
    timezone: str
    step_min: int
    forecast: bool = Field(description="tells what is expected, not what was")
    published: str = Field(description="when its values become known")


class SeriesList(BaseModel):
    """All series of the store."""

    series: list[SeriesAnswer]


class ReadingAnswer(BaseModel):
    """A stretch of a series as it could be seen at a time."""

    series: str
    unit: str
    step_min: int
    start_ms: list[int]
    value: list[float | None] = Field(description="null: not known by then")
    known_ms: list[int] = Field(description="when each became known; 0: it had not")


class RowBody(BaseModel):
    """One value."""

    start_ms: Moment = Field(description="beginning of its interval")
    value: float = Field(allow_inf_nan=False)
    known_ms: Moment | None = Field(None, description="null: by the series' rule")


class ImportRequest(BaseModel):
    """Rows of one series; it is made where there is none of this id."""

    kind: Kind
    unit: str = Field(max_length=16)
    zone: str = Field(max_length=64)
    timezone: str = Field(max_length=64)
    step_min: int = Field(ge=1, le=1_440)
    forecast: bool = False
    published: str | None = Field(None, max_length=64, description="as day-1 12:45")
    source: str = Field(min_length=1, max_length=200, description="who hands them over")
    accept: list[Code] = Field([], description="findings that the caller accepts by name")
    rows: list[RowBody] = Field(min_length=1, max_length=_MOST_ROWS)


class FindingAnswer(BaseModel):
    """What was found in rows."""

    code: Code
    count: int
    first_ms: int
    last_ms: int
    text: str
    accepted: bool


class ImportAnswer(BaseModel):
    """What an import came to."""

    series: str
    rows: int
    added: int = Field(description="values that were not known before")
    refused: bool = Field(description="nothing of it was stored")
    findings: list[FindingAnswer]


@router.get("")
async def list_series(parts: DeskOf, _: MarketReader) -> SeriesList:
    """The series that are stored."""
    kept = await prices.list_series(parts.services.pool)
    return SeriesList(series=[_series(one.series) for one in kept])


@router.get("/{series}")
async def read_series(
    parts: DeskOf,
    _: MarketReader,
    series: SeriesId,
    span: Annotated[Range, Query()],
) -> ReadingAnswer:
    """A stretch of a series as it is known now."""
    kept = await prices.find(parts.services.pool, series)
    if (span.end_ms - span.start_ms) // kept.series.step_ms > _MOST_ROWS:
        raise BadSeries(f"more than {_MOST_ROWS:,} intervals are asked for; ask for fewer days")
    reading = await prices.read(parts.services.pool, series, span.start_ms, span.end_ms, now_ms())
    return ReadingAnswer(
        series=series,
        unit=kept.series.unit,
        step_min=reading.step_min,
        start_ms=reading.start_ms.tolist(),
        value=[one if math.isfinite(one) else None for one in reading.value.tolist()],
        known_ms=reading.known_ms.tolist(),
    )


@router.post("/{series}/rows")
async def import_rows(
    parts: DeskOf, _: PriceImporter, series: SeriesId, body: ImportRequest
) -> ImportAnswer:
    """Import rows, all of them or none; the answer says what was found."""
    published = AT_IMPORT if body.published is None else Publication(body.published)
    facts = (body.kind, body.unit, body.zone, body.timezone, body.step_min)
    given = Series(series, *facts, forecast=body.forecast, publication=published)
    rows = [prices.Row(one.start_ms, one.value, one.known_ms) for one in body.rows]
    report = await prices.import_rows(
        *(parts.services.pool, given, rows),
        source=body.source,
        now_ms=now_ms(),
        accept=frozenset(body.accept),
    )
    return ImportAnswer(
        series=series,
        rows=report.rows,
        added=report.added,
        refused=report.refused,
        findings=[_finding(one) for one in report.findings],
    )


def _series(one: Series) -> SeriesAnswer:
    names = set(SeriesAnswer.model_fields) - {"published"}
    facts = {name: getattr(one, name) for name in names}
    return SeriesAnswer(published=one.publication.text, **facts)


def _finding(one: Finding) -> FindingAnswer:
    return FindingAnswer(
        code=one.code,
        count=one.count,
        first_ms=one.first_ms,
        last_ms=one.last_ms,
        text=one.text,
        accepted=one.accepted,
    )
