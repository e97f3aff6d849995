"""Which gates of a station close next, and what stands there for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cloud.config_desk import DeskSection, ProductSection
from cloud.market.bids import Listed, Look
from cloud.market.desk.blocks import open_blocks
from cloud.market.exchanges import DayGate, Market, Product, load_market
from cloud.market.units import MINUTE_MS


@dataclass(frozen=True, slots=True)
class GateSeen:
    """One gate; times are UTC epoch ms.

    Attributes:
        desk: whose limits count.
        market: its rules.
        product: what is bid.
        begin_ms: of the first interval.
        end_ms: of the last one.
        gate_ms: when bids are due.
        bid: ours; None: there is none yet.
        look: what has become of its drafting, where that has made none.
    """

    desk: str
    market: Market
    product: Product
    begin_ms: int
    end_ms: int
    gate_ms: int
    bid: Listed | None
    look: Look | None = None


def gates(
    sections: Sequence[DeskSection],
    listed: Sequence[Listed],
    now_ms: int,
    *,
    ahead_ms: int,
    back_ms: int,
    looks: Sequence[Look] = (),
) -> tuple[GateSeen, ...]:
    """Return the gates of a stretch of time in their order: of all bids, and of what is to be bid.

    Args:
        sections: desks that bid for the station.
        listed: its bids of the days around.
        now_ms: the present.
        ahead_ms: gates that close later are left out.
        back_ms: and those that closed earlier.
        looks: of the drafting at its gates that has made no bid.
    """
    empty = {(one.market, one.product, one.begin_ms): one for one in looks}
    found = [_of_bid(one) for one in listed if now_ms - back_ms <= one.gate_ms <= now_ms + ahead_ms]
    taken = [(one.market.id, one.product.id, one.begin_ms, one.end_ms) for one in found]
    for section in sections:
        market = load_market(section.market)
        for product in section.products:
            found += [
                replace(gate, look=empty.get((gate.market.id, gate.product.id, gate.begin_ms)))
                for gate in _awaited(section, product, market, now_ms, ahead_ms)
                if not any(
                    tuple(place) == (gate.market.id, gate.product.id)
                    and begin < gate.end_ms
                    and end > gate.begin_ms
                    for *place, begin, end in taken
                )
            ]
    return tuple(sorted(found, key=lambda one: (one.gate_ms, one.begin_ms, one.product.id)))


def _awaited(
    section: DeskSection, product: ProductSection, market: Market, now_ms: int, ahead_ms: int
) -> Iterator[GateSeen]:
    rules = market.product(product.id)
    most_ms = ahead_ms
    if not isinstance(rules.gate, DayGate):
        most_ms = min(ahead_ms, round(product.ahead_min * MINUTE_MS))
    for block in open_blocks(rules, now_ms, lead_ms=0, ahead_ms=most_ms):
        span = block.begin_ms, block.end_ms, block.gate_ms
        yield GateSeen(section.desk, market, rules, *span, None)


def _of_bid(one: Listed) -> GateSeen:
    market = load_market(one.market)
    product = market.product(one.product)
    return GateSeen(one.desk, market, product, one.begin_ms, one.end_ms, one.gate_ms, one)
