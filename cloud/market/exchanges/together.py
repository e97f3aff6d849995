"""What one station may not promise at the same time, in several bids."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction
from cloud.market.exchanges.check import rated_mw
from cloud.market.exchanges.market import Product
from cloud.market.exchanges.violations import Rule, Violation


def check_together(
    bid_sets: Sequence[tuple[BidSet, Product]], battery: Battery
) -> tuple[Violation, ...]:
    """Return where bids of one station for one day cannot stand beside one another.

    Products that a market keeps apart are not offered for the same day; and in no moment is more
    power promised, by the bids together, than the station has. Energy promised twice, at two
    stages of one market, is one promise: the larger counts.
    """
    return (*_exclusive(bid_sets), *_over(bid_sets, battery))


def _exclusive(bid_sets: Sequence[tuple[BidSet, Product]]) -> Iterator[Violation]:
    for number, (bid, product) in enumerate(bid_sets):
        for other, other_product in bid_sets[number + 1 :]:
            apart = other.product in product.exclusive_with or (
                bid.product in other_product.exclusive_with
            )
            if apart and (bid.market, bid.day) == (other.market, other.day):
                pair = {"product": product, "other": other_product}
                facts = {key: _named(one, "en") for key, one in pair.items()}
                facts |= {f"{key}_zh": _named(one, "zh") for key, one in pair.items()}
                origin = product.origins.get("exclusive_with")
                said = "" if origin is None else origin.source or origin.assumed
                yield Violation(Rule.EXCLUSIVE, facts=facts, origin=said)


def _over(bid_sets: Sequence[tuple[BidSet, Product]], battery: Battery) -> Iterator[Violation]:
    step = min((product.interval_min for _, product in bid_sets), default=5) * 60_000
    promised: dict[tuple[int, bool], dict[tuple[str, str], tuple[Decimal, Product]]] = {}
    for bid, product in bid_sets:
        # Energy of one market is one promise, whichever stage it is offered at.
        key = (bid.market, "energy" if product.kind.value == "energy" else product.id)
        for one in bid.intervals:
            for upward in (True, False):
                mw = _sum(one, upward=upward)
                for at in range(one.start_ms, one.start_ms + product.interval_min * 60_000, step):
                    here = promised.setdefault((at, upward), {})
                    if key not in here or mw > here[key][0]:
                        here[key] = mw, product
    for (at, upward), parts in sorted(promised.items()):
        limit = rated_mw(battery, Direction.DISCHARGE if upward else Direction.CHARGE)
        total = sum((mw for mw, _ in parts.values()), Decimal(0))
        offered = [product for _, (mw, product) in sorted(parts.items(), key=_place) if mw]
        if total > limit and len(offered) > 1:
            yield Violation(
                Rule.TOGETHER,
                at,
                facts={
                    "other": ", ".join(_named(one, "en") for one in offered),
                    "other_zh": ", ".join(_named(one, "zh") for one in offered),
                    "direction": "discharge" if upward else "charge",
                    "given": str(total),
                    "limit": str(limit),
                },
            )


def _place(part: tuple[tuple[str, str], object]) -> tuple[str, str]:
    return part[0]


def _named(product: Product, language: str) -> str:
    return product.name.get(language, product.id)


def _sum(one: BidInterval, *, upward: bool) -> Decimal:
    ways = (Direction.DISCHARGE, Direction.UP) if upward else (Direction.CHARGE, Direction.DOWN)
    return sum((one.power_mw(way) for way in (*ways, Direction.BOTH)), Decimal(0))
