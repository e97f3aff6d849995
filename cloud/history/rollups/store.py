"""Where rollups rest: sealed spans of buckets, one section a signal.

Two tiers, each in a short span that is rewritten while data arrive and a long one that short
spans are merged into. A bucket that the short span has takes the place of the long span's, so
late data rewrite an hour or a day, never a month.
"""

import asyncio
import datetime as dt
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import psycopg

from cloud.db.pool import Pool, connection
from cloud.errors import KeyStoreError
from cloud.history.blocks.cache import DecodedCache
from cloud.history.rollups.arithmetic import MINUTE_MS, QUARTER_MS, Buckets, overlay, scalars
from cloud.history.rollups.codec import decode, encode
from cloud.vault.vault import StationKeys
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
_WHERE = """
FROM rollup_blocks
WHERE station = %(station)s AND device = %(device)s AND layout = %(layout)b
  AND tier_ms = %(tier_ms)s AND (
    (span_ms = %(long_ms)s AND start_ms > %(start_ms)s - %(long_ms)s AND start_ms < %(end_ms)s)
    OR (span_ms = %(short_ms)s AND start_ms > %(start_ms)s - %(short_ms)s
        AND start_ms < %(end_ms)s))
"""
_READ_VERSIONS = f"SELECT span_ms, start_ms, written_at {_WHERE} ORDER BY span_ms DESC, start_ms"
_READ_SECTIONS = f"""
SELECT span_ms, start_ms, ARRAY(
    SELECT substring(body FROM 1 + CASE WHEN i = 1 THEN 0 ELSE ends[i - 1] END
                     FOR ends[i] - CASE WHEN i = 1 THEN 0 ELSE ends[i - 1] END)
    FROM unnest(%(numbers)s::int[]) WITH ORDINALITY AS wanted(i, place) ORDER BY place)
{_WHERE} AND (span_ms, start_ms) IN (
    SELECT * FROM unnest(%(spans)s::bigint[], %(starts)s::bigint[]))
"""  # noqa: S608 - joined of constants


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


Opened = DecodedCache[Buckets]
"""Sections opened lately, by place and time of writing."""


async def read_signals(
    pool: Pool,
    keys: StationKeys,
    source: tuple[str, str, Layout],
    names: Sequence[str],
    *,
    tier: Tier,
    span: tuple[int, int],
    opened: Opened | None = None,
) -> Read:
    """Read signals of one (station, device, layout) over [start, end), multiples of the tier."""
    station, device, layout = source
    order = {signal.name: number for number, signal in enumerate(scalars(layout))}
    asked: dict[str, Any] = {
        "numbers": [order[name] + 1 for name in names],
        "station": station,
        "device": device,
        "layout": layout.hash8,
        "tier_ms": tier.tier_ms,
        "long_ms": tier.long_ms,
        "short_ms": tier.short_ms,
        "start_ms": span[0],
        "end_ms": span[1],
    }
    place = SpanPlace(station, device, layout.hash8, tier.tier_ms, 0, 0)
    signals = [layout.signal(name) for name in names]
    opened = Opened(0) if opened is None else opened
    known: list[tuple[SpanPlace, dt.datetime, list[Buckets | None]]] = []
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor = await conn.execute(_READ_VERSIONS, asked, binary=True)
        for span_ms, start_ms, written_at in await cursor.fetchall():
            at = replace(place, span_ms=span_ms, start_ms=start_ms)
            held = [opened.get((replace(at, section=s.name), written_at)) for s in signals]
            known.append((at, written_at, held))
        missing = [at for at, _, held in known if None in held]
        asked |= {
            "spans": [at.span_ms for at in missing],
            "starts": [at.start_ms for at in missing],
        }
        sections: dict[tuple[int, int], list[bytes]] = {}
        if missing:
            cursor = await conn.execute(_READ_SECTIONS, asked, binary=True)
            sections = {(row[0], row[1]): row[2] for row in await cursor.fetchall()}

    def assemble() -> Read:
        whole = {s.name: Buckets.empty((span[1] - span[0]) // tier.tier_ms, 1) for s in signals}
        damaged = []
        for at, written_at, held in known:
            found = sections.get((at.span_ms, at.start_ms), [])
            for number, signal in enumerate(signals):
                buckets = held[number]
                if buckets is None:
                    try:
                        buckets = open_section(at, found[number], signal, keys)
                    except (KeyStoreError, ContractError):
                        damaged.append(str(replace(at, section=signal.name)))
                        continue
                    key = (replace(at, section=signal.name), written_at)
                    opened.put(key, buckets, sum(c.nbytes for c in vars(buckets).values()))
                lay(whole[signal.name], buckets, (at.start_ms - span[0]) // tier.tier_ms)
        return Read(whole, tuple(damaged))

    return await asyncio.to_thread(assemble)


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
