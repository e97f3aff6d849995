"""A schedule is checked against the station's limits before anybody signs it.

Power beyond the rating is refused: no station can deliver it. Running out of the SOC working band
is a warning: the projection starts from the present SOC with a stated efficiency, and the station
keeps its band by itself whatever is ordered; but who orders it shall know.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ROUND_TRIP_EFFICIENCY = 0.88
"""Planning value at the meter, auxiliaries included, of a liquid-cooled LFP station."""

# Floating-point dust of a rating given with one decimal.
_TOLERANCE_KW = 1e-6


class FindingCode(StrEnum):
    """What a check may find."""

    OVER_RATING = "over_rating"
    BELOW_SOC_BAND = "below_soc_band"
    ABOVE_SOC_BAND = "above_soc_band"


@dataclass(frozen=True)
class Finding:
    """One broken limit: how many points break it, the first of them, its worst value."""

    code: FindingCode
    blocks: bool
    first: int
    count: int
    worst: float
    limit: float


@dataclass(frozen=True)
class Bounds:
    """What the schedule is checked against.

    Attributes:
        rated_kw: largest power in both directions.
        capacity_kwh: energy between SOC 0 and 1.
        soc_min, soc_max: working band, 0..1.
    """

    rated_kw: float
    capacity_kwh: float
    soc_min: float
    soc_max: float


@dataclass(frozen=True)
class ScheduleCheck:
    """The answer of a check.

    Attributes:
        findings: broken limits; empty when all is well.
        soc: projected SOC at the start of each point and at the end of the day (n + 1 values);
            None where it is not projected (past points, or no SOC known).
        charged_kwh, discharged_kwh: energy at the meter over the whole schedule, both positive.
    """

    findings: tuple[Finding, ...]
    soc: tuple[float | None, ...]
    charged_kwh: float
    discharged_kwh: float

    @property
    def blocked(self) -> bool:
        """Whether the schedule must not be sent."""
        return any(finding.blocks for finding in self.findings)


def check(
    power_kw: Sequence[float],
    interval_h: float,
    bounds: Bounds,
    *,
    soc: float | None,
    first: int = 0,
    first_share: float = 1.0,
) -> ScheduleCheck:
    """Check a day of powers (kW, discharge positive) against `bounds`.

    Args:
        power_kw: one value for each interval.
        interval_h: length of an interval in hours.
        bounds: the station's limits.
        soc: state of charge (0..1) when point `first` is reached; None: do not project.
        first: the point that holds when the projection begins; earlier points are past.
        first_share: part of that point's interval that is still ahead, 0..1.
    """
    path = _project(
        power_kw,
        interval_h,
        capacity_kwh=bounds.capacity_kwh,
        soc=soc,
        first=first,
        first_share=first_share,
    )
    findings = (
        _over_rating(power_kw, bounds.rated_kw, first),
        _leaves_band(power_kw, path, FindingCode.BELOW_SOC_BAND, bounds.soc_min),
        _leaves_band(power_kw, path, FindingCode.ABOVE_SOC_BAND, bounds.soc_max),
    )
    return ScheduleCheck(
        findings=tuple(finding for finding in findings if finding is not None),
        soc=tuple(path),
        charged_kwh=math.fsum(-power for power in power_kw if power < 0) * interval_h,
        discharged_kwh=math.fsum(power for power in power_kw if power > 0) * interval_h,
    )


def fingerprint(station: str, date: str, power_kw: Sequence[float]) -> str:
    """Sixteen hex digits that name exactly this schedule, shown before and after it is sent.

    SHA-256 over station, date and the powers in tenths of a kilowatt, so that page and server
    agree on the digits whatever the number's spelling.
    """
    tenths = ",".join(str(round(power * 10)) for power in power_kw)
    return hashlib.sha256(f"{station}|{date}|{tenths}".encode()).hexdigest()[:16]


def soc_step(soc: float, power_kw: float, hours: float, capacity_kwh: float) -> float:
    """SOC after `hours` at `power_kw`: half of the losses fall on each direction."""
    one_way = math.sqrt(ROUND_TRIP_EFFICIENCY)
    energy_kwh = power_kw * hours
    drawn_kwh = energy_kwh / one_way if energy_kwh > 0 else energy_kwh * one_way
    return soc - drawn_kwh / capacity_kwh


def _project(
    power_kw: Sequence[float],
    interval_h: float,
    *,
    capacity_kwh: float,
    soc: float | None,
    first: int,
    first_share: float,
) -> list[float | None]:
    path: list[float | None] = [None] * (len(power_kw) + 1)
    if soc is None:
        return path
    level = soc
    path[first] = level
    for index in range(first, len(power_kw)):
        hours = interval_h * (first_share if index == first else 1.0)
        level = soc_step(level, power_kw[index], hours, capacity_kwh)
        path[index + 1] = level
    return path


def _over_rating(power_kw: Sequence[float], rated_kw: float, first: int) -> Finding | None:
    broken = [
        index
        for index in range(first, len(power_kw))
        if abs(power_kw[index]) > rated_kw + _TOLERANCE_KW
    ]
    if not broken:
        return None
    worst = max((power_kw[index] for index in broken), key=abs)
    return Finding(FindingCode.OVER_RATING, True, broken[0], len(broken), worst, rated_kw)


def _leaves_band(
    power_kw: Sequence[float], path: Sequence[float | None], code: FindingCode, limit: float
) -> Finding | None:
    below = code is FindingCode.BELOW_SOC_BAND
    broken = [
        (index, after)
        for index, (power, after) in enumerate(zip(power_kw, path[1:], strict=True))
        if after is not None
        and ((power > 0 and after < limit) if below else (power < 0 and after > limit))
    ]
    if not broken:
        return None
    levels = [level for _, level in broken]
    worst = min(levels) if below else max(levels)
    return Finding(code, False, broken[0][0], len(broken), worst, limit)
