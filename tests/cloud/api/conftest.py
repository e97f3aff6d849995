"""The user application over a fresh database, one fed station, and clients of every role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from cloud.access import Role, users
from cloud.app import Worker, open_worker
from cloud.config import CloudConfig
from cloud.web.user_app import create_user_app
from tests.cloud.web.console import FACTS, PATIENT, midnight_ms, quick_passwords
from tests.cloud.web.feeder import Feeder, now_ms
from tests.cloud.web.plant import Plant

PASSWORD = "right horse battery"
ORIGIN = "http://127.0.0.1:8000"


@dataclass
class Cloud:
    """What a test of the interface needs."""

    worker: Worker
    app: FastAPI

    def client(self) -> httpx.AsyncClient:
        """A client that nobody has signed in."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ORIGIN)

    @asynccontextmanager
    async def signed_in(self, role: Role) -> AsyncIterator[httpx.AsyncClient]:
        """A program signed in as a user of this role."""
        name = f"{role}-user"
        pool = self.worker.services.pool
        if await users.find(pool, name) is None:
            await users.create(pool, quick_passwords(), name, PASSWORD, frozenset({role}))
        async with self.client() as client:
            answer = await client.post("/api/v1/session", json={"user": name, "password": PASSWORD})
            client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
            yield client


@pytest.fixture
async def cloud(dsn, tmp_path) -> AsyncIterator[Cloud]:
    async with open_worker(CloudConfig(data_dir=tmp_path, database=PATIENT), dsn) as worker:
        yield Cloud(worker, create_user_app(worker.services, passwords=quick_passwords()))


@pytest.fixture
async def feeder(cloud: Cloud) -> Feeder:
    """The station haibin-1 with a minute of telemetry and a live image."""
    made = await Feeder.enrol(cloud.worker, FACTS, Plant(midnight_ms()))
    present = now_ms() // 1000 * 1000
    await made.history(present - 60_000, present)
    await made.second(present)
    return made


@pytest.fixture
async def viewer(cloud: Cloud) -> AsyncIterator[httpx.AsyncClient]:
    async with cloud.signed_in(Role.VIEWER) as client:
        yield client


@pytest.fixture
async def operator(cloud: Cloud) -> AsyncIterator[httpx.AsyncClient]:
    async with cloud.signed_in(Role.OPERATOR) as client:
        yield client


@pytest.fixture
async def admin(cloud: Cloud) -> AsyncIterator[httpx.AsyncClient]:
    async with cloud.signed_in(Role.ADMIN) as client:
        yield client
