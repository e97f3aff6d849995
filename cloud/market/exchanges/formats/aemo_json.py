"""Bids of a bidirectional unit for the Australian operator: one JSON for energy and FCAS.

A unit offers a LOAD and a GEN side, each with ten price bands that stand for the trading day and
a MW figure per band and period. Periods count from 1, the five minutes after 4:00. Field names
are those of the operator's public submission format (energyBids, fcasBids, periods,
rebidExplanation); it was not checked against the schema that members download.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment, Trapezium
from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats.text import day, decimal, number, utc_text
from cloud.market.exchanges.market import Market, Product
from cloud.market.exchanges.sending import Document, Party, Rebid, Sending
from cloud.market.exchanges.violations import Rule, Violation
from cloud.market.exchanges.words import Kind

BANDS = 10
LOAD, GEN = "LOAD", "GEN"
_ENERGY = "ENERGY"


def check_unit(bid: BidSet, party: Party) -> tuple[Violation, ...]:
    """Return where prices, adjusted by the loss factors, do not rise from LOAD 1 to GEN 10.

    A price at the connection point divided by the marginal loss factor is the price at the
    reference node, where the operator compares (NER 3.8.6).
    """
    load = sorted(_prices(bid, Direction.CHARGE))
    gen = sorted(_prices(bid, Direction.DISCHARGE))
    if not load or not gen:
        return ()
    highest, lowest = load[-1] / party.mlf_load, gen[0] / party.mlf_generation
    if highest < lowest:
        return ()
    facts = {"charge": f"{highest:.2f} (node)", "discharge": f"{lowest:.2f} (node)"}
    return (Violation(Rule.CROSSING, facts=facts),)


def write(bids: Sequence[BidSet], market: Market, party: Party, sending: Sending) -> Document:
    """Return the submission of all that a unit offers for its trading days.

    Raises:
        BadDocument: prices need more than ten bands, MW are not whole, or a trapezium of
            regulation reaches over both sides.
    """
    energy: list[dict[str, Any]] = []
    fcas: list[dict[str, Any]] = []
    for bid in bids:
        product = market.product(bid.product)
        for side in _sides(bid, product):
            block = _block(bid, product, side, party, sending)
            (energy if product.kind is Kind.ENERGY else fcas).append(block)
    whole = {
        "submissionTimeStamp": utc_text(sending.created_ms),
        "referenceId": sending.key,
        "authorisedBy": party.participant,
        "energyBids": energy,
        "fcasBids": fcas,
    }
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    return Document(f"{sending.key}.json", "application/json", text.encode())


@dataclass(frozen=True, slots=True)
class _Side:
    """One block of ten bands: which intervals offer what in it."""

    name: str
    direction: Direction
    intervals: Mapping[int, BidInterval]


def _sides(bid: BidSet, product: Product) -> list[_Side]:
    if product.kind is Kind.ENERGY:
        whole = {one.start_ms: one for one in bid.intervals}
        ways = ((LOAD, Direction.CHARGE), (GEN, Direction.DISCHARGE))
        return [_Side(name, way, whole) for name, way in ways]
    way = product.directions[0]
    if product.kind is not Kind.REGULATION:
        return [_Side("", way, {one.start_ms: one for one in bid.intervals})]
    parts: dict[str, dict[int, BidInterval]] = {}
    for one in bid.intervals:
        parts.setdefault(_side_of(one), {})[one.start_ms] = one
    return [_Side(name, way, found) for name, found in sorted(parts.items())]


def _side_of(one: BidInterval) -> str:
    shape = one.trapezium
    if shape is None or shape.enablement_min >= 0:
        return GEN
    if shape.enablement_max <= 0:
        return LOAD
    raise BadDocument(
        f"{utc_text(one.start_ms)}: a trapezium of regulation from {shape.enablement_min} to "
        f"{shape.enablement_max} MW reaches over both sides of the unit: offer it on one"
    )


def _block(
    bid: BidSet, product: Product, side: _Side, party: Party, sending: Sending
) -> dict[str, Any]:
    ladder = _ladder(_prices(bid, side.direction), product, side.name)
    starts = product.intervals_ms(bid.day)
    periods = [
        _period(number_of, side.intervals.get(start), side, ladder, product, party)
        for number_of, start in enumerate(starts, 1)
    ]
    block: dict[str, Any] = {"tradingDate": bid.day.isoformat(), "duid": party.unit}
    if product.kind is not Kind.ENERGY:
        block["service"] = product.code
    if side.name:
        block["direction"] = side.name
    block["prices"] = [_plain(price) for price in ladder]
    if sending.rebid is not None:
        block["rebidExplanation"] = _explanation(sending.rebid, product)
    block["energyPeriods" if product.kind is Kind.ENERGY else "fcasPeriods"] = periods
    return block


def _prices(bid: BidSet, direction: Direction) -> set[Decimal]:
    return {
        segment.price
        for one in bid.intervals
        for segment in one.segments
        if segment.direction is direction and segment.price is not None
    }


def _ladder(prices: Iterable[Decimal], product: Product, side: str) -> list[Decimal]:
    """Return ten rising prices; bands that nobody uses lie at the far end of the ladder."""
    ladder = sorted(prices)
    missing = BANDS - len(ladder)
    if missing < 0:
        raise BadDocument(
            f"{product.id}: {len(ladder)} prices for the day, {BANDS} bands: merge some"
        )
    if side == LOAD and product.kind is Kind.ENERGY:
        return [product.price_floor] * missing + ladder
    return ladder + [product.price_cap] * missing


def _period(  # noqa: PLR0917 - one period of a block
    number_of: int,
    one: BidInterval | None,
    side: _Side,
    ladder: Sequence[Decimal],
    product: Product,
    party: Party,
) -> dict[str, Any]:
    bands = [0] * BANDS
    segments = [s for s in one.segments if s.direction is side.direction] if one else []
    for segment in segments:
        if segment.price is None or segment.power_mw % 1:
            raise BadDocument(f"{product.id}: a band takes whole MW at a price, not {segment}")
        bands[_band(segment.price, ladder, side.name)] += int(segment.power_mw)
    period: dict[str, Any] = {"periodId": number_of, "bandAvail": bands, "maxAvail": sum(bands)}
    if product.kind is Kind.ENERGY:
        ramp = party.ramp_mw_per_min
        return period | {"pasaAvail": sum(bands), "rampUpRate": ramp, "rampDownRate": ramp}
    shape = one.trapezium if one else None
    return period | _corners(shape, side.name)


def _band(price: Decimal, ladder: Sequence[Decimal], side: str) -> int:
    """Return the index of a price, of its own band and not of one that fills the ladder."""
    if side == LOAD:
        return len(ladder) - 1 - list(reversed(ladder)).index(price)
    return ladder.index(price)


def _corners(shape: Trapezium | None, side: str) -> dict[str, Any]:
    names = ("enablementMin", "lowBreakPoint", "highBreakPoint", "enablementMax")
    if shape is None:
        return dict.fromkeys(names, 0)
    corners = [
        shape.enablement_min,
        shape.low_breakpoint,
        shape.high_breakpoint,
        shape.enablement_max,
    ]
    if side == LOAD:  # counted as consumption there
        corners = [-corner for corner in reversed(corners)]
    return {name: _plain(corner) for name, corner in zip(names, corners, strict=True)} | {
        "maxAvail": _plain(shape.max_mw)
    }


def _explanation(rebid: Rebid, product: Product) -> dict[str, str]:
    def clock(moment_ms: int) -> str:
        return product.calendar.local(moment_ms).strftime("%H:%M:%S")

    return {
        "reason": rebid.reason,
        "eventTime": clock(rebid.event_ms),
        "awareTime": clock(rebid.aware_ms),
        "decisionTime": clock(rebid.decided_ms),
        "category": rebid.category,
    }


def _plain(value: Decimal) -> int | float:
    """Return a number as JSON has it; the digits of a price or of MW survive the trip."""
    return int(value) if value == value.to_integral_value() else float(number(value))


def read(body: bytes, market: Market, station: str) -> tuple[BidSet, ...]:
    """Read a submission back into bids; energy first, then services as they come.

    Raises:
        BadDocument: names the block and what is wrong.
    """
    try:
        whole = json.loads(body.decode(), parse_float=Decimal, parse_int=Decimal)
        blocks = [(_ENERGY, one) for one in whole["energyBids"]]
        blocks += [(str(one["service"]), one) for one in whole["fcasBids"]]
        found: dict[tuple[str, str], dict[int, BidInterval]] = {}
        for code, block in blocks:
            product = _by_code(market, code)
            into = found.setdefault((product.id, str(block["tradingDate"])), {})
            _merge(into, block, product)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadDocument(f"a field is missing or of the wrong kind: {error!r}") from error
    except ValueError as error:
        raise BadDocument(f"no JSON: {error}") from error
    return tuple(
        BidSet(
            station=station,
            market=market.id,
            product=name,
            day=day(date, "tradingDate"),
            interval_min=market.product(name).interval_min,
            mode=OfferMode.QUANTITY_PRICE,
            intervals=tuple(one for _, one in sorted(intervals.items())),
        )
        for (name, date), intervals in found.items()
    )


def _by_code(market: Market, code: str) -> Product:
    for one in market.products:
        if one.code == code:
            return one
    raise BadDocument(f"service {code!r} is not traded in {market.id}")


def _merge(into: dict[int, BidInterval], block: Mapping[str, Any], product: Product) -> None:
    starts = product.intervals_ms(day(str(block["tradingDate"]), "tradingDate"))
    side = str(block.get("direction", ""))
    energy = product.kind is Kind.ENERGY
    way = product.directions[0]
    if energy:
        way = Direction.CHARGE if side == LOAD else Direction.DISCHARGE
    prices = [decimal(str(price), "prices") for price in block["prices"]]
    for period in block["energyPeriods" if energy else "fcasPeriods"]:
        index = int(period["periodId"])
        if not 1 <= index <= len(starts):
            raise BadDocument(f"periodId {index} lies outside 1..{len(starts)}")
        segments = tuple(
            Segment(way, Decimal(mw), price)
            for mw, price in zip(period["bandAvail"], prices, strict=True)
            if mw
        )
        if not segments:
            continue
        if way is Direction.CHARGE:  # the most that is paid comes first
            segments = segments[::-1]
        start = starts[index - 1]
        before = into[start].segments if start in into else ()
        shape = None if energy else _shape(period, side)
        into[start] = BidInterval(start, before + segments, shape)


def _shape(period: Mapping[str, Any], side: str) -> Trapezium:
    names = ("enablementMin", "lowBreakPoint", "highBreakPoint", "enablementMax")
    corners = [Decimal(period[name]) for name in names]
    if side == LOAD:
        corners = [-corner for corner in reversed(corners)]
    lowest, low, high, highest = corners
    return Trapezium(lowest, low, high, highest, Decimal(period["maxAvail"]))
