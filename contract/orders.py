"""Signed orders from people to a station, and the station's signed receipts.

Nothing changes at a station without an order that it has verified by itself: signed by a key
it knows (Ed25519 over the canonical encoding), for this station, inside its time, with a
counter larger than that of every order before. The receipt names the order by its hash, so
neither side can later say that another order was meant.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contract import signing
from contract.canonical import MAX_INTEGER, canonical_json, plain_json
from contract.errors import (
    OrderBadSignature,
    OrderExpired,
    OrderMalformed,
    OrderNotYetValid,
    OrderRefused,
    OrderRepeated,
    OrderWrongStation,
)
from contract.signing import key_id
from contract.words import Words

__all__ = [
    "REASONS",
    "BadSignature",
    "Expired",
    "Malformed",
    "NotYetValid",
    "Order",
    "OrderKind",
    "OrderRefused",
    "Outcome",
    "Receipt",
    "Repeated",
    "WrongStation",
    "key_id",
    "peek_order",
    "sign",
    "sign_receipt",
    "verify",
    "verify_receipt",
]

BadSignature = OrderBadSignature
Expired = OrderExpired
Malformed = OrderMalformed
NotYetValid = OrderNotYetValid
Repeated = OrderRepeated
WrongStation = OrderWrongStation

MAX_APPROVALS = 16
MAX_TEXT = 1000
_MAX_NAME = 64
_SHA256_HEX = 64
_E = TypeVar("_E", bound=StrEnum)


class OrderKind(StrEnum):
    """What an order asks for."""

    SCHEDULE = "schedule"
    SETPOINT = "setpoint"
    RELEASE = "release"
    PARAMETER = "parameter"
    FIRMWARE = "firmware"
    MODEL = "model"
    RESET = "reset"
    SELF_TEST = "self_test"


class Outcome(StrEnum):
    """What became of an order."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    EXECUTED = "executed"
    FAILED = "failed"


REASONS: Mapping[str, Words] = MappingProxyType(
    {
        "ok": Words("accepted", "已接受"),
        OrderMalformed.reason: Words("the order is malformed", "指令格式错误"),
        OrderBadSignature.reason: Words("the signature is not valid", "签名无效"),
        OrderWrongStation.reason: Words("the order is for another station", "指令不属于本电站"),
        OrderExpired.reason: Words("the order has expired", "指令已过期"),
        OrderNotYetValid.reason: Words("the order is not valid yet", "指令尚未生效"),
        OrderRepeated.reason: Words("the order was received before", "指令重复"),
        OrderRefused.reason: Words("the order was refused", "指令被拒绝"),
        "invalid_payload": Words("the content of the order is not valid", "指令内容无效"),
        "unsupported": Words("this kind of order is not supported here", "不支持该类指令"),
        "over_limit": Words("the order is beyond the station's limits", "指令超出电站限值"),
        "deployment": Words(
            "this station takes no control from the Internet", "本电站不接受来自互联网的控制"
        ),
        "local_control": Words("the station is in local control", "电站处于就地控制"),
        "emergency_stop": Words(
            "the emergency stop holds; reset it on site first", "急停闭锁中，请先在现场复归"
        ),
        "outranked": Words(
            "a source of higher priority decides the power", "功率由更高优先级的来源决定"
        ),
        "cause_stands": Words("the cause of the trip still stands", "跳闸原因仍未消除"),
        "superseded": Words("a later order took its place", "已被后续指令取代"),
        "device_refused": Words("the device refused the command", "设备拒绝命令"),
        "device_timed_out": Words("the device did not answer", "设备响应超时"),
        "no_estimators": Words("this station runs no estimators", "本电站未运行估计器"),
        "model_busy": Words(
            "another model is on trial; wait or take it back first",
            "另一模型正在试运行，请等待或先将其撤回",
        ),
        "model_in_force": Words("this model is in force already", "该模型已在用"),
        "model_unknown": Words("this model is not on trial here", "该模型不在本站试运行"),
        "model_not_fetched": Words("the model could not be fetched", "模型下载失败"),
        "model_invalid": Words("the model's package is not valid", "模型包无效"),
        "model_no_room": Words(
            "there is no room on the station's disk for the model", "站端磁盘空间不足，无法存放模型"
        ),
        "model_failed": Words("the estimators cannot run the model", "估计器无法运行该模型"),
        "model_worse": Words("the model is worse than the one before", "该模型劣于前一模型"),
        "model_too_slow": Words("the model takes too much computing", "该模型占用计算资源过多"),
        "model_taken_back": Words("the model was taken back by an order", "模型已按指令撤回"),
    }
)
"""Stable reason codes of receipts with their words."""


