"""Balancing energy bids as IEC 62325 ReserveBid_MarketDocument 7.4.

Type A37, process A47 (mFRR) or A51 (aFRR), one Bid_TimeSeries a segment and quarter-hour, times
in UTC. A series keeps its id when the bid is amended, so that the operator replaces it. What is
written is validated by the schema in `schemas/` before it leaves, what is read before it is
looked at.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats import xml
from cloud.market.exchanges.formats.text import decimal, number, utc_ms, utc_text
from cloud.market.exchanges.market import Market, Product
from cloud.market.exchanges.sending import Document, Party, Sending, series_id

MFRR, AFRR = "A47", "A51"
_BSP = "A46"
_RECEIVER = {MFRR: "A34", AFRR: "A04"}
_PRODUCT_TYPE = {MFRR: "A05", AFRR: "A01"}
_AUCTION = "MFRR_ENERGY_ACTIVATION_MARKET"
_EIC = "A01"
_DIVISIBLE = {True: "A01", False: "A02"}
_WAYS = {Direction.UP: "A01", Direction.DOWN: "A02"}
_SECONDS = len(":00Z")


def write(bid: BidSet, market: Market, party: Party, sending: Sending) -> Document:
    """Return a bid as a document that keeps the schema.

    Raises:
        BadDocument: it offers nothing, an unpriced or not a reserve segment, or breaks the schema.
    """
    from lxml import etree  # noqa: PLC0415 - only who sends XML needs it

    product = market.product(bid.product)
    offered = [one for one in bid.intervals if one.segments]
    if not offered:
        raise BadDocument(
            f"{bid.product} of {bid.day}: offers nothing, so there is nothing to send"
        )
    root = etree.Element(
        f"{{{xml.RESERVE_BID}}}ReserveBid_MarketDocument", nsmap={None: xml.RESERVE_BID}
    )
    for name, text, scheme in _head(product, party, sending):
        _add(root, name, text, scheme)
        if name == "createdDateTime":
            end_ms = offered[-1].start_ms + bid.interval_min * 60_000
            _interval(root, "reserveBid_Period.timeInterval", offered[0].start_ms, end_ms)
    for one in offered:
        for index, segment in enumerate(one.segments):
            series = etree.SubElement(root, f"{{{xml.RESERVE_BID}}}Bid_TimeSeries")
            own = series_id(bid.station, market.id, product.id, utc_text(one.start_ms), str(index))
            _series(series, own, one.start_ms, segment, (product, market.currency, party))
    xml.validate(root, xml.RESERVE_BID)
    body = etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)
    return Document(f"{sending.key}.xml", "application/xml", body)


def _head(product: Product, party: Party, sending: Sending) -> Iterator[tuple[str, str, str]]:
    yield "mRID", sending.key, ""
    yield "revisionNumber", "1", ""
    yield "type", "A37", ""
    yield "process.processType", product.code, ""
    yield "sender_MarketParticipant.mRID", party.participant, _EIC
    yield "sender_MarketParticipant.marketRole.type", _BSP, ""
    yield "receiver_MarketParticipant.mRID", party.operator, _EIC
    yield "receiver_MarketParticipant.marketRole.type", _RECEIVER[product.code], ""
    yield "createdDateTime", utc_text(sending.created_ms // 1000 * 1000), ""
    yield "domain.mRID", party.domain, _EIC
    yield "subject_MarketParticipant.mRID", party.participant, _EIC
    yield "subject_MarketParticipant.marketRole.type", _BSP, ""


def _series(
    series: Any, own: str, start_ms: int, segment: Segment, frame: tuple[Product, str, Party]
) -> None:
    product, currency, party = frame
    if segment.price is None or segment.direction not in _WAYS:
        raise BadDocument(f"{utc_text(start_ms)}: a reserve is offered up or down at a price")
    _add(series, "mRID", own)
    if product.code == MFRR:
        _add(series, "auction.mRID", _AUCTION)
    _add(series, "businessType", "B74")
    _add(series, "acquiring_Domain.mRID", party.acquiring_domain, _EIC)
    _add(series, "connecting_Domain.mRID", party.domain, _EIC)
    _add(series, "quantity_Measurement_Unit.name", "MAW")
    _add(series, "currency_Unit.name", currency)
    _add(series, "divisible", _DIVISIBLE[segment.divisible])
    _add(_add(series, "status", ""), "value", "A06")
    if product.code == MFRR:
        _add(series, "registeredResource.mRID", party.unit, "NFI")
    _add(series, "flowDirection.direction", _WAYS[segment.direction])
    _add(series, "energyPrice_Measurement_Unit.name", "MWH")
    _add(series, "standard_MarketProduct.marketProductType", _PRODUCT_TYPE[product.code])
    period = _add(series, "Period", "")
    _interval(period, "timeInterval", start_ms, start_ms + product.interval_min * 60_000)
    _add(period, "resolution", f"PT{product.interval_min}M")
    point = _add(period, "Point", "")
    _add(point, "position", "1")
    _add(point, "quantity.quantity", number(segment.power_mw))
    if product.code == MFRR and segment.divisible:
        _add(point, "minimum_Quantity.quantity", "0")
    _add(point, "energy_Price.amount", number(segment.price))


def _add(parent: Any, name: str, text: str, scheme: str = "") -> Any:
    from lxml import etree  # noqa: PLC0415 - as above

    child = etree.SubElement(parent, f"{{{xml.RESERVE_BID}}}{name}")
    if text:
        child.text = text
    if scheme:
        child.set("codingScheme", scheme)
    return child


def _interval(parent: Any, name: str, start_ms: int, end_ms: int) -> None:
    interval = _add(parent, name, "")
    _add(interval, "start", _minute(start_ms))
    _add(interval, "end", _minute(end_ms))


def _minute(moment_ms: int) -> str:
    return f"{utc_text(moment_ms)[:-_SECONDS]}Z"


def read(body: bytes, market: Market, station: str) -> BidSet:
    """Read a document back into a bid; segments in the order of the document.

    Raises:
        BadDocument: it breaks the schema, or is of a process that is not traded here.
    """
    root = xml.parse(body, xml.RESERVE_BID)
    process = _text(root, "process.processType")
    product = next((one for one in market.products if one.code == process), None)
    if product is None:
        raise BadDocument(f"process {process} is not traded in {market.id}")
    ways = {code: way for way, code in _WAYS.items()}
    found: dict[int, list[Segment]] = {}
    for series in root.iterfind(f"{{{xml.RESERVE_BID}}}Bid_TimeSeries"):
        start_ms = utc_ms(_text(series, "Period", "timeInterval", "start"), "start")
        found.setdefault(start_ms, []).append(
            Segment(
                ways[_text(series, "flowDirection.direction")],
                _number(series, "quantity.quantity"),
                _number(series, "energy_Price.amount"),
                divisible=_text(series, "divisible") == _DIVISIBLE[True],
            )
        )
    return BidSet(
        station=station,
        market=market.id,
        product=product.id,
        day=product.calendar.day_of(min(found)),
        interval_min=product.interval_min,
        mode=OfferMode.QUANTITY_PRICE,
        intervals=tuple(
            BidInterval(start, tuple(segments)) for start, segments in sorted(found.items())
        ),
    )


def _text(element: Any, *names: str) -> str:
    path = "/".join(f"{{{xml.RESERVE_BID}}}{name}" for name in names)
    return str(element.findtext(path) or "")


def _number(series: Any, name: str) -> Decimal:
    return decimal(_text(series, "Period", "Point", name), name)
