"""Where rollups rest: sealed spans of buckets, one section a signal.

Two tiers, each in a short span that is rewritten while data arrive and a long one that short
spans are merged into. A bucket that the short span has takes the place of the long span's, so
late data rewrite an hour or a day, never a month.
"""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import psycopg

from cloud.db.pool import Pool, connection
from cloud.errors import KeyStoreError
from cloud.history.rollup_codec import decode, encode
from cloud.history.rollup_math import MINUTE_MS, QUARTER_MS, Buckets, overlay, scalars
from cloud.history.vault import StationKeys
from contract.errors import ContractError
from contract.layouts import Layout
from contract.signals import Signal

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True)
class Tier:
    """One fineness of rollups and the spans that its buckets rest in (all in ms)."""

    tier_ms: int
    short_ms: int
    long_ms: int


MINUTES: Final = Tier(MINUTE_MS, HOUR_MS, DAY_MS)
QUARTERS: Final = Tier(QUARTER_MS, DAY_MS, 30 * DAY_MS)


@dataclass(frozen=True)
class SpanPlace:
    """Primary key of a span; `section` names what a sealed section of it holds."""

    station: str
    device: str
    layout: bytes
    tier_ms: int
    span_ms: int
    start_ms: int
    section: str = ""

    def associated(self) -> bytes:
        """Bytes that are authenticated with a section."""
        grid = struct.pack(">qqq", self.tier_ms, self.span_ms, self.start_ms)
        # The leading NUL, which no station's id has, keeps rollups apart from blocks.
        names = [b"", b"rollup", self.station.encode(), self.device.encode(), self.section.encode()]
        return b"\0".join([*names, self.layout, grid])

    def __str__(self) -> str:
        of = f"{self.station}/{self.device}{self.section and ':' + self.section}"
        return f"rollups of {of}, tier {self.tier_ms} ms, {self.span_ms} ms from {self.start_ms}"


@dataclass(frozen=True)
class Span:
    """A span as it lies in the table: section i of `body` ends at `ends[i]`."""

    place: SpanPlace
    ends: Sequence[int]
    body: bytes


def seal(place: SpanPlace, layout: Layout, buckets: Buckets, keys: StationKeys) -> Span:
    """Seal the buckets of all scalar signals of a span; shape (span / tier, signals)."""
    sections = [
        keys.seal(replace(place, section=signal.name), encode(buckets.column(number), signal))
        for number, signal in enumerate(scalars(layout))
    ]
    ends = np.cumsum([len(section) for section in sections]).tolist()
    return Span(place, ends, b"".join(sections))


def open_span(span: Span, layout: Layout, keys: StationKeys) -> Buckets:
    """Return the buckets of all scalar signals of a span.

    Raises:
        KeyStoreError: the key is missing, or a byte was altered.
        ContractError: the bytes inside are no rollups.
    """
    starts = [0, *span.ends]
    sections = [span.body[starts[k] : end] for k, end in enumerate(span.ends)]
    return side_by_side(
        [
            open_section(span.place, section, signal, keys)
            for section, signal in zip(sections, scalars(layout), strict=True)
        ]
    )


def open_section(place: SpanPlace, section: bytes, signal: Signal, keys: StationKeys) -> Buckets:
    """Return the buckets of one signal, shape (n, 1); errors as in `open_span`."""
    return decode(keys.open(replace(place, section=signal.name), section), signal)


def side_by_side(columns: Sequence[Buckets]) -> Buckets:
    """Join buckets of single signals, shape (n, 1) each, to (n, signals)."""
    return Buckets(*(np.hstack([getattr(c, f.name) for c in columns]) for f in fields(Buckets)))


_READ_SPANS = """
SELECT device, layout, start_ms, ends, body FROM rollup_blocks
WHERE station = %s AND tier_ms = %s AND span_ms = %s AND start_ms = %s
"""
_WRITE = """
INSERT INTO rollup_blocks (station, device, layout, tier_ms, span_ms, start_ms, ends, body)
VALUES (%s, %s, %b, %s, %s, %s, %s, %b)
ON CONFLICT (station, device, layout, tier_ms, span_ms, start_ms)
DO UPDATE SET ends = excluded.ends, body = excluded.body, written_at = now()
"""
_READ_SECTIONS = """
SELECT span_ms, start_ms, ARRAY(
    SELECT substring(body FROM 1 + CASE WHEN i = 1 THEN 0 ELSE ends[i - 1] END
                     FOR ends[i] - CASE WHEN i = 1 THEN 0 ELSE ends[i - 1] END)
    FROM unnest(%(numbers)s::int[]) WITH ORDINALITY AS wanted(i, place) ORDER BY place)
FROM rollup_blocks
WHERE station = %(station)s AND device = %(device)s AND layout = %(layout)b
  AND tier_ms = %(tier_ms)s AND (
    (span_ms = %(long_ms)s AND start_ms > %(start_ms)s - %(long_ms)s AND start_ms < %(end_ms)s)
    OR (span_ms = %(short_ms)s AND start_ms > %(start_ms)s - %(short_ms)s
        AND start_ms < %(end_ms)s))
ORDER BY span_ms DESC, start_ms
"""