@dataclass(frozen=True, slots=True)
class Order:
    """One numbered, expiring order to one station. Times are epoch milliseconds."""

    id: str
    station: str
    counter: int
    kind: OrderKind
    issued_ms: int
    not_before_ms: int
    expires_ms: int
    payload: Mapping[str, Any]
    approvals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an order that has no canonical form or no possible time."""
        _check_order(self)

    def canonical_bytes(self) -> bytes:
        """Return the one byte form that is signed and hashed."""
        return canonical_json(_order_fields(self))

    @property
    def sha256(self) -> str:
        """The hash, in hex, by which receipts name this order."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a station did with an order; `reason_code` is one of `REASONS`."""

    order_id: str
    order_sha256: str
    station: str
    counter: int
    outcome: Outcome
    reason_code: str
    reason: str
    at_ms: int

    def __post_init__(self) -> None:
        """Refuse a receipt that no reader could store."""
        _check_receipt(self)

    def canonical_bytes(self) -> bytes:
        """Return the one byte form that is signed."""
        return canonical_json(asdict(self))


def sign(order: Order, key: Ed25519PrivateKey) -> bytes:
    """Return the signed order as canonical JSON {"key_id", "order", "signature"}."""
    return signing.sign("order", _order_fields(order), key)


def verify(
    blob: bytes | str,
    keys: Mapping[str, Ed25519PublicKey],
    station: str,
    last_counter: int,
    now_ms: int,
) -> Order:
    """Return the order if this station must obey it now; OrderRefused with a reason else.

    Args:
        blob: what `sign` returned; the order of keys and white space do not matter.
        keys: the keys that may give orders, by `key_id`.
        station: this station's id.
        last_counter: the largest counter of any order verified before (-1 for none).
        now_ms: the station's time.
    """
    found, name, signature = signing.split(blob, "order")
    if name not in keys:
        msg = f"no key {name!r:.40} may give orders to this station"
        raise OrderBadSignature(msg)
    order = _read_order(found)
    signing.verify("order", _order_fields(order), signature, keys[name])
    if order.station != station:
        msg = f"order {order.id} is for station {order.station!r}, this is {station!r}"
        raise OrderWrongStation(msg)
    if order.counter <= last_counter:
        msg = f"order {order.id} has counter {order.counter}; {last_counter} was seen already"
        raise OrderRepeated(msg)
    if now_ms < order.not_before_ms:
        msg = f"order {order.id} is not valid before {order.not_before_ms}, now is {now_ms}"
        raise OrderNotYetValid(msg)
    if now_ms >= order.expires_ms:
        msg = f"order {order.id} expired at {order.expires_ms}, now is {now_ms}"
        raise OrderExpired(msg)
    return order


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> bytes:
    """Return the signed receipt as canonical JSON {"key_id", "receipt", "signature"}."""
    return signing.sign("receipt", asdict(receipt), key)


def verify_receipt(blob: bytes | str, station_key: Ed25519PublicKey, station: str) -> Receipt:
    """Return the receipt if this station signed it; OrderRefused with a reason else."""
    found, _, signature = signing.split(blob, "receipt")
    receipt = _read_receipt(found)
    signing.verify("receipt", asdict(receipt), signature, station_key)
    if receipt.station != station:
        msg = f"receipt of station {receipt.station!r} came from {station!r}"
        raise OrderWrongStation(msg)
    return receipt


