"""How well the alarm system serves its operators, by the measures of ISA-18.2 / IEC 62682.

Counted is what was announced: visible to people, at the moment they could see it. An hour without
the cloud counts when its alarms arrive, since that is when somebody has to answer them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.alarms.definitions import PRIORITIES, Definitions, Flood
from cloud.alarms.kinds import RANGE, columns, kinds
from cloud.db import Pool, connection
from cloud.errors import BadQuery

TARGET_SPLIT: Final[Mapping[int, float]] = {1: 0.05, 2: 0.15, 3: 0.80, 4: 0.80}
"""ISA-18.2, 16: 5 % high, 15 % medium, 80 % low. Our 1 and 2 are its high and medium, 3 and 4
together its low."""
_HOUR_MS: Final = 3_600_000
_LONGEST_MS: Final = 366 * 24 * _HOUR_MS
_TOP: Final = 10


@dataclass(frozen=True)
class Frequent:
    """An alarm that came often: how often, and its share of all."""

    alarm: int
    station: str
    device: str
    code: str
    tag: str
    count: int
    share: float


@dataclass(frozen=True)
class Answered:
    """How long acknowledgements took, in seconds; None where nothing was acknowledged."""

    count: int
    median_s: float | None
    p90_s: float | None
    within_respond_time: float | None


@dataclass(frozen=True)
class Metrics:
    """The figures of a range.

    Attributes:
        alarms: announced in it.
        per_hour: of the whole fleet or station asked about; `per_operator_hour` for each position.
        average_per_10_min, most_per_10_min: for each position.
        flood_share: share of the time in which a position was flooded, 0..1.
        floods: begin and end (epoch ms) of each flood.
        top: the ten most frequent; `top_share` their share of all.
        split: alarms by priority; `target` is what ISA-18.2 asks for.
        answered: time to acknowledge.
    """

    start_ms: int
    end_ms: int
    positions: int
    alarms: int
    per_hour: float
    per_operator_hour: float
    average_per_10_min: float
    most_per_10_min: float
    flood_share: float
    floods: tuple[tuple[int, int], ...]
    top: tuple[Frequent, ...]
    top_share: float
    split: Mapping[int, int]
    target: Mapping[int, float]
    answered: Answered


_BINS: Final = f"""
SELECT (o.announced_ms - %(start_ms)s) / %(bin_ms)s, count(*)
FROM alarm_occurrences o WHERE {RANGE} GROUP BY 1
"""  # noqa: S608 - our own words
_OFTEN: Final = f"""
SELECT a.id, a.station, a.device, a.code, a.tag, count(*)
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm WHERE {RANGE}
GROUP BY a.id ORDER BY count(*) DESC, a.id LIMIT {_TOP}
"""  # noqa: S608 - as above
_SPLIT: Final = f"""
SELECT a.priority, count(*) FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE {RANGE} GROUP BY 1
"""  # noqa: S608 - as above
_ANSWERS: Final = f"""
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY t), percentile_cont(0.9)
       WITHIN GROUP (ORDER BY t), avg((t <= respond_ms)::int)::double precision
