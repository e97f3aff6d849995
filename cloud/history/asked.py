"""A question to history, checked: which streams hold its signals, how fine its answer will be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.errors import BadQuery, NotFound
from cloud.history.blocks.reading import FrameReader, Stream
from cloud.history.horizon import Horizons, notes
from cloud.history.model import Note, Resolution, SignalRef
from cloud.history.resolution import checked_range, choose, zone
from contract.layouts import Layout

Streams = Mapping[Stream, Layout]
"""The streams that hold a signal: a device may have sent it in several layouts."""


@dataclass(frozen=True)
class Asked:
    """One question: `streams[k]` are those of signal k, `resolution` is never AUTO."""

    station: str
    signals: tuple[SignalRef, ...]
    streams: tuple[Streams, ...]
    start_ms: int
    end_ms: int
    resolution: Resolution
    timezone: str
    notes: tuple[Note, ...]


async def check(
    reader: FrameReader,
    horizons: Horizons,
    station: str,
    signals: Sequence[SignalRef],
    span: tuple[int, int],
    *,
    resolution: Resolution,
    per_series: int,
    timezone: str,
) -> Asked:
    """Return the question, if it can be answered.

    Args:
        reader: knows the streams of stations.
        horizons: know what is still kept.
        station: its id.
        signals: in the order of the answer.
        span: begin and end, epoch ms; the end is not part of it.
        resolution: AUTO takes the finest that fits and is kept over the whole range.
        per_series: most points of one series, for AUTO.
        timezone: IANA name of the zone of hours, days and months.

    Raises:
        NotFound: the station has no such device or signal.
        BadQuery: empty range, missing or wrong index, unknown time zone.
    """
    start_ms, end_ms = checked_range(*span)
    zone(timezone)
    found = [await _streams_of(reader, station, ref) for ref in signals]
    wished = chosen = choose(resolution, end_ms - start_ms, per_series)
    if resolution is Resolution.AUTO:
        chosen = await horizons.finest(station, found, (start_ms, end_ms), chosen)
    told = notes(await horizons.of(station), wished, chosen, found, start_ms)
    return Asked(*(station, tuple(signals), tuple(found), start_ms, end_ms, chosen, timezone, told))


async def _streams_of(reader: FrameReader, station: str, ref: SignalRef) -> Streams:
    """Return the streams of a station that hold a signal."""
    streams = await reader.streams(station, ref.device)
    if not streams:
        raise NotFound(f"station {station!r} has no data of a device {ref.device!r}")
    found = {s: layout for s, layout in streams.items() if ref.signal in layout}
    if not found:
        has = sorted({c.signal.name for layout in streams.values() for c in layout.columns})
        raise NotFound(f"{ref.device!r} has no signal {ref.signal!r}; it has {', '.join(has)}")
    for layout in found.values():
        start, stop = layout.offset(ref.signal)
        if stop - start > 1 and ref.index is None:
            raise BadQuery(f"{ref}: say which, {ref}:1 to {ref}:{stop - start}")
        if ref.index is not None and ref.index > stop - start:
            raise BadQuery(f"{ref}: the index ends at {stop - start}")
    return found
