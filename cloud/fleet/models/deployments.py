"""Model orders to stations, and what has become of each model there.

Where a model stands is read from what the station itself has said: the receipts of the order that
brought it, and the events of its life. Nothing is kept beside them that could disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cloud.db import Pool, connection
from cloud.errors import KeyStoreError, Refused
from cloud.fleet import orders
from cloud.fleet.models.registry import ModelSeen
from cloud.fleet.orders import OrderSeen
from cloud.keys import KeyStore
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import StationKeys, Vault
from contract.model_order import ModelAction, ModelOrder
from contract.orders import REASONS, OrderKind
from contract.words import Words

_DELIVERED_WITHIN_MS: Final = 7 * 24 * 3_600_000
"""A station that was cut off for longer gets the model by another order, if still wanted."""
_CLOCK_TOLERANCE_MS: Final = 60_000
_LIFE: Final = ("model.shadow", "model.promoted", "model.confirmed", "model.rolled_back")
_NEWEST: Final = """
SELECT DISTINCT ON (o.station, o.model)
    o.station, o.model, o.id::text, o.created_by, o.issued_ms, o.expires_ms, o.status,
    r.reason_code, r.at_ms, e.id, e.code, e.at_ms, e.sealed
FROM orders o
LEFT JOIN LATERAL (
    SELECT reason_code, at_ms FROM receipts
    WHERE order_id = o.id ORDER BY at_ms DESC, received_at DESC LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT id, code, at_ms, sealed FROM events
    WHERE station = o.station AND code = ANY(%(life)s) AND tag = encode(o.model, 'hex')
      AND at_ms >= o.issued_ms - %(tolerance)s
    ORDER BY at_ms DESC, array_position(%(life)s, code) DESC LIMIT 1
) e ON true
WHERE o.model IS NOT NULL
  AND (%(station)s::text IS NULL OR o.station = %(station)s)
  AND (%(model)s::bytea IS NULL OR o.model = %(model)s)
ORDER BY o.station, o.model, o.counter DESC
"""


class DeploymentState(StrEnum):
    """Where a model stands at a station."""

    SENT = "sent"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"
    SHADOW = "shadow"
    PROMOTED = "promoted"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"


_OF_EVENT: Final[Mapping[str, DeploymentState]] = {
    "model.shadow": DeploymentState.SHADOW,
    "model.promoted": DeploymentState.PROMOTED,
    "model.confirmed": DeploymentState.CONFIRMED,
    "model.rolled_back": DeploymentState.ROLLED_BACK,
}
_OF_ORDER: Final[Mapping[str, DeploymentState]] = {
    "accepted": DeploymentState.ACCEPTED,
    "executed": DeploymentState.PROMOTED,
    "refused": DeploymentState.REFUSED,
    "failed": DeploymentState.FAILED,
    "superseded": DeploymentState.FAILED,
}


@dataclass(frozen=True)
class Deployment:
    """A model at a station, by the newest order that brought it there.

    Attributes:
        sha256: of the model's package.
        sent_by: who sent the order.
        sent_ms: when.
        state: as the station last told it.
        since_ms: when it told so; of a model on its way, when it was sent.
        why: the station's words of it; empty where there are none.
    """

    station: str
    sha256: str
    order_id: str
    sent_by: str
    sent_ms: int
    state: DeploymentState
    since_ms: int
    why: Words


class ModelOrderRefused(Refused):
    """A model order cannot be sent as it is; nothing has been sent."""

    code = "model_not_deployable"
    status = 422


async def order(
    pool: Pool,
    vault: Vault,
    keys: KeyStore,
    asked: ModelOrder,
    model: ModelSeen,
    *,
    station: str,
    now_ms: int,
    sender: str,
    reason: str,
) -> OrderSeen:
    """Sign and store a model order; `reason` is kept with it in the audit.

    Raises:
        ModelOrderRefused: the model is not approved, or was withdrawn.
    """
    brings = asked.action is ModelAction.DEPLOY
    if brings and model.withdrawn_by is not None:
        raise ModelOrderRefused(f"{model.title} was withdrawn: {model.withdrawn_why}")
    if brings and not model.deployable:
        raise ModelOrderRefused(f"{model.title} is not approved yet: a second person must do so")
    return await orders.issue(
        *(pool, vault, keys),
        station=station,
        kind=OrderKind.MODEL,
        payload=asked.to_payload(),
        now_ms=now_ms,
        expires_ms=now_ms + _DELIVERED_WITHIN_MS,
        created_by=sender,
        audit_detail={"action": asked.action.value, "model": asked.title, "reason": reason},
        approvals=() if model.approved_by is None else (model.approved_by,),
    )


async def deployments(
    pool: Pool,
    vault: Vault,
    now_ms: int,
    *,
    station: str | None = None,
    sha256: str | None = None,
) -> list[Deployment]:
    """Which models are where, by station; of one station or one model where that is given."""
    asked = {
        "life": list(_LIFE),
        "tolerance": _CLOCK_TOLERANCE_MS,
        "station": station,
        "model": None if sha256 is None else bytes.fromhex(sha256),
    }
    async with connection(pool) as conn:
        rows = await (await conn.execute(_NEWEST, asked)).fetchall()
    keys = {name: await vault.keys(name) for name in {row[0] for row in rows}}
    return [_deployment(keys[row[0]], row, now_ms) for row in rows]


def _deployment(keys: StationKeys, row: tuple[Any, ...], now_ms: int) -> Deployment:
    station, model, order_id, sent_by, sent_ms, expires_ms, status, *said = row
    reason_code, receipt_ms, event_id, code, event_ms, sealed = said
    if code is not None:
        state, since_ms = _OF_EVENT[code], event_ms
        why = _words_of(keys, station, event_id, sealed)
    elif receipt_ms is not None:
        state, since_ms = _OF_ORDER[status], receipt_ms
        why = REASONS.get(reason_code, Words(reason_code, reason_code))
    else:
        late = now_ms > expires_ms
        state, since_ms = DeploymentState.EXPIRED if late else DeploymentState.SENT, sent_ms
        why = Words("", "")
    return Deployment(station, model.hex(), order_id, sent_by, sent_ms, state, since_ms, why)


def _words_of(keys: StationKeys, station: str, event_id: str, sealed: bytes) -> Words:
    try:
        said = open_event(keys, station, event_id, sealed)
    except KeyStoreError:
        tell_damaged("events", station, event_id)
        return Words("", "")
    return Words(said.text_en, said.text_zh)
