"""Whether a bid keeps a market's rules; every breach is named, none is mended silently."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.exchanges.gates import Gate
from cloud.market.exchanges.market import Market, Product
from cloud.market.exchanges.trapezium import trapezium_problems
from cloud.market.exchanges.violations import Rule, Violation
from cloud.market.exchanges.words import Role

_PRICED = OfferMode.QUANTITY_PRICE


def check(
    bid_set: BidSet,
    product: Product,
    battery: Battery,
    *,
    role: Role = Role.INDEPENDENT,
    now_ms: int | None = None,
    amending: bool = False,
) -> tuple[Violation, ...]:
    """Return every rule of a product that a bid breaks.

    Args:
        bid_set: the bid.
        product: what it is offered as.
        battery: what the station can do.
        role: as what the station stands in the market.
        now_ms: UTC epoch; None leaves gate closures unchecked.
        amending: whether it changes a bid that the exchange holds; where prices are due before
            the MW, only a first bid has to keep the earlier gate.
    """
    gates = [product.gate]
    if product.price_gate is not None and not amending:
        gates.append(product.price_gate)
    return (
        *_check(bid_set, product, battery, role),
        *(() if now_ms is None else _late(bid_set, product, gates, now_ms)),
    )


def check_eligibility(
    market: Market, product: Product, battery: Battery, role: Role, mode: OfferMode
) -> tuple[Violation, ...]:
    """Return why a station may not offer a product in its role at all; empty: it may."""
    asked = market.eligibility(role)
    if asked is None or product.id not in asked.products:
        return (Violation(Rule.ROLE, facts={"given": role.value, "product": product.id}),)
    found = []
    if mode not in asked.modes:
        wanted = ", ".join(asked.modes)
        found.append(Violation(Rule.MODE, facts={"given": mode.value, "wanted": wanted}))
    mw = Decimal(str(min(battery.charge_mw, battery.discharge_mw)))
    hours = Decimal(str(round(battery.energy_mwh / battery.discharge_mw, 3)))
    if mw < asked.min_power_mw or hours < asked.min_hours:
        facts = {"mw": str(mw), "hours": str(hours)}
        facts |= {"min_mw": str(asked.min_power_mw), "min_hours": str(asked.min_hours)}
        origin = market.origins[f"roles.{role.value}.min_power_mw"]
        found.append(
            Violation(Rule.STATION_TOO_SMALL, facts=facts, origin=origin.source or origin.assumed)
        )
    return tuple(found)


def _check(bid: BidSet, product: Product, battery: Battery, role: Role) -> Iterator[Violation]:
    given = (bid.market, bid.product, bid.interval_min)
    if given != (product.market, product.id, product.interval_min):
        yield Violation(
            Rule.MARKET,
            facts={
                "given": f"{bid.market} {bid.product} ({bid.interval_min} min)",
                "wanted": f"{product.market} {product.id} ({product.interval_min} min)",
            },
        )
        return
    if bid.mode not in product.modes:
        facts = {"given": bid.mode.value, "wanted": ", ".join(product.modes)}
        yield _of(product, "modes", Rule.MODE, facts)
    if role not in product.roles:
        facts = {"given": role.value, "product": product.id}
        yield _of(product, "roles", Rule.ROLE, facts)
    yield from _times(bid, product)
    for one in bid.intervals:
        yield from _interval(one, bid.mode, product, battery)
    if product.prices_fixed_for_day:
        yield from _ladder(bid, product)


def _times(bid: BidSet, product: Product) -> Iterator[Violation]:
    starts = set(product.intervals_ms(bid.day))
    last = -1
    for one in bid.intervals:
        local = product.calendar.local(one.start_ms).isoformat(timespec="minutes")
        if one.start_ms not in starts or one.start_ms <= last:
            facts = {"given": local, "minutes": str(product.interval_min), "day": str(bid.day)}
            yield Violation(Rule.INTERVAL, one.start_ms, facts=facts)
        last = max(last, one.start_ms)


def _late(bid: BidSet, product: Product, gates: Sequence[Gate], now_ms: int) -> Iterator[Violation]:
    for one in bid.intervals:
        due = min(product.calendar.closure_ms(gate, one.start_ms) for gate in gates)
        if now_ms >= due:
            facts = {
                "due": product.calendar.local(due).isoformat(timespec="seconds"),
                "now": product.calendar.local(now_ms).isoformat(timespec="seconds"),
            }
            yield _of(product, "gate", Rule.GATE, facts, one.start_ms)


def _interval(
    one: BidInterval, mode: OfferMode, product: Product, battery: Battery
) -> Iterator[Violation]:
    for number, segment in enumerate(one.segments):
        yield from _segment(one.start_ms, number, segment, mode, product)
    for direction in dict.fromkeys(segment.direction for segment in one.segments):
        yield from _direction(one, direction, product, battery)
    yield from _crossing(one, product)
    problems = trapezium_problems(one, battery) if product.trapezium_needed else ()
    for problem in problems:
        yield _of(product, "trapezium_needed", Rule.TRAPEZIUM, problem.facts(), one.start_ms)


def _segment(
    start_ms: int, number: int, segment: Segment, mode: OfferMode, product: Product
) -> Iterator[Violation]:
    def broken(rule: Rule, field: str, **facts: str) -> Violation:
        return _of(product, field, rule, facts, start_ms, number)

    if segment.direction not in product.directions:
        wanted = ", ".join(product.directions)
        yield broken(Rule.DIRECTION, "directions", given=segment.direction.value, wanted=wanted)
    power = segment.power_mw
    if not power.is_finite() or power <= 0:
        yield broken(Rule.POWER, "power_step_mw", given=str(power))
    elif power % product.power_step_mw:
        limit = str(product.power_step_mw)
        yield broken(Rule.POWER_STEP, "power_step_mw", given=str(power), limit=limit)
    yield from _price(segment.price, mode, product, broken)


def _price(
    price: Decimal | None, mode: OfferMode, product: Product, broken: Callable[..., Violation]
) -> Iterator[Violation]:
    if mode is not _PRICED:
        if price is not None:
            yield broken(Rule.PRICE_GIVEN, "modes", given=str(price), mode=mode.value)
        return
    if price is None or not price.is_finite():
        yield broken(Rule.PRICE_MISSING, "modes", mode=mode.value)
        return
    facts = {"given": str(price), "unit": product.price_unit}
    if price < product.price_floor:
        yield broken(Rule.PRICE_FLOOR, "price_floor", limit=str(product.price_floor), **facts)
    if price > product.price_cap:
        yield broken(Rule.PRICE_CAP, "price_cap", limit=str(product.price_cap), **facts)
    if price % product.price_step:
        yield broken(Rule.PRICE_STEP, "price_step", limit=str(product.price_step), **facts)


def rated_mw(battery: Battery, direction: Direction) -> Decimal:
    """Return the most that a station can offer in a direction, MW.

    A reserve may turn full charging into full discharging, so it reaches over both.
    """
    charge, discharge = Decimal(str(battery.charge_mw)), Decimal(str(battery.discharge_mw))
    match direction:
        case Direction.CHARGE:
            return charge
        case Direction.DISCHARGE:
            return discharge
        case Direction.BOTH:
            return min(charge, discharge)
        case Direction.UP | Direction.DOWN:
            return charge + discharge


def _direction(
    one: BidInterval, direction: Direction, product: Product, battery: Battery
) -> Iterator[Violation]:
    segments = [s for s in one.segments if s.direction is direction]
    if any(not s.power_mw.is_finite() for s in segments):
        return
    facts = {"direction": direction.value}
    if len(segments) > product.max_segments and not product.prices_fixed_for_day:
        more = facts | {"given": str(len(segments)), "limit": str(product.max_segments)}
        yield _of(product, "max_segments", Rule.SEGMENTS, more, one.start_ms)
    total = one.power_mw(direction)
    if total < product.min_power_mw:
        more = facts | {"given": str(total), "limit": str(product.min_power_mw)}
        yield _of(product, "min_power_mw", Rule.MIN_POWER, more, one.start_ms)
    rated = rated_mw(battery, direction)
    if total > rated:
        more = facts | {"given": str(total), "limit": str(rated)}
        yield Violation(Rule.RATED_POWER, one.start_ms, facts=more)
    yield from _band(one, direction, product, battery)
    falling = direction is Direction.CHARGE
    prices = [s.price for s in segments if s.price is not None and s.price.is_finite()]
    for before, after in pairwise(prices):
        if (after > before) if falling else (after < before):
            more = facts | {"given": str(after), "before": str(before)}
            more["fault"] = "rise" if falling else "fall"
            yield Violation(Rule.MONOTONE, one.start_ms, facts=more)


def _band(
    one: BidInterval, direction: Direction, product: Product, battery: Battery
) -> Iterator[Violation]:
    """Check that the store can hold what a call of `soc_band_h` hours takes out or puts in."""
    mwh = one.power_mw(direction) * product.soc_band_h
    out = mwh / Decimal(str(battery.discharge_efficiency))
    into = mwh * Decimal(str(battery.charge_efficiency))
    match direction:
        case Direction.UP:
            need = out
        case Direction.DOWN:
            need = into
        case Direction.BOTH:
            need = out + into
        case _:
            return
    usable = Decimal(str(battery.usable_mwh))
    if need > usable:
        facts = {
            "direction": direction.value,
            "given": str(one.power_mw(direction)),
            "hours": str(product.soc_band_h),
            "need": f"{need:.3f}",
            "limit": f"{usable:.3f}",
        }
        yield _of(product, "soc_band_h", Rule.SOC_BAND, facts, one.start_ms)


def _crossing(one: BidInterval, product: Product) -> Iterator[Violation]:
    def prices(direction: Direction) -> list[Decimal]:
        return [
            s.price
            for s in one.segments
            if s.direction is direction and s.price is not None and s.price.is_finite()
        ]

    charge, discharge = prices(Direction.CHARGE), prices(Direction.DISCHARGE)
    if charge and discharge and max(charge) >= min(discharge):
        facts = {"charge": str(max(charge)), "discharge": str(min(discharge))}
        yield _of(product, "price_cap", Rule.CROSSING, facts, one.start_ms)


def _ladder(bid: BidSet, product: Product) -> Iterator[Violation]:
    for direction in product.directions:
        prices = {
            s.price for one in bid.intervals for s in one.segments if s.direction is direction
        }
        if len(prices) > product.max_segments:
            facts = {"direction": direction.value, "given": str(len(prices))}
            facts["limit"] = str(product.max_segments)
            yield _of(product, "max_segments", Rule.LADDER, facts)


def _of(  # noqa: PLR0917 - a violation has so many facts
    product: Product,
    field: str,
    rule: Rule,
    facts: dict[str, str],
    start_ms: int | None = None,
    segment: int | None = None,
) -> Violation:
    origin = product.origins.get(field)
    said = "" if origin is None else origin.source or origin.assumed
    return Violation(rule, start_ms, segment, facts, said)
