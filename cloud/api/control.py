"""Control orders: what a person asks of a station now; its receipt tells what became of it."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.access import Session
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, OrderSender
from cloud.api.image import now_ms
from cloud.api.schedules import OrderAnswer, order_answer
from cloud.api.stations import StationId
from cloud.fleet import Control
from contract.control import STATION, Reset, Setpoint
from contract.orders import OrderKind

router = APIRouter(prefix="/stations/{station}/control", tags=["control"], responses=ERRORS)

_MINUTE_MS = 60_000
SHORTEST_REASON = 3
LONGEST_REASON = 500


class ControlRequest(BaseModel):
    """Why somebody acts; it is kept in the audit book."""

    reason: str = Field(
        min_length=SHORTEST_REASON, max_length=LONGEST_REASON, description="for the audit"
    )


class SetpointRequest(ControlRequest):
    """A power at the meter for some time."""

    power_kw: float = Field(allow_inf_nan=False, description="discharge positive")
    minutes: float = Field(gt=0, le=24 * 60, description="after that the schedule goes on")


class ResetRequest(ControlRequest):
    """What protection has latched is released where its cause is gone."""

    target: str = Field(STATION, min_length=1, max_length=64, description="a device, or `station`")


@router.post("/setpoint", status_code=201)
async def send_setpoint(
    parts: DeskOf, session: OrderSender, station: StationId, body: SetpointRequest
) -> OrderAnswer:
    """Order a power at the meter until its time is over or it is released."""
    until_ms = now_ms() + round(body.minutes * _MINUTE_MS)
    return await _send(parts, session, station, Setpoint(body.power_kw, until_ms), body.reason)


@router.post("/release", status_code=201)
async def send_release(
    parts: DeskOf, session: OrderSender, station: StationId, body: ControlRequest
) -> OrderAnswer:
    """End the manual set-point: the schedule goes on."""
    return await _send(parts, session, station, OrderKind.RELEASE, body.reason)


@router.post("/reset", status_code=201)
async def send_reset(
    parts: DeskOf, session: OrderSender, station: StationId, body: ResetRequest
) -> OrderAnswer:
    """Reset a latched protection; the station refuses while the cause stands."""
    return await _send(parts, session, station, Reset(body.target), body.reason)


@router.post("/self-test", status_code=201)
async def send_self_test(
    parts: DeskOf, session: OrderSender, station: StationId, body: ControlRequest
) -> OrderAnswer:
    """Let the station go through its self-test; the result comes as an event."""
    return await _send(parts, session, station, OrderKind.SELF_TEST, body.reason)


async def _send(
    parts: Desk, session: Session, station: str, control: Control, reason: str
) -> OrderAnswer:
    services = parts.services
    found = await fleet.find(services.pool, station)
    order = await fleet.order(
        *(services.pool, services.vault, services.keys, found, control),
        now_ms=now_ms(),
        sender=session.user.name,
        reason=reason,
    )
    return order_answer(order)
