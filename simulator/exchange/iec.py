"""Reads ReserveBid_MarketDocument 7.4 and writes its acknowledgement, with the standard library."""

import datetime as dt
import uuid
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree as ET

from simulator.exchange.config import MarketConfig
from simulator.exchange.orders import Order, Orders, Unreadable
from simulator.exchange.timetable import MIN_MS, day_of, shown

BID = "{urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:4}"
ACK = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:8:1"
_OPERATOR = "10X1001A1001A264"
_SIDES = {"A01": "up", "A02": "down"}
_MOST_SERIES = 2000


def read_iec(body: bytes, market: MarketConfig) -> Orders:
    """Read a document.

    Raises:
        Unreadable: it is none, of another process, or a series is not a quarter-hour within it.
    """
    if b"<!" in body.replace(b"<!--", b""):
        raise Unreadable("a document type is declared")
    try:
        root = ET.fromstring(body)  # noqa: S314 - no document type, so no entities
        if root.tag != f"{BID}ReserveBid_MarketDocument" or _text(root, "type") != "A37":
            raise Unreadable(f"{root.tag} is no reserve bid document of type A37")
        process = _text(root, "process.processType")
        product = next((one for one in market.products if one.code == process), None)
        if product is None:
            raise Unreadable(f"process {process} is not traded")
        series = root.findall(f"{BID}Bid_TimeSeries")
        if not 0 < len(series) <= _MOST_SERIES:
            raise Unreadable(f"{len(series)} time series; 1 to {_MOST_SERIES} are needed")
        orders = tuple(_order(one, root, product.id, market) for one in series)
        own_id = str(uuid.UUID(_text(root, "mRID")))
    except (ET.ParseError, KeyError, ValueError, InvalidOperation) as error:
        raise Unreadable(f"no reserve bid document: {error!r}") from error
    return Orders(orders, own_id)


def _order(series: ET.Element, root: ET.Element, product: str, market: MarketConfig) -> Order:
    period = series.find(f"{BID}Period")
    if period is None:
        raise ValueError("a series has no Period")
    start, end = (_ms(_text(period, "timeInterval", name)) for name in ("start", "end"))
    within = [_ms(_text(root, "reserveBid_Period.timeInterval", n)) for n in ("start", "end")]
    if end - start != 15 * MIN_MS or not within[0] <= start < end <= within[1]:
        raise ValueError(f"{shown(start)} is no quarter-hour within the document's time")
    station = _text(series, "registeredResource.mRID") or _text(
        root, "sender_MarketParticipant.mRID"
    )
    return Order(
        station,
        product,
        day_of(market, start),
        start,
        _SIDES[_text(series, "flowDirection.direction")],
        Decimal(_text(period, "Point", "quantity.quantity")),
        Decimal(_text(period, "Point", "energy_Price.amount")),
    )


def _text(element: ET.Element, *names: str) -> str:
    return element.findtext("/".join(BID + name for name in names)) or ""


def _ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * 1000


def acknowledgement(key: str, at_ms: int, faults: list[tuple[str, str]], *, taken: bool) -> bytes:
    """Return the acknowledgement of a document; faults are a series' place and words."""
    ET.register_namespace("", ACK)
    root = ET.Element(f"{{{ACK}}}Acknowledgement_MarketDocument")

    def add(parent: ET.Element, name: str, text: str = "", **more: str) -> ET.Element:
        child = ET.SubElement(parent, f"{{{ACK}}}{name}", more)
        child.text = text or None
        return child

    add(root, "mRID", str(uuid.uuid4()))
    add(root, "createdDateTime", shown(at_ms))
    add(root, "sender_MarketParticipant.mRID", _OPERATOR, codingScheme="A01")
    add(root, "receiver_MarketParticipant.mRID", "-", codingScheme="A01")
    add(root, "received_MarketDocument.mRID", key)
    add(root, "received_MarketDocument.revisionNumber", "1")
    for place, words in faults if not taken else []:
        series = add(root, "Rejected_TimeSeries")
        add(series, "mRID", place or key)
        reason = add(series, "Reason")
        add(reason, "code", "999")
        add(reason, "text", words)
    reason = add(root, "Reason")
    add(reason, "code", "A01" if taken else "A02")
    if not taken:
        add(reason, "text", faults[0][1] if faults else "rejected")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
