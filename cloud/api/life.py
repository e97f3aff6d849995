"""Health and life of a station's racks: SOH with its interval, trend, and when they are retired."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS, WordsAnswer
from cloud.api.context import Desk, DeskOf, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.fleet import Station
from cloud.health import (
    CONDITION_TEXTS,
    VERDICT_TEXTS,
    Crossing,
    HealthPoint,
    RetirementRule,
    load_retirement_rule,
    outlook,
    rule_in_words,
)
from cloud.history import Resolution, Series, SignalRef

router = APIRouter(prefix="/stations", tags=["history"], responses=ERRORS)

_CONFIDENCE: Final = 0.9
_DAY_MS: Final = 86_400_000
_RACKS_AT_ONCE: Final = 10
_SIGNALS: Final = ("soh_estimate", "soh_half_width", "resistance_ratio")
_OF_SOH: Final = "soh_below"


class RetirementAnswer(BaseModel):
    """Which condition of the rule is met first, and when; null: not within thirty years."""

    condition: WordsAnswer
    bound: float
    earliest_ms: int | None
    expected_ms: int | None
    latest_ms: int | None


class RackLife(BaseModel):
    """How one rack ages."""

    rack: str
    from_ms: int | None = Field(None, description="first day that was looked at, epoch ms")
    to_ms: int | None = Field(None, description="last day that was looked at, epoch ms")
    days: int = Field(0, description="days with an estimate")
    soh: float | None = Field(None, description="mean of the last day, share of one")
    soh_half_width: float | None = None
    per_year: float | None = Field(None, description="change of SOH; null: history too short")
    per_year_half_width: float | None = None
    verdict: str = Field("unknown", description='"retire", "plan", "keep" or "unknown"')
    verdict_words: WordsAnswer
    retirement: RetirementAnswer | None = Field(None, description="null: no date is in sight")
    trend: list[float | None] = Field([], description="SOH of each day, oldest first")


class LifeAnswer(BaseModel):
    """Every rack that has estimates, and the rule of retirement."""

    now_ms: int
    confidence: float = Field(description="of every interval")
    rule: WordsAnswer
    rule_soh: float | None = Field(description="SOH at which a rack is retired")
    least_days: float = Field(description="a shorter history makes no trend")
    racks: list[RackLife]


@router.get("/{station}/life")
async def show_life(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    retired_at: Annotated[
        float | None,
        Query(gt=0, lt=1, description="SOH at which a rack is retired instead of the rule's"),
    ] = None,
) -> LifeAnswer:
    """SOH of every rack with its trend over at most two years, and when it will be retired."""
    found = await fleet.find(parts.services.pool, station)
    devices = (await fleet.devices(parts.services.pool)).get(station, set())
    topology = fleet.from_devices(devices)
    racks = [rack for rack in topology.racks if rack in topology.estimated]
    rule, present = _rule(retired_at), now_ms()
    lives = []
    for k in range(0, len(racks), _RACKS_AT_ONCE):
        lives += await _lives(parts, found, racks[k : k + _RACKS_AT_ONCE], rule, present)
    return LifeAnswer(
        now_ms=present,
        confidence=_CONFIDENCE,
        rule=WordsAnswer(**rule_in_words(rule)),
        rule_soh=rule.conditions.soh_below,
        least_days=rule.outlook.least_days,
        racks=lives,
    )


def _rule(retired_at: float | None) -> RetirementRule:
    rule = load_retirement_rule()
    if retired_at is None:
        return rule
    conditions = rule.conditions.model_copy(update={"soh_below": retired_at})
    return rule.model_copy(update={"conditions": conditions})


async def _lives(
    parts: Desk, station: Station, racks: Sequence[str], rule: RetirementRule, present_ms: int
) -> list[RackLife]:
    refs = [SignalRef(rack, signal) for rack in racks for signal in _SIGNALS]
    start_ms = present_ms - round(rule.outlook.trend_days * _DAY_MS)
    result = await parts.services.history.query(
        *(station.id, refs, start_ms, present_ms),
        resolution=Resolution.DAY,
        timezone=station.timezone,
    )
    of_rack = [result.series[k : k + len(_SIGNALS)] for k in range(0, len(refs), len(_SIGNALS))]
    today = _time(present_ms)
    return [
        _life(rack, _points(*series), rule, today)
        for rack, series in zip(racks, of_rack, strict=True)
    ]


def _points(soh: Series, half_width: Series, resistance: Series) -> list[HealthPoint]:
    """The days of which a SOH is known."""
    widths, ratios = (
        dict(zip(one.times_ms.tolist(), one.values.tolist(), strict=True))
        for one in (half_width, resistance)
    )
    days = zip(soh.times_ms.tolist(), soh.values.tolist(), strict=True)
    return [
        HealthPoint(_time(at), value, widths.get(at, math.nan), ratios.get(at, math.nan))
        for at, value in days
        if math.isfinite(value)
    ]


def _life(
    rack: str, points: Sequence[HealthPoint], rule: RetirementRule, today: dt.datetime
) -> RackLife:
    found = outlook(points, rule, today)
    words = WordsAnswer(**VERDICT_TEXTS[found.verdict])
    if not points:
        return RackLife(rack=rack, verdict=found.verdict.value, verdict_words=words)
    pace = next((one for one in found.crossings if one.condition == _OF_SOH), None)
    return RackLife(
        rack=rack,
        from_ms=_ms(points[0].at),
        to_ms=_ms(points[-1].at),
        days=len(points),
        soh=_number(points[-1].soh),
        soh_half_width=_number(points[-1].soh_half_width),
        per_year=None if pace is None else _number(pace.per_year),
        per_year_half_width=None if pace is None else _number(pace.per_year_half_width),
        verdict=found.verdict.value,
        verdict_words=words,
        retirement=None if found.binding is None else _told(found.binding),
        trend=[_number(point.soh) for point in points],
    )


def _told(binding: Crossing) -> RetirementAnswer:
    return RetirementAnswer(
        condition=WordsAnswer(**CONDITION_TEXTS[binding.condition]),
        bound=binding.bound,
        earliest_ms=_ms(binding.earliest),
        expected_ms=_ms(binding.expected),
        latest_ms=_ms(binding.latest),
    )


def _time(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1e3, dt.UTC)


def _ms(at: dt.datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1e3)


def _number(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
