"""Quarter hours as plain SQL rows, for BI tools that speak nothing else.

These rows lie in clear, so only signals are written whose class the retention policy releases;
the sealed rollups hold all.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from cloud.history.rollups.arithmetic import QUARTER_MS, Buckets, is_power, scalars, scaled
from contract.layouts import Layout

KWH_PER_KW_MS: Final = 1 / 3_600_000

_WRITE = """
INSERT INTO rollups_15min (station, device, signal, bucket, minimum, maximum, mean, last, count,
                           discharged_kwh, charged_kwh)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (station, device, signal, bucket) DO UPDATE SET
    minimum = excluded.minimum, maximum = excluded.maximum, mean = excluded.mean,
    last = excluded.last, count = excluded.count, discharged_kwh = excluded.discharged_kwh,
    charged_kwh = excluded.charged_kwh
"""


@dataclass(frozen=True)
class Row:
    """One row of rollups_15min, without its station; the values in their units."""

    device: str
    signal: str
    bucket: dt.datetime
    values: tuple[float, float, float, float, int]
    energy_kwh: tuple[float | None, float | None]


def of(
    device: str,
    layout: Layout,
    names: Sequence[str],
    buckets: Buckets,
    chosen: tuple[int, NDArray[np.int64]],
) -> list[Row]:
    """Return the rows of some signals and buckets; `chosen`: start of the first, and which."""
    rows = []
    start_ms, indices = chosen
    for number, signal in enumerate(scalars(layout)):
        if signal.name not in names:
            continue
        one = scaled(buckets.column(number), signal.scale)
        for index in indices:
            count = int(one.count[index, 0])
            if not count:
                continue
            at_ms = start_ms + int(index) * QUARTER_MS
            mean = float(one.total[index, 0]) / count
            least, most, last = (
                float(column[index, 0]) for column in (one.minimum, one.maximum, one.last)
            )
            energy = (
                (
                    float(one.out[index, 0]) * KWH_PER_KW_MS,
                    float(one.into[index, 0]) * KWH_PER_KW_MS,
                )
                if is_power(signal)
                else (None, None)
            )
            bucket = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
            rows.append(Row(device, signal.name, bucket, (least, most, mean, last, count), energy))
    return rows


async def write(conn: psycopg.AsyncConnection[Any], station: str, rows: Sequence[Row]) -> None:
    """Write rows in the place of older ones."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            _WRITE,
            [(station, r.device, r.signal, r.bucket, *r.values, *r.energy_kwh) for r in rows],
        )
