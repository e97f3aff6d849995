"""Health for whoever watches the processes: alive, and ready to serve."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from cloud.api.context import DeskOf
from cloud.db import connection
from cloud.errors import Unavailable

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", response_class=PlainTextResponse)
async def alive() -> str:
    """The process answers."""
    return "ok"


@router.get("/ready")
async def ready(parts: DeskOf) -> JSONResponse:
    """The database answers too."""
    try:
        async with connection(parts.services.pool) as conn:
            await conn.execute("SELECT 1")
    except Unavailable as error:
        return JSONResponse({"ready": False, "database": str(error)}, 503)
    return JSONResponse({"ready": True})
