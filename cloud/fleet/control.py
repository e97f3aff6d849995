"""Control orders to a station: a manual set-point, its release, a reset of protection, a self-test.

The cloud refuses what no station could take; whether this station takes it now (local control,
its deployment, a cause that still stands) only the station can say, in its signed receipt.
"""

from typing import Final

from cloud.db import Pool
from cloud.errors import Refused
from cloud.fleet import orders
from cloud.fleet.orders import OrderSeen
from cloud.fleet.stations import Station
from cloud.keys import KeyStore
from cloud.vault.vault import Vault
from contract.control import Reset, Setpoint
from contract.orders import OrderKind

_DELIVERED_WITHIN_MS: Final = 60_000
"""An order about this moment that the station has not seen by then is worth nothing any more."""
LONGEST_SETPOINT_MS: Final = 24 * 3_600_000
"""A person's set-point that outlasts a day is a plan, and belongs into a schedule."""

Control = Setpoint | Reset | OrderKind
"""What is ordered; a kind alone where there is nothing to add (release, self-test)."""


class ControlRefused(Refused):
    """A control order cannot be sent as it is; nothing has been sent."""

    code = "order_refused"
    status = 422


async def order(
    pool: Pool,
    vault: Vault,
    keys: KeyStore,
    station: Station,
    control: Control,
    *,
    now_ms: int,
    sender: str,
    reason: str,
) -> OrderSeen:
    """Sign and store a control order; `reason` is kept with it in the audit.

    Raises:
        ControlRefused: the set-point is beyond the rating, over, or too long.
    """
    expires_ms = now_ms + _DELIVERED_WITHIN_MS
    match control:
        case Setpoint():
            expires_ms = _end_of(control, station, now_ms)
            kind, payload = OrderKind.SETPOINT, control.to_payload()
        case Reset():
            kind, payload = OrderKind.RESET, control.to_payload()
        case _:
            kind, payload = control, {}
    return await orders.issue(
        pool,
        vault,
        keys,
        station=station.id,
        kind=kind,
        payload=payload,
        now_ms=now_ms,
        expires_ms=expires_ms,
        created_by=sender,
        audit_detail={"reason": reason},
    )


def _end_of(asked: Setpoint, station: Station, now_ms: int) -> int:
    rated_kw = station.rated_power_kw
    if abs(asked.power_kw) > rated_kw:
        raise ControlRefused(
            f"power_kw = {asked.power_kw:g} is beyond the rated power of {rated_kw:g} kW"
        )
    if asked.until_ms is None:
        raise ControlRefused("a set-point needs its end; give minutes")
    if not now_ms < asked.until_ms <= now_ms + LONGEST_SETPOINT_MS:
        raise ControlRefused("a set-point ends within 24 hours; for longer send a schedule")
    return asked.until_ms