FROM (
    SELECT greatest(o.acknowledged_ms - o.announced_ms, 0) AS t, r.respond_ms
    FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
    JOIN unnest(%(code)s::text[], %(tag)s::text[], %(respond_ms)s::bigint[])
         AS r(code, tag, respond_ms) ON (r.code, r.tag) = (a.code, a.tag)
    WHERE o.acknowledged_ms IS NOT NULL AND {RANGE}
) AS answers
"""  # noqa: S608 - as above


async def metrics(
    pool: Pool,
    definitions: Definitions,
    start_ms: int,
    end_ms: int,
    *,
    station: str | None = None,
    positions: int = 1,
) -> Metrics:
    """Return the figures of [start_ms, end_ms).

    Args:
        pool: of the database.
        definitions: what a flood is, and times to respond.
        start_ms: begin of the range.
        end_ms: its end; not after the present, or the figures are too good.
        station: of this station only.
        positions: operators who share the alarms.

    Raises:
        BadQuery: an empty range, or one of more than a year.
    """
    if not 0 < end_ms - start_ms <= _LONGEST_MS:
        raise BadQuery("ask for a range that begins before its end and has at most a year")
    flood = definitions.flood
    given: dict[str, Any] = {
        "start_ms": start_ms,
        "end_ms": end_ms,
        "station": station,
        "bin_ms": flood.within_s * 1000,
    }
    async with connection(pool) as conn:
        bins = dict(await (await conn.execute(_BINS.encode(), given)).fetchall())
        often = await (await conn.execute(_OFTEN.encode(), given)).fetchall()
        split = dict(await (await conn.execute(_SPLIT.encode(), given)).fetchall())
        rules = await kinds(conn, definitions, given)
        respond_ms = [rule.respond_ms for rule in rules.values()]
        limits = given | columns(rules) | {"respond_ms": respond_ms}
        answers = await (await conn.execute(_ANSWERS.encode(), limits)).fetchone()
    return _figures(given, positions, flood, (bins, often, split, answers))


_Found = tuple[Mapping[int, int], Sequence[Sequence[Any]], Mapping[int, int], Sequence[Any] | None]
"""Alarms by bin, the most frequent ones, alarms by priority, times to acknowledge."""


def _figures(given: Mapping[str, Any], positions: int, flood: Flood, found: _Found) -> Metrics:
    """Return the figures from what the database has counted."""
    bins, often, split, answers = found
    start_ms, end_ms, length_ms = given["start_ms"], given["end_ms"], given["bin_ms"]
    alarms, hours = sum(bins.values()), (end_ms - start_ms) / _HOUR_MS
    counted = [bins.get(i, 0) / positions for i in range(-(-(end_ms - start_ms) // length_ms))]
    floods = [
        (start_ms + first_bin * length_ms, min(start_ms + last_bin * length_ms, end_ms))
        for first_bin, last_bin in floods_of(counted, flood)
    ]
    top = tuple(
        Frequent(alarm, of, device, code, tag, count, count / alarms)
        for alarm, of, device, code, tag, count in often
    )
    return Metrics(
        start_ms=start_ms,
        end_ms=end_ms,
        positions=positions,
        alarms=alarms,
        per_hour=alarms / hours,
        per_operator_hour=alarms / hours / positions,
        average_per_10_min=sum(counted) / len(counted),
        most_per_10_min=max(counted),
        flood_share=sum(end - begin for begin, end in floods) / (end_ms - start_ms),
        floods=tuple(floods),
        top=top,
        top_share=sum(one.share for one in top),
        split={priority: split.get(priority, 0) for priority in PRIORITIES},
        target=TARGET_SPLIT,
        answered=_answered(answers),
    )


def _answered(row: Sequence[Any] | None) -> Answered:
    count, median_ms, p90_ms, within = row or (0, None, None, None)

    def seconds(ms: float | None) -> float | None:
        return None if ms is None else ms / 1000

    return Answered(count, seconds(median_ms), seconds(p90_ms), within)


def floods_of(counted: Sequence[float], flood: Flood) -> list[tuple[int, int]]:
    """Return the floods as (first bin, bin after the last).

    A flood begins with a bin of more than `begins_over` alarms, and ends with the first bin of
    fewer than `ends_under`, which is no part of it.
    """
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for number, count in enumerate(counted):
        if begin is None and count > flood.begins_over:
            begin = number
        elif begin is not None and count < flood.ends_under:
            found.append((begin, number))
            begin = None
    if begin is not None:
        found.append((begin, len(counted)))
    return found


@dataclass(frozen=True)
class FloodNow:
    """Whether a position is flooded at this moment, and by how many alarms."""

    flooded: bool
    count: int
    within_s: int
    begins_over: int


async def flood_now(
    pool: Pool, definitions: Definitions, now_ms: int, *, positions: int = 1
) -> FloodNow:
    """Count what has been announced in the last ten minutes, or as defined."""
    flood = definitions.flood
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT count(*) FROM alarm_occurrences WHERE announced_ms > %s AND announced_ms <= %s",
            [now_ms - flood.within_s * 1000, now_ms],
        )
        row = await found.fetchone()
    count = row[0] if row else 0
    flooded = count / positions > flood.begins_over
    return FloodNow(flooded, count, flood.within_s, flood.begins_over)
