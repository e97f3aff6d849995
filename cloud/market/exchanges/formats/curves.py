"""Rows of segments and back: what the two table formats share."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment


@dataclass(frozen=True, slots=True)
class Row:
    """One segment, or (without a direction) an interval that offers nothing."""

    station: str
    market: str
    product: str
    day: dt.date
    interval_min: int
    mode: OfferMode
    start_ms: int
    direction: Direction | None
    power_mw: Decimal
    price: Decimal | None


def rows_from(bid: BidSet) -> list[Row]:
    """Return a bid's segments in order of time."""
    return [_row(bid, one, segment) for one in bid.intervals for segment in one.segments or (None,)]


def _row(bid: BidSet, one: BidInterval, segment: Segment | None) -> Row:
    return Row(
        bid.station,
        bid.market,
        bid.product,
        bid.day,
        bid.interval_min,
        bid.mode,
        one.start_ms,
        segment.direction if segment else None,
        segment.power_mw if segment else Decimal(0),
        segment.price if segment else None,
    )


def bids_from(rows: Iterable[Row]) -> tuple[BidSet, ...]:
    """Return the bids that rows tell of, intervals in order of time."""
    heads: dict[tuple[object, ...], dict[int, list[Segment]]] = {}
    first: dict[tuple[object, ...], Row] = {}
    for row in rows:
        head = (row.station, row.market, row.product, row.day, row.interval_min, row.mode)
        first.setdefault(head, row)
        segments = heads.setdefault(head, {}).setdefault(row.start_ms, [])
        if row.direction is not None:
            segments.append(Segment(row.direction, row.power_mw, row.price))
    return tuple(
        BidSet(
            station=first[head].station,
            market=first[head].market,
            product=first[head].product,
            day=first[head].day,
            interval_min=first[head].interval_min,
            mode=first[head].mode,
            intervals=tuple(
                BidInterval(start, tuple(segments)) for start, segments in sorted(found.items())
            ),
        )
        for head, found in heads.items()
    )
