"""Stations: list, make, look."""

import datetime as dt
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, field_validator

from cloud import alarms, fleet
from cloud.access import audit
from cloud.alarms import AlarmSeen, State
from cloud.api.alarms import MOST_ROWS, lists_of
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, Reader, StationKeeper
from cloud.api.image import LiveAnswer, live_answer
from cloud.fleet import Station

router = APIRouter(prefix="/stations", tags=["stations"], responses=ERRORS)

StationId = Annotated[str, Path(description="id of the station", max_length=32)]
_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"


class NewStationRequest(BaseModel):
    """A station to be made."""

    id: str = Field(pattern=_ID, description="never changes; part of certificates and orders")
    name: str = Field(min_length=1, max_length=80)
    name_zh: str = Field("", max_length=80, description="name for readers of Chinese")
    timezone: str = Field("UTC", description="IANA name of the market time of its schedules")
    rated_power_kw: float = Field(gt=0, le=10_000_000, description="for charge and discharge")
    capacity_kwh: float = Field(gt=0, le=100_000_000)
    soc_min: float = Field(0.05, ge=0, lt=1, description="lower end of the working band, 0..1")
    soc_max: float = Field(0.95, gt=0, le=1, description="upper end of the working band, 0..1")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("write an IANA name, e.g. Asia/Shanghai") from error
        return name


class NewStationAnswer(BaseModel):
    """The new station's id and the token that its controller enrols by, shown only here."""

    id: str
    enrolment_token: str
    expires_at: dt.datetime


class TokenAnswer(BaseModel):
    """A further enrolment token, shown only here."""

    enrolment_token: str
    expires_at: dt.datetime


class AlarmAnswer(BaseModel):
    """An open alarm: one that somebody must answer, or whose condition stands."""

    id: int = Field(description="number of the alarm; `/api/v1/alarms` knows more of it")
    station: str
    device: str
    code: str
    priority: int = Field(description="1 critical, 2 high, 3 medium, 4 low")
    state: State
    active: bool = Field(description="its condition stands")
    since_ms: int = Field(description="onset by the device's clock, epoch ms")
    text_en: str
    text_zh: str
    value: float | None
    limit: float | None
    damaged: bool = Field(description="what is stored of it cannot be opened; it has no value")


class StationAnswer(BaseModel):
    """What the cloud knows of a station now."""

    id: str
    name: str
    name_zh: str
    timezone: str
    rated_power_kw: float
    capacity_kwh: float
    soc_min: float
    soc_max: float
    enrolled: bool
    link: str = Field(description='"up", "down" or "never"')
    at_ms: int | None = Field(description="newest device time known")
    received_ms: int | None = Field(description="when that arrived")


class StationList(BaseModel):
    """All stations, by name."""

    stations: list[StationAnswer]


class AlarmList(BaseModel):
    """The first open alarms, unanswered ones before others, and how many there are by priority.

    What is shelved, suppressed or out of service is not among them.
    """

    alarms: list[AlarmAnswer]
    open: dict[int, int] = Field(description="all that are open, by priority")
    unanswered: dict[int, int] = Field(description="of them, those that nobody has acknowledged")


async def told(parts: DeskOf, station: Station) -> StationAnswer:
    """A station with its newest news."""
    image = live_answer(await parts.services.live.latest(station.id))
    return StationAnswer(
        id=station.id,
        name=station.name,
        name_zh=station.name_zh,
        timezone=station.timezone,
        rated_power_kw=station.rated_power_kw,
        capacity_kwh=station.capacity_kwh,
        soc_min=station.soc_min,
        soc_max=station.soc_max,
        enrolled=station.enrolled_at is not None,
        link=image["link"],
        at_ms=image["at_ms"],
        received_ms=image["received_ms"],
    )


@router.get("")
async def list_stations(parts: DeskOf, _: Reader) -> StationList:
    """All stations."""
    found = await fleet.list_all(parts.services.pool)
    return StationList(stations=[await told(parts, station) for station in found])


@router.post("", status_code=201)
async def create_station(
    parts: DeskOf, session: StationKeeper, body: NewStationRequest
) -> NewStationAnswer:
    """Make a station. The answer holds the one-time token that its controller enrols by (24 h)."""
    facts = fleet.StationFacts(**body.model_dump())
    made = await fleet.create(parts.services.pool, facts, session.user.name)
    await audit.note(parts.services.pool, session.user.name, "create_station", facts.id)
    return NewStationAnswer(
        id=made.station.id, enrolment_token=made.enrolment_token, expires_at=made.expires_at
    )


@router.post("/{station}/enrolment-tokens", status_code=201)
async def issue_token(parts: DeskOf, session: StationKeeper, station: StationId) -> TokenAnswer:
    """A further enrolment token, for a controller that is replaced."""
    token, expires_at = await fleet.issue_token(parts.services.pool, station, session.user.name)
    await audit.note(parts.services.pool, session.user.name, "issue_enrolment_token", station)
    return TokenAnswer(enrolment_token=token, expires_at=expires_at)


@router.get("/{station}")
async def show_station(parts: DeskOf, _: Reader, station: StationId) -> StationAnswer:
    """One station."""
    return await told(parts, await fleet.find(parts.services.pool, station))


@router.get("/{station}/live", response_model=LiveAnswer)
async def show_live(parts: DeskOf, _: Reader, station: StationId) -> dict[str, Any]:
    """The newest image of a station: one value for each point, with its age."""
    await fleet.find(parts.services.pool, station)
    return live_answer(await parts.services.live.latest(station))


@router.get("/{station}/alarms")
async def show_alarms(
    parts: DeskOf,
    _: Reader,
    station: StationId,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
) -> AlarmList:
    """The open alarms of a station: unanswered first, then the most urgent, then the newest."""
    await fleet.find(parts.services.pool, station)
    return await open_alarms(parts, station, limit)


async def open_alarms(parts: Desk, station: str, limit: int) -> AlarmList:
    """The first `limit` open alarms of a station, as its list and its stream tell them."""
    page = await lists_of(parts).find(alarms.Filter(station=station), limit=limit)
    counted = await alarms.counts(parts.services.pool, station)
    return AlarmList(
        alarms=[_alarm_answer(alarm) for alarm in page.alarms],
        open=dict(counted.open),
        unanswered=dict(counted.unanswered),
    )


def _alarm_answer(alarm: AlarmSeen) -> AlarmAnswer:
    facts = {name: value for name, value in vars(alarm).items() if name in AlarmAnswer.model_fields}
    return AlarmAnswer(**facts, since_ms=alarm.onset_ms)
