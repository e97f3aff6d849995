"""Where the rooms meet: the parts of a worker, and its three applications.

- the user application (people and programs; from `cloud.web.user_app`),
- the edge application (stations, mutual TLS),
- the enrolment application (one endpoint, server-side TLS).
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cloud.access import enrolment
from cloud.access.enrolment import EnrolmentRequest
from cloud.access.pki import SERVER_FOLDER, Authority
from cloud.catalogue import LayoutCatalogue
from cloud.config import CloudConfig
from cloud.db.pool import create_pool
from cloud.edge_api import EdgeApi, EdgeParts, read_json, refusal
from cloud.epochs import EpochKeys
from cloud.errors import EnrolmentRefused, Refused, Unavailable
from cloud.history import History, Limits
from cloud.ingest import Gate, GroupCommit
from cloud.keys import open_keys
from cloud.live import Live
from cloud.news import News
from cloud.security import SecurityLog
from cloud.services import Services
from cloud.vault.vault import Vault

_ENROL_FIELDS = ("token", "station", "csr", "signing_key", "proof")


@dataclass(frozen=True)
class Worker:
    """Everything one worker process runs on."""

    services: Services
    edge: EdgeParts


@asynccontextmanager
async def open_worker(config: CloudConfig, dsn: str) -> AsyncIterator[Worker]:
    """Open pool, keys and the standing tasks of a worker; close them at the end."""
    pool = create_pool(dsn, config.database.pool_size, config.database.pool_timeout_s)
    keys = open_keys(config.keys_dir, config.keys.pkcs11)
    epochs, layouts, news = EpochKeys(pool, keys), LayoutCatalogue(pool), News(dsn)
    book, commit = SecurityLog(pool), GroupCommit(pool)
    limits = Limits(
        config.history.max_points,
        config.history.max_read_mb * 1_000_000,
        config.history.cache_mb * 1_000_000,
    )
    vault = Vault(pool, keys)
    history = History(pool, epochs, vault, layouts, limits)
    live = Live(pool, epochs, layouts, news)
    services = Services(config, pool, vault, history, live, keys)
    edge = EdgeParts(
        pool=pool,
        vault=vault,
        gate=Gate(epochs, layouts, book, vault),
        commit=commit,
        epochs=epochs,
        layouts=layouts,
        book=book,
        news=news,
        authority=Authority(config.keys_dir, config.data_dir / SERVER_FOLDER),
        max_batch_bytes=config.edge.max_batch_bytes,
    )
    await pool.open()
    try:
        async with _running([news.run(), book.run(), commit.run()]):
            yield Worker(services, edge)
    finally:
        await pool.close()


@asynccontextmanager
async def _running(coroutines: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def create_edge_app(parts: EdgeParts) -> Starlette:
    """The application of the mutual-TLS listener."""
    return Starlette(routes=EdgeApi(parts).routes)


def create_enrol_app(services: Services, edge: EdgeParts) -> Starlette:
    """The application of the enrolment listener."""

    async def enrol(request: Request) -> Response:
        source = request.client.host if request.client else ""
        try:
            asked = await read_json(request)
            if set(asked) != set(_ENROL_FIELDS):
                raise EnrolmentRefused(f"the request has exactly the fields {_ENROL_FIELDS}")
            wanted = EnrolmentRequest(**{name: str(asked[name]) for name in _ENROL_FIELDS})
            issued = await enrolment.enrol(services.pool, edge.authority, wanted)
        except Refused as error:
            edge.book.note("enrolment_refused", source=source, reason=error.reason)
            return refusal(error)
        except Unavailable as error:
            return refusal(error)
        keys = services.keys
        return JSONResponse(
            {
                "certificate": issued.pem.decode(),
                "ca": edge.authority.certificate_pem.decode(),
                "cloud_key": base64.b64encode(keys.telemetry_public).decode(),
                "order_keys": {keys.order_key_id: base64.b64encode(keys.order_public).decode()},
                "station": issued.identity.station,
            }
        )

    return Starlette(routes=[Route("/enrol/v1", enrol, methods=["POST"])])
