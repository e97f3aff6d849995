"""Imports: a file, or rows that a program hands over, checked and stored whole or not at all."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from cloud.db import Pool
from cloud.market.errors import BadSeries
from cloud.market.prices import store
from cloud.market.prices.checks import check
from cloud.market.prices.files import Layout, read_file
from cloud.market.prices.findings import ACCEPTABLE, Code, Report, refuse
from cloud.market.prices.series import Series
from cloud.market.prices.table import Table

_NONE: Final[frozenset[Code]] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """One value: beginning of its interval (UTC), the value, and when it became known.

    Without `known_ms` the series' rule of publication says it.
    """

    start_ms: int
    value: float
    known_ms: int | None = None


async def import_file(
    pool: Pool,
    series: Series,
    file: Path,
    layout: Layout,
    *,
    now_ms: int,
    accept: Collection[Code] = _NONE,
) -> Report:
    """Import a CSV or Parquet file; the report says what was found and whether it was stored.

    Raises:
        BadSeries: the file cannot be read, the series' id stands for another, or `accept` names
            what nobody may accept.
    """
    _require_acceptable(accept)
    table, found = await asyncio.to_thread(read_file, file, layout, series, now_ms)
    if found:  # what is wrong with times makes everything else wrong
        return Report(series.id, file.name, len(table), 0, tuple(found))
    return await _import(pool, series, table, source=file.name, now_ms=now_ms, accept=accept)


async def import_rows(
    pool: Pool,
    series: Series,
    rows: Sequence[Row],
    *,
    source: str,
    now_ms: int,
    accept: Collection[Code] = _NONE,
) -> Report:
    """Import rows as `import_file` does; `source` is who hands them over."""
    _require_acceptable(accept)
    start = np.array([row.start_ms for row in rows], np.int64)
    known = series.publication.known_ms(start, series.step_ms, series.zone_info, now_ms)
    for index, row in enumerate(rows):
        if row.known_ms is not None:
            known[index] = row.known_ms
    table = Table(start, known, np.array([row.value for row in rows], np.float64))
    return await _import(pool, series, table, source=source, now_ms=now_ms, accept=accept)


async def _import(
    pool: Pool,
    series: Series,
    given: Table,
    *,
    source: str,
    now_ms: int,
    accept: Collection[Code],
) -> Report:
    kept = await store.define(pool, series)
    past = await store.past_of(pool, kept)
    table, found = await asyncio.to_thread(check, series, given, past, now_ms)
    found = [replace(one, accepted=one.code in accept) for one in found]
    if refuse(found):
        return Report(series.id, source, len(given), 0, tuple(found))
    return await store.add(pool, kept, table, source, found)


def _require_acceptable(accept: Collection[Code]) -> None:
    wrong = sorted(set(accept) - ACCEPTABLE)
    if wrong:
        raise BadSeries(
            f"{wrong[0]} cannot be accepted, only corrected; acceptable are "
            f"{', '.join(sorted(ACCEPTABLE))}"
        )
