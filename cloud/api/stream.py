"""The live stream of a station: server-sent events, one image a second, alarms when they change.

Events: "live" (a new image), "pulse" (nothing new; the cloud's clock, so that a page can tell a
lost station from a lost connection), "alarms" (the first open alarms and the counts of all, when
they have changed: a flood is told by its numbers),
"signed_out" (the session has ended; the stream closes).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from cloud import fleet
from cloud.access import Session, sessions
from cloud.api.answers import ERRORS
from cloud.api.context import Desk, DeskOf, Reader
from cloud.api.image import live_answer, now_ms
from cloud.api.stations import AlarmList, StationId, open_alarms
from cloud.errors import Unavailable
from cloud.live import LiveImage

router = APIRouter(prefix="/stations", tags=["live"], responses=ERRORS)

_PULSE_S = 1.0
_ALARMS_EVERY_S = 2.0
_ALARMS_TOLD = 20
_SESSION_EVERY_S = 15.0
_RETRY_MS = 2_000


@router.get(
    "/{station}/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(parts: DeskOf, session: Reader, station: StationId) -> StreamingResponse:
    """Live values as server-sent events; their data is JSON as of `/live` and `/alarms`."""
    await fleet.find(parts.services.pool, station)
    return StreamingResponse(
        _events(parts, session, station),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'), ensure_ascii=False)}\n\n"


async def _events(parts: Desk, session: Session, station: str) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    watch = _Watch(parts, session, station)
    images = parts.services.live.subscribe(station)
    coming: asyncio.Task[LiveImage] = asyncio.ensure_future(_next(images))
    try:
        yield _event("live", live_answer(await parts.services.live.latest(station)))
        while True:
            await asyncio.wait({coming}, timeout=_PULSE_S)
            if coming.done():
                image = coming.result()
                coming = asyncio.ensure_future(_next(images))
                yield _event("live", live_answer(image))
            else:
                yield _event("pulse", {"now_ms": now_ms()})
            for name, data in await watch.look():
                yield _event(name, data)
            if watch.signed_out:
                return
    except Unavailable:
        yield _event("pulse", {"now_ms": now_ms(), "trouble": "database"})
    finally:
        coming.cancel()


async def _next(images: AsyncIterator[LiveImage]) -> LiveImage:
    return await anext(images)


class _Watch:
    """Looks now and then for changed alarms and for the end of the session."""

    def __init__(self, parts: Desk, session: Session, station: str) -> None:
        self._parts, self._session, self._station = parts, session, station
        self._alarms_at = self._session_at = 0.0
        self._told: AlarmList | None = None
        self.signed_out = False

    async def look(self) -> list[tuple[str, Any]]:
        """The events that are due."""
        clock = asyncio.get_running_loop().time()
        due: list[tuple[str, Any]] = []
        if clock - self._session_at >= _SESSION_EVERY_S:
            self._session_at = clock
            pool = self._parts.services.pool
            self.signed_out = await sessions.find_session(pool, self._session.token) is None
            if self.signed_out:
                return [("signed_out", {})]
        if clock - self._alarms_at >= _ALARMS_EVERY_S:
            self._alarms_at = clock
            found = await open_alarms(self._parts, self._station, _ALARMS_TOLD)
            if found != self._told:
                self._told = found
                due.append(("alarms", found.model_dump(mode="json")))
        return due
