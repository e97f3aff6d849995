"""What happened at a station: events of a range, newest first."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud import alarms, fleet
from cloud.alarms import Cursor
from cloud.api.answers import ERRORS
from cloud.api.context import DeskOf, Reader
from cloud.api.stations import StationId
from cloud.api.times import Range
from cloud.history.resolution import checked_range

router = APIRouter(prefix="/stations", tags=["alarms"], responses=ERRORS)

_MOST_EVENTS = 1_000
_CURSOR_CHARS = 96


class EventsQuery(Range):
    """Which events."""

    limit: int = Field(100, ge=1, le=_MOST_EVENTS, description="most events in one answer")
    before: str | None = Field(
        None, max_length=_CURSOR_CHARS, description="`next` of the page before this one"
    )


class EventAnswer(BaseModel):
    """One edge of a condition: `active` true when it appeared, false when it cleared."""

    id: str
    device: str
    code: str
    priority: int | None = Field(
        description="1 critical, 2 high, 3 medium; null for information, which is no alarm"
    )
    active: bool
    at_ms: int = Field(description="by the device's clock, epoch milliseconds")
    text_en: str
    text_zh: str
    value: float | None = Field(description="in the unit of the signal concerned")
    limit: float | None


class EventList(BaseModel):
    """Events, newest first; those of one millisecond by id."""

    events: list[EventAnswer]
    next: str | None = Field(description="send as `before` for the next page; null after the last")
    damaged: list[str] = Field(description="ids of events that could not be opened")


@router.get("/{station}/events")
async def list_events(
    parts: DeskOf, _: Reader, station: StationId, asked: Annotated[EventsQuery, Query()]
) -> EventList:
    """What appeared and cleared at a station in [from, to), newest first.

    The order is total, so pages that follow `next` neither repeat nor miss an event.
    """
    services = parts.services
    await fleet.find(services.pool, station)
    start_ms, end_ms = checked_range(asked.start_ms, asked.end_ms)
    page = await alarms.between(
        services.pool,
        services.vault,
        station,
        start_ms,
        end_ms,
        limit=asked.limit,
        before=None if asked.before is None else Cursor.parse(asked.before),
    )
    return EventList(
        events=[EventAnswer(**vars(event)) for event in page.events],
        next=None if page.following is None else str(page.following),
        damaged=list(page.damaged),
    )
