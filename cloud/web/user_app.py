"""The application that serves people and their programs: pages, REST interface, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from cloud.access import Passwords
from cloud.access.http import Cookies, SecurityHeaders
from cloud.api import answers, health_router
from cloud.api import router as api_router
from cloud.api.context import Desk
from cloud.services import Services
from cloud.web import (
    alarm_pages,
    desk_pages,
    door,
    model_pages,
    pages,
    revenue_pages,
    track_pages,
    undelivered_pages,
)
from cloud.web.problem import problem_page

_STATIC = Path(__file__).parent / "static"
_DESCRIPTION = """
Battery-storage stations: what they do, what they may do, and what they are ordered to do.

Sign in with `POST /api/v1/session`; send the cookie of the answer with every request and its
`csrf_token` as header `X-CSRF-Token` with every changing one. Power is positive for discharge and
negative for charge. Times are epoch milliseconds (`*_ms`) of the device's own clock. Errors are
`{"code", "message", "remedy"}`.
"""


def create_user_app(services: Services, *, passwords: Passwords | None = None) -> FastAPI:
    """The application for the user listener.

    Args:
        services: the worker's parts.
        passwords: hashes and checks passwords; by default with the recommended cost.
    """
    keeper = passwords or Passwords()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        keeper.close()

    app = FastAPI(
        title="Stationmaster",
        version="1",
        summary="REST interface of the cloud",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = Desk(services, keeper, Cookies(secure=False))
    answers.install(app, problem_page)
    app.include_router(api_router)
    app.include_router(health_router)
    app.include_router(door.router)
    app.include_router(alarm_pages.router)
    app.include_router(model_pages.router)
    app.include_router(revenue_pages.router)
    app.include_router(desk_pages.router)
    app.include_router(track_pages.router)
    app.include_router(undelivered_pages.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_middleware(SecurityHeaders)
    return app