async def read_spans(
    conn: psycopg.AsyncConnection[Any], station: str, tier_ms: int, span_ms: int, start_ms: int
) -> dict[tuple[str, bytes], Span]:
    """Return the spans of all devices at one place in time, by (device, layout hash)."""
    cursor = await conn.execute(_READ_SPANS, [station, tier_ms, span_ms, start_ms], binary=True)
    return {
        (device, layout): Span(
            SpanPlace(station, device, layout, tier_ms, span_ms, start), ends, body
        )
        for device, layout, start, ends, body in await cursor.fetchall()
    }


async def write_spans(conn: psycopg.AsyncConnection[Any], spans: Sequence[Span]) -> None:
    """Write spans in the place of older ones."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            _WRITE,
            [
                (
                    *(s.place.station, s.place.device, s.place.layout, s.place.tier_ms),
                    *(s.place.span_ms, s.place.start_ms, list(s.ends), s.body),
                )
                for s in spans
            ],
        )


@dataclass(frozen=True)
class Read:
    """Dense buckets of the wanted signals over [start_ms, end_ms) of a query, and what is broken.

    `buckets[name]` has shape (n, 1). A damaged section leaves its buckets empty and is named.
    """

    buckets: Mapping[str, Buckets]
    damaged: tuple[str, ...]


async def read_signals(
    pool: Pool,
    keys: StationKeys,
    source: tuple[str, str, Layout],
    names: Sequence[str],
    *,
    tier: Tier,
    span: tuple[int, int],
) -> Read:
    """Read signals of one (station, device, layout) over [start, end), multiples of the tier."""
    station, device, layout = source
    order = {signal.name: number for number, signal in enumerate(scalars(layout))}
    numbers = [order[name] + 1 for name in names]
    asked = {
        "numbers": numbers,
        "station": station,
        "device": device,
        "layout": layout.hash8,
        "tier_ms": tier.tier_ms,
        "long_ms": tier.long_ms,
        "short_ms": tier.short_ms,
        "start_ms": span[0],
        "end_ms": span[1],
    }
    async with connection(pool) as conn:
        cursor = await conn.execute(_READ_SECTIONS, asked, binary=True)
        rows = await cursor.fetchall()
    place = SpanPlace(station, device, layout.hash8, tier.tier_ms, 0, 0)
    signals = [layout.signal(name) for name in names]
    return await asyncio.to_thread(_assemble, rows, place, signals, keys, span)


def _assemble(
    rows: Sequence[tuple[int, int, list[bytes]]],
    place: SpanPlace,
    signals: Sequence[Signal],
    keys: StationKeys,
    span: tuple[int, int],
) -> Read:
    start_ms, end_ms = span
    n = (end_ms - start_ms) // place.tier_ms
    whole = {signal.name: Buckets.empty(n, 1) for signal in signals}
    damaged = []
    for span_ms, span_start, sections in rows:
        at = replace(place, span_ms=span_ms, start_ms=span_start)
        for signal, section in zip(signals, sections, strict=True):
            try:
                found = open_section(at, section, signal, keys)
            except (KeyStoreError, ContractError):
                damaged.append(str(replace(at, section=signal.name)))
                continue
            lay(whole[signal.name], found, (span_start - start_ms) // place.tier_ms)
    return Read(whole, tuple(damaged))


def lay(whole: Buckets, part: Buckets, first: int) -> None:
    """Put the buckets of `part` that have samples over `whole`, from index `first` on.

    Arrays of `whole` are changed in place; `part` may reach over both ends.
    """
    n, size = len(whole.count), len(part.count)
    low, high = max(first, 0), min(first + size, n)
    if low >= high:
        return
    above = part.rows(slice(low - first, high - first))
    if whole.count[low:high].any():
        above = overlay(whole.rows(slice(low, high)), above)
    for name, column in vars(whole).items():
        column[low:high] = getattr(above, name)
