"""Bids as documents and back: one module a format, chosen by the product's rules."""

from collections.abc import Sequence

from cloud.market.bid import BidSet
from cloud.market.errors import BadDocument
from cloud.market.exchanges.formats import aemo_json, china_96, curve_csv, iec_62325
from cloud.market.exchanges.market import Market
from cloud.market.exchanges.sending import Document, Party, Sending
from cloud.market.exchanges.words import Format


def write(bids: Sequence[BidSet], market: Market, party: Party, sending: Sending) -> Document:
    """Return bids as the document that their exchange takes.

    Raises:
        BadDocument: there is none, they need different formats, or they cannot be written.
    """
    formats = {market.product(bid.product).format for bid in bids}
    if len(formats) != 1:
        raise BadDocument(
            f"{len(bids)} bids need {len(formats)} formats: send each format by itself"
        )
    match formats.pop():
        case Format.CURVE_CSV:
            return curve_csv.write(bids, sending)
        case Format.CHINA_96:
            return china_96.write(bids, market, party, sending)
        case Format.AEMO_JSON:
            return aemo_json.write(bids, market, party, sending)
        case Format.IEC_62325:
            if len(bids) != 1:
                raise BadDocument(f"{len(bids)} bids: a reserve document takes one product")
            return iec_62325.write(bids[0], market, party, sending)


def read(body: bytes, written: Format, market: Market, station: str) -> tuple[BidSet, ...]:
    """Read a document of bids, as one that a trader drops into a folder.

    `station` names whose they are where the format does not.

    Raises:
        BadDocument: names the place and what is wrong.
        BadProfile: it names a product that the market does not trade.
    """
    match written:
        case Format.CURVE_CSV:
            return curve_csv.read(body)
        case Format.CHINA_96:
            return china_96.read(body, market)
        case Format.AEMO_JSON:
            return aemo_json.read(body, market, station)
        case Format.IEC_62325:
            return (iec_62325.read(body, market, station),)
