"""A bid as another system writes it, and the detached signature beside it.

`NAME.json` is signed as a whole by `NAME.json.sig`: base64 of 64 bytes of Ed25519, or of 32 bytes
of HMAC-SHA256. What is signed is the file's bytes, so nothing has to be written canonically.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from decimal import Decimal
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.errors import MarketError


class BadFile(MarketError):  # noqa: N818 - says what is wrong with a file
    """A file of a bid is not taken; `code` is the reason for programs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfferedSegment(_Part):
    """One step of a curve."""

    direction: Direction
    power_mw: Annotated[Decimal, Field(gt=0)]
    price: Decimal | None = None
    why: Annotated[str, Field(max_length=500)] = ""


class OfferedInterval(_Part):
    """What is offered from `start` on."""

    start: AwareDatetime
    segments: tuple[OfferedSegment, ...] = ()


class OfferedBid(_Part):
    """A bid in a file.

    Attributes:
        sender: as the configuration names it.
        id: the sender's own name for the bid; taken once.
        station, market, product, day, mode: as in the profile of the market.
        interval_min: length of an interval.
        intervals: in order of time.
        why: for the bid's log.
    """

    sender: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    station: Annotated[str, Field(min_length=1, max_length=64)]
    market: Annotated[str, Field(min_length=1, max_length=64)]
    product: Annotated[str, Field(min_length=1, max_length=64)]
    day: dt.date
    mode: OfferMode = OfferMode.QUANTITY_PRICE
    interval_min: Annotated[int, Field(ge=1, le=1_440)]
    intervals: Annotated[tuple[OfferedInterval, ...], Field(min_length=1, max_length=1_500)]
    why: Annotated[str, Field(max_length=1_000)] = ""

    def bid_set(self) -> BidSet:
        """Return the bid in the house's own form."""
        return BidSet(
            *(self.station, self.market, self.product, self.day, self.interval_min, self.mode),
            tuple(
                BidInterval(
                    round(one.start.timestamp() * 1e3),
                    tuple(
                        Segment(part.direction, part.power_mw, part.price, part.why)
                        for part in one.segments
                    ),
                )
                for one in self.intervals
            ),
        )


def read_offer(body: bytes) -> OfferedBid:
    """Read a bid.

    Raises:
        BadFile: the file is none; names the first key that is wrong.
    """
    try:
        return OfferedBid.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadFile("unreadable", f"{where}: {first['msg']}; correct it and send anew") from error


def verify(body: bytes, signed: bytes, kind: Literal["ed25519", "hmac"], key: bytes) -> None:
    """Make sure that a sender has signed a file.

    Args:
        body: the file.
        signed: the file of the signature.
        kind: of the signature.
        key: the public key (PEM), or the secret that both sides know.

    Raises:
        BadFile: the signature is not of this sender and this file.
    """
    try:
        given = base64.b64decode(signed.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadFile("bad_signature", "the signature is no base64; sign the file anew") from error
    if not _matches(body, given, kind, key):
        raise BadFile(
            "bad_signature",
            "the signature does not fit the file and the sender's key; write the .sig last, and "
            "sign the bytes of the file as they are",
        )


def _matches(body: bytes, given: bytes, kind: str, key: bytes) -> bool:
    if kind == "hmac":
        return hmac.compare_digest(given, hmac.new(key.strip(), body, hashlib.sha256).digest())
    public = load_pem_public_key(key)
    if not isinstance(public, Ed25519PublicKey):
        raise BadFile("bad_signature", "the sender's key here is no Ed25519 key; tell the desk")
    try:
        public.verify(given, body)
    except InvalidSignature:
        return False
    return True