def peek_order(blob: bytes | str) -> Order:
    """Read a signed order WITHOUT checking its signature, for display or for a refusal receipt."""
    found, _, _ = signing.split(blob, "order")
    return _read_order(found)


def _order_fields(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "station": order.station,
        "counter": order.counter,
        "kind": order.kind.value,
        "issued_ms": order.issued_ms,
        "not_before_ms": order.not_before_ms,
        "expires_ms": order.expires_ms,
        "payload": order.payload,
        "approvals": list(order.approvals),
    }


def _read_order(found: Any) -> Order:
    names = set(Order.__dataclass_fields__)
    if not isinstance(found, dict) or set(found) != names:
        msg = f"an order has exactly the fields {sorted(names)}"
        raise OrderMalformed(msg)
    if not isinstance(found["approvals"], list):
        msg = "approvals must be a list"
        raise OrderMalformed(msg)
    return Order(**(found | {"approvals": tuple(found["approvals"])}))


def _read_receipt(found: Any) -> Receipt:
    names = set(Receipt.__dataclass_fields__)
    if not isinstance(found, dict) or set(found) != names:
        msg = f"a receipt has exactly the fields {sorted(names)}"
        raise OrderMalformed(msg)
    return Receipt(**found)


def _member(kind: type[_E], name: str, value: object) -> _E:
    if not isinstance(value, str) or value not in set(kind):
        msg = f"{name} {value!r:.40} must be one of {[m.value for m in kind]}"
        raise OrderMalformed(msg)
    return kind(value)


def _check_order(order: Order) -> None:
    object.__setattr__(order, "kind", _member(OrderKind, "kind", order.kind))
    try:
        is_uuid = isinstance(order.id, str) and str(uuid.UUID(order.id)) == order.id
    except ValueError:
        is_uuid = False
    if not is_uuid:
        msg = f"order id {order.id!r:.60} must be a lower-case UUID"
        raise OrderMalformed(msg)
    _require_text("station", order.station, _MAX_NAME)
    for name in ("counter", "issued_ms", "not_before_ms", "expires_ms"):
        _require_integer(name, getattr(order, name))
    if not order.not_before_ms < order.expires_ms:
        times = f"not_before {order.not_before_ms}, expires {order.expires_ms}"
        msg = f"order {order.id} expires before it begins: {times}"
        raise OrderMalformed(msg)
    if not isinstance(order.approvals, tuple) or len(order.approvals) > MAX_APPROVALS:
        msg = f"approvals must be a tuple of at most {MAX_APPROVALS} names"
        raise OrderMalformed(msg)
    for approval in order.approvals:
        _require_text("approval", approval, MAX_TEXT)
    if not isinstance(order.payload, Mapping):
        msg = f"the payload of order {order.id} must be a table"
        raise OrderMalformed(msg)
    try:
        plain = plain_json(order.payload)
    except ValueError as error:
        msg = f"the payload of order {order.id} has no canonical form: {error}"
        raise OrderMalformed(msg) from error
    object.__setattr__(order, "payload", plain)


def _check_receipt(receipt: Receipt) -> None:
    object.__setattr__(receipt, "outcome", _member(Outcome, "outcome", receipt.outcome))
    for name in ("order_id", "station", "reason_code"):
        _require_text(name, getattr(receipt, name), _MAX_NAME)
    _require_text("reason", receipt.reason, MAX_TEXT)
    digest = receipt.order_sha256
    if (
        not isinstance(digest, str)
        or len(digest) != _SHA256_HEX
        or set(digest) - set("0123456789abcdef")
    ):
        msg = f"order_sha256 {digest!r:.80} must be 64 hex digits"
        raise OrderMalformed(msg)
    _require_integer("counter", receipt.counter)
    _require_integer("at_ms", receipt.at_ms)


def _require_text(name: str, text: object, most: int) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= most or not text.isprintable():
        msg = f"{name} {text!r:.80} must be 1..{most} printable characters"
        raise OrderMalformed(msg)


def _require_integer(name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        msg = f"{name} {value!r:.40} must be an integer 0..2**53-1"
        raise OrderMalformed(msg)
