"""One step of a bid as a signed message.

Signed as the specification "Standard Webhooks" (standardwebhooks.com) asks: HMAC-SHA256 over id,
time and body, so that a receiver can tell that it is ours, is whole, and is no old one sent again.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json

from cloud.market.bids import Bid, Step


def message_id(bid: str, number: int) -> str:
    """Return the id under which a receiver knows a step that it gets a second time."""
    return f"{bid}-{number}"


def body_of(bid: Bid, number: int, step: Step) -> bytes:
    """Return a step as JSON."""
    told = {
        "id": message_id(bid.id, number),
        "at": _utc(step.at_ms),
        "bid": bid.id,
        "number": number,
        "version": step.version,
        "before": None if step.before is None else step.before.value,
        "after": step.after.value,
        "who": step.who,
        "why": step.why,
        "station": bid.station,
        "desk": bid.desk,
        "market": bid.market,
        "product": bid.product,
        "day": bid.day.isoformat(),
        "begin": _utc(bid.begin_ms),
        "end": _utc(bid.end_ms),
    }
    return json.dumps(told, ensure_ascii=False).encode()


def signature(secret: str, name: str, at_s: int, body: bytes) -> str:
    """Return the value of the header Webhook-Signature."""
    signed = f"{name}.{at_s}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers_of(secret: str, name: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message.

    Args:
        secret: known to the receiver.
        name: id of the message.
        at_s: when it is sent, UTC epoch seconds.
        body: what is sent.
    """
    return {
        "Content-Type": "application/json",
        "Webhook-Id": name,
        "Webhook-Timestamp": str(at_s),
        "Webhook-Signature": signature(secret, name, at_s, body),
    }


def _utc(at_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(at_ms / 1e3, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
