"""The REST interface: what programs and the console's own pages ask."""

from fastapi import APIRouter

from cloud.api import (
    alarms,
    bids,
    cell_map,
    commands,
    control,
    desks,
    events,
    health,
    history,
    history_plan,
    life,
    markets,
    models,
    policies,
    prices,
    revenue,
    schedules,
    session,
    settlements,
    signals,
    stations,
    stream,
    undelivered,
    users,
    worst_cells,
)

router = APIRouter(prefix="/api/v1")
for _part in (
    session,
    stations,
    schedules,
    control,
    models,
    history,
    history_plan,
    life,
    signals,
    events,
    alarms,
    commands,
    cell_map,
    worst_cells,
    revenue,
    policies,
    stream,
    markets,
    bids,
    settlements,
    desks,
    prices,
    undelivered,
    users,
):
    router.include_router(_part.router)

health_router = health.router

__all__ = ["health_router", "router"]
