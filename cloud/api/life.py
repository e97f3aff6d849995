"""Health and life of a station's racks: SOH with its interval, trend, and when they are retired."""

import math
from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.fleet import Station
from cloud.health.end_of_life import CONFIDENCE, EndOfLife, Rule, end_of_life
from cloud.health.trend import DAY_MS, trend
from cloud.history import Resolution, Series, SignalRef

router = APIRouter(prefix="/stations", tags=["history"], responses=ERRORS)

_LOOKED_AT_DAYS: Final = 730
_RACKS_AT_ONCE: Final = 10
_SIGNALS: Final = ("soh_estimate", "soh_half_width")


class RetirementAnswer(BaseModel):
    """When a rack reaches the end that the rule sets; a null end of the range is not in sight."""

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
    per_year: float | None = Field(None, description="change in share of one; null within a month")
    per_year_half_width: float | None = None
    retirement: RetirementAnswer | None = Field(None, description="null: not enough is known yet")
    trend: list[float | None] = Field([], description="SOH of each day, oldest first")


class LifeAnswer(BaseModel):
    """Every rack that has estimates, and the rule of retirement."""

    now_ms: int
    confidence: float = Field(description="of every interval")
    rule_soh: float = Field(description="SOH at which a rack is retired")
    rule_en: str
    rule_zh: str
    racks: list[RackLife]


@router.get("/{station}/life")
async def show_life(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    retired_at: Annotated[
        float, Query(gt=0, lt=1, description="SOH at which a rack is retired, share of one")
    ] = Rule().soh,
) -> LifeAnswer:
    """SOH of every rack with its trend over at most two years, and when it will be retired."""
    found = await fleet.find(parts.services.pool, station)
    devices = (await fleet.devices(parts.services.pool)).get(station, set())
    topology = fleet.from_devices(devices)
    racks = [rack for rack in topology.racks if rack in topology.estimated]
    rule, present = Rule(retired_at), now_ms()
    lives = []
    for k in range(0, len(racks), _RACKS_AT_ONCE):
        lives += await _lives(parts, found, racks[k : k + _RACKS_AT_ONCE], rule, present)
    return LifeAnswer(
        now_ms=present,
        confidence=CONFIDENCE,
        rule_soh=rule.soh,
        rule_en=rule.words.en,
        rule_zh=rule.words.zh,
        racks=lives,
    )


async def _lives(
    parts: Desk, station: Station, racks: Sequence[str], rule: Rule, present_ms: int
) -> list[RackLife]:
    refs = [SignalRef(rack, signal) for rack in racks for signal in _SIGNALS]
    result = await parts.services.history.query(
        *(station.id, refs, present_ms - _LOOKED_AT_DAYS * DAY_MS, present_ms),
        resolution=Resolution.DAY,
        timezone=station.timezone,
    )
    soh, half_width = result.series[0::2], result.series[1::2]
    return [
        _life(*of_rack, rule, present_ms) for of_rack in zip(racks, soh, half_width, strict=True)
    ]


def _life(rack: str, soh: Series, half_width: Series, rule: Rule, present_ms: int) -> RackLife:
    halves = dict(zip(half_width.times_ms.tolist(), half_width.values.tolist(), strict=True))
    known = np.flatnonzero(np.isfinite(soh.values))
    times, values = soh.times_ms[known], soh.values[known]
    if not len(known):
        return RackLife(rack=rack)
    last, width = float(values[-1]), float(halves.get(int(times[-1]), math.nan))
    pace = trend(times, values)
    end = None if pace is None else end_of_life(last, width, pace, rule, present_ms)
    return RackLife(
        rack=rack,
        from_ms=int(times[0]),
        to_ms=int(times[-1]),
        days=len(known),
        soh=_number(last),
        soh_half_width=_number(width),
        per_year=None if pace is None else _number(pace.per_year),
        per_year_half_width=None if pace is None else _number(pace.half_width),
        retirement=None if end is None else _told(end),
        trend=[_number(value) for value in values.tolist()],
    )


def _told(found: EndOfLife) -> RetirementAnswer:
    return RetirementAnswer(
        earliest_ms=found.earliest_ms, expected_ms=found.expected_ms, latest_ms=found.latest_ms
    )


def _number(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
