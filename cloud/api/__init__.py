"""The REST interface: what programs and the console's own pages ask."""

from fastapi import APIRouter

from cloud.api import (
    alarms,
    commands,
    control,
    events,
    health,
    history,
    history_plan,
    life,
    schedules,
    session,
    signals,
    stations,
    stream,
    worst_cells,
)

router = APIRouter(prefix="/api/v1")
for _part in (
    session,
    stations,
    schedules,
    control,
    history,
    history_plan,
    life,
    signals,
    events,
    alarms,
    commands,
    worst_cells,
    stream,
):
    router.include_router(_part.router)

health_router = health.router

__all__ = ["health_router", "router"]
