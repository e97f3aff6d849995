"""For which time the next bids are due: what one gate closes for is one bid."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

from cloud.market.exchanges import Product
from cloud.market.units import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Block:
    """What one bid is for; UTC epoch ms.

    Attributes:
        day: of delivery.
        begin_ms: of its first interval.
        end_ms: of its last one.
        gate_ms: when the first of its intervals is due.
    """

    day: dt.date
    begin_ms: int
    end_ms: int
    gate_ms: int


def open_blocks(product: Product, now_ms: int, *, lead_ms: int, ahead_ms: int) -> tuple[Block, ...]:
    """Return the blocks whose gate closes after `now + lead` and not after `now + ahead`.

    Args:
        product: with its gates.
        now_ms: the present.
        lead_ms: a bid that cannot be looked at in time is not drafted.
        ahead_ms: nor one for which too little is known yet.
    """
    zone = ZoneInfo(product.calendar.zone)
    today = dt.datetime.fromtimestamp(now_ms / 1e3, zone).date()
    days = (today + dt.timedelta(days=number) for number in range(-1, ahead_ms // 86_400_000 + 9))
    found = (block for day in days for block in _blocks(product, day))
    return tuple(block for block in found if now_ms + lead_ms < block.gate_ms <= now_ms + ahead_ms)


def _blocks(product: Product, day: dt.date) -> Iterator[Block]:
    starts = product.intervals_ms(day)
    for gate_ms, part in groupby(starts, product.gate_closure_ms):
        inside = list(part)
        end_ms = inside[-1] + product.interval_min * MINUTE_MS
        yield Block(day, inside[0], end_ms, gate_ms)
