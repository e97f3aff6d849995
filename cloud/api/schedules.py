"""Schedules become signed orders; orders come back as receipts."""

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import fleet
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, OrderSender, Reader
from cloud.api.image import now_ms
from cloud.api.stations import StationId
from cloud.fleet import FindingCode, OrderSeen, Planned, ScheduleRefused, Station
from contract.orders import REASONS
from contract.schedule import points_of_day

router = APIRouter(prefix="/stations/{station}", tags=["schedules"], responses=ERRORS)

# A projection from an SOC older than this would be a guess.
_SOC_LIMIT_MS = 300_000
_MOST_POINTS = 300


class ScheduleRequest(BaseModel):
    """The powers of one local day, discharge positive."""

    date: str = Field(description="local day, YYYY-MM-DD")
    timezone: str | None = Field(None, description="must be the station's; may be left out")
    interval_min: int = Field(15, description="5, 15, 30 or 60")
    power_kw: list[float] = Field(
        max_length=_MOST_POINTS, description="one power for each interval; 96 on a usual day"
    )
    regulation: dict[str, Any] | None = Field(None, description="regulation capacity, if sold")
    fingerprint: str | None = Field(
        None, description="what the signer has seen; refused when the powers are others"
    )


class FindingAnswer(BaseModel):
    """A limit that the schedule breaks."""

    code: FindingCode
    blocks: bool = Field(description="whether the schedule cannot be sent")
    first: int = Field(description="index of the first point that breaks it")
    count: int
    worst: float
    limit: float


class CheckAnswer(BaseModel):
    """What the cloud says about a schedule before it is signed."""

    fingerprint: str
    findings: list[FindingAnswer]
    first_open: int = Field(description="first point that is not past")
    soc: list[float | None] = Field(description="projected SOC at each point's start, and the end")
    charged_kwh: float
    discharged_kwh: float


class ReceiptAnswer(BaseModel):
    """The station's signed answer to an order."""

    outcome: str
    reason_code: str
    reason: str
    reason_en: str
    reason_zh: str
    at_ms: int


class OrderAnswer(BaseModel):
    """An order and its newest receipt; null while the station has not answered."""

    id: str
    counter: int
    kind: str
    status: str
    issued_ms: int
    expires_ms: int
    created_by: str
    payload: dict[str, Any]
    receipt: ReceiptAnswer | None
    damaged: bool = Field(description="what is stored of it cannot be opened; payload is empty")


class SentAnswer(OrderAnswer):
    """The order just sent, and what the check warned of."""

    warnings: list[FindingAnswer]
    fingerprint: str


class OrderList(BaseModel):
    """Orders, newest first."""

    orders: list[OrderAnswer]


class ScheduleAnswer(BaseModel):
    """The schedule in force for a day; `power_kw` is null where there is none."""

    date: str
    timezone: str
    interval_min: int
    points: int
    start_ms: int | None
    power_kw: list[float] | None


@router.get("/schedules")
async def show_schedule(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    date: Annotated[dt.date | None, Query(description="local day; default today")] = None,
) -> ScheduleAnswer:
    """The schedule that the station works by on a day."""
    found = await fleet.find(parts.services.pool, station)
    day = date or dt.datetime.now(found.zone).date()
    services = parts.services
    schedules = await fleet.in_force(services.pool, services.vault, found, [day])
    schedule = schedules[0] if schedules else None
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=found.zone)
    return ScheduleAnswer(
        date=day.isoformat(),
        timezone=found.timezone,
        interval_min=schedule.interval_min if schedule else 15,
        points=len(schedule.power_kw) if schedule else points_of_day(day, found.timezone),
        start_ms=round(midnight.timestamp() * 1000),
        power_kw=list(schedule.power_kw) if schedule else None,
    )


@router.post("/schedules/check")
async def check_schedule(
    parts: DeskOf, _: OrderSender, station: StationId, body: ScheduleRequest
) -> CheckAnswer:
    """Check a schedule against the station's limits without sending it."""
    found = await fleet.find(parts.services.pool, station)
    planned = await _plan(parts, found, body)
    return CheckAnswer(
        fingerprint=planned.fingerprint,
        findings=[FindingAnswer(**vars(finding)) for finding in planned.check.findings],
        first_open=planned.first_open,
        soc=list(planned.check.soc),
        charged_kwh=planned.check.charged_kwh,
        discharged_kwh=planned.check.discharged_kwh,
    )


@router.post("/schedules", status_code=201)
async def send_schedule(
    parts: DeskOf, session: OrderSender, station: StationId, body: ScheduleRequest
) -> SentAnswer:
    """Check a schedule, sign it as an order and hand it to the station.

    Power beyond the rating is refused. Leaving the SOC band is a warning in the answer: the
    station keeps its band by itself.
    """
    found = await fleet.find(parts.services.pool, station)
    planned = await _plan(parts, found, body)
    if body.fingerprint is not None and body.fingerprint != planned.fingerprint:
        raise ScheduleRefused(
            f"the fingerprint {body.fingerprint!r} is not that of these powers; check them again"
        )
    order = await fleet.send(
        parts.services.pool,
        parts.services.vault,
        parts.services.keys,
        found,
        planned,
        now_ms=now_ms(),
        sender=session.user.name,
    )
    return SentAnswer(
        **order_answer(order).model_dump(),
        warnings=[FindingAnswer(**vars(finding)) for finding in planned.check.findings],
        fingerprint=planned.fingerprint,
    )


@router.get("/orders")
async def list_orders(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> OrderList:
    """The newest orders of a station with their receipts, newest first."""
    await fleet.find(parts.services.pool, station)
    services = parts.services
    found = await fleet.list_orders(services.pool, services.vault, station, limit)
    return OrderList(orders=[order_answer(order) for order in found])


def order_answer(order: OrderSeen) -> OrderAnswer:
    """An order as the API tells it."""
    facts = {name: value for name, value in vars(order).items() if name != "station"}
    receipt = order.receipt
    if receipt is not None:
        reason = REASONS.get(receipt.reason_code)
        facts["receipt"] = ReceiptAnswer(
            **vars(receipt),
            reason_en=reason.en if reason else receipt.reason,
            reason_zh=reason.zh if reason else receipt.reason,
        )
    return OrderAnswer(**facts)


async def soc_now(parts: Desk, station: str) -> float | None:
    """The newest SOC of a station, or None when there is none or it is old."""
    image = await parts.services.live.latest(station)
    if image is None or now_ms() - image.at_ms > _SOC_LIMIT_MS:
        return None
    controller = next((tag for tag, layout in image.frames if layout == "station"), None)
    return None if controller is None else image.points.get(f"{controller}:soc")


async def _plan(parts: Desk, station: Station, body: ScheduleRequest) -> Planned:
    payload = body.model_dump(exclude={"fingerprint"})
    if payload["timezone"] is None:
        del payload["timezone"]
    schedule = fleet.read(payload, station)
    now = fleet.Now(now_ms(), await soc_now(parts, station.id))
    return await fleet.plan(parts.services.pool, parts.services.vault, station, schedule, now)
