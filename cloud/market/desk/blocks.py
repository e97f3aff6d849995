"""For which time the next bids are due: whole days, or a few intervals where each has its gate."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from cloud.market.exchanges import DayGate, Product

_MS_PER_MINUTE: Final = 60_000


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


def open_blocks(
    product: Product, now_ms: int, *, intervals: int, lead_ms: int, ahead_ms: int
) -> tuple[Block, ...]:
    """Return the blocks whose gate closes after `now + lead` and not after `now + ahead`.

    Args:
        product: with its gates.
        now_ms: the present.
        intervals: of a block, where each has a gate of its own.
        lead_ms: a bid that cannot be looked at in time is not drafted.
        ahead_ms: nor one for which too little is known yet.
    """
    zone = ZoneInfo(product.calendar.zone)
    today = dt.datetime.fromtimestamp(now_ms / 1e3, zone).date()
    days = (today + dt.timedelta(days=number) for number in range(-1, ahead_ms // 86_400_000 + 9))
    found = (block for day in days for block in _blocks(product, day, intervals))
    return tuple(block for block in found if now_ms + lead_ms < block.gate_ms <= now_ms + ahead_ms)


def _blocks(product: Product, day: dt.date, intervals: int) -> Iterator[Block]:
    starts = product.intervals_ms(day)
    size = len(starts) if isinstance(product.gate, DayGate) else intervals
    for first in range(0, len(starts), size):
        part = starts[first : first + size]
        end_ms = part[-1] + product.interval_min * _MS_PER_MINUTE
        yield Block(day, part[0], end_ms, product.gate_closure_ms(part[0]))
