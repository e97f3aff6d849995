"""A worker with its edge and enrolment listeners, in the loop of the test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from cloud.app import Worker, create_edge_app, create_enrol_app, open_worker
from cloud.config import CloudConfig
from cloud.edge import PeerProtocol, mutual_context, server_context
from tests.cloud.stations import FakeStation, client, create_station, listening


@dataclass
class Site:
    """The listeners of one worker."""

    worker: Worker
    edge_url: str
    enrol_url: str
    stack: AsyncExitStack

    @property
    def pool(self):
        return self.worker.services.pool

    @property
    def authority(self):
        return self.worker.edge.authority

    async def all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        async with self.pool.connection() as conn:
            return await (await conn.execute(sql, values)).fetchall()

    async def refusals(self) -> list[str]:
        """Kinds of all noted refusals."""
        await self.worker.edge.book.flush()
        return [row[0] for row in await self.all("SELECT kind FROM security_events ORDER BY id")]

    async def count(self, table: str) -> int:
        return (await self.all(f"SELECT count(*) FROM {table}"))[0][0]

    def fake(self, station: str) -> FakeStation:
        return FakeStation(station, self.worker.services.keys.telemetry_public)

    async def enrol(self, station: str = "alpha") -> tuple[FakeStation, httpx.AsyncClient]:
        """A station that enrolled through the listener, and its client at the edge."""
        token = await create_station(self.pool, station)
        fake = self.fake(station)
        answer = await self.send_enrolment(fake, token)
        assert answer.status_code == 200, answer.text
        http = await self.connect(fake, answer.json()["certificate"].encode())
        announced = await http.post("/edge/v1/keys", content=fake.announcement)
        assert announced.status_code == 204, announced.text
        return fake, http

    async def send_enrolment(self, fake: FakeStation, token: str) -> httpx.Response:
        import ssl

        context = ssl.create_default_context(cadata=self.authority.certificate_pem.decode())
        async with client(self.enrol_url, context) as http:
            return await http.post("/enrol/v1", json=fake.enrolment(token))

    async def connect(self, fake: FakeStation, certificate: bytes) -> httpx.AsyncClient:
        context = fake.context(self.authority, certificate)
        return await self.stack.enter_async_context(client(self.edge_url, context))


@pytest.fixture
async def site(dsn: str, tmp_path: Path) -> AsyncIterator[Site]:
    config = CloudConfig(data_dir=tmp_path)
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(open_worker(config, dsn))
        authority, book = worker.edge.authority, worker.edge.book
        files = authority.server_files(["127.0.0.1"])

        def refused(reason: str) -> None:
            book.note("handshake_refused", reason=reason)

        mutual = mutual_context(*files, authority.certificate_file, refused)
        edge_url = await stack.enter_async_context(
            listening(create_edge_app(worker.edge), mutual, PeerProtocol)
        )
        enrol_url = await stack.enter_async_context(
            listening(
                create_enrol_app(worker.services, worker.edge), server_context(*files), H11Protocol
            )
        )
        async with AsyncExitStack() as clients:
            yield Site(worker, edge_url, enrol_url, clients)
