"""Packages on their way to a station: in pieces, and to no other station."""

import time

import pytest

from cloud.fleet import models
from cloud.fleet.models import packages
from contract.model_order import ModelAction, ModelOrder
from tests.model_packages import package, sha256

BLOB = package(2, **{"network/weights.bin": bytes(range(256)) * 20})
SHA = sha256(BLOB)
PATH = f"/edge/v1/models/{SHA}"


async def deploy(site, station: str = "alpha", action: ModelAction = ModelAction.DEPLOY):
    services = site.worker.services
    model = await models.upload(services.pool, BLOB, "ann")
    if model.approved_by is None:
        model = await models.approve(services.pool, SHA, "bo", "looked at it")
    asked = ModelOrder(action, SHA, model.name, model.version, model.size, 60)
    return await models.order(
        *(services.pool, services.vault, services.keys, asked, model),
        station=station,
        now_ms=time.time_ns() // 1_000_000,
        sender="ann",
        reason="test",
    )


async def test_a_station_fetches_the_package_that_an_order_brings_it_piece_by_piece(
    site, monkeypatch
):
    monkeypatch.setattr(packages, "CHUNK_BYTES", 1000)
    _, http = await site.enrol()
    await deploy(site)

    blob = b""
    while len(blob) < len(BLOB):
        answer = await http.get(PATH, params={"offset": len(blob)})
        assert answer.status_code == 200
        assert answer.headers["x-package-size"] == str(len(BLOB))
        blob += answer.content

    assert blob == BLOB


@pytest.mark.parametrize("action", [ModelAction.PROMOTE, ModelAction.ROLLBACK])
async def test_a_station_gets_no_package_that_no_order_brings_it(site, action):
    _, alpha = await site.enrol("alpha")
    _, beta = await site.enrol("beta")
    await deploy(site, "alpha")
    await deploy(site, "beta", action)

    assert (await alpha.get(PATH)).status_code == 200
    assert (await beta.get(PATH)).status_code == 404
    assert (await alpha.get(f"/edge/v1/models/{'0' * 64}")).status_code == 404
    assert (await alpha.get("/edge/v1/models/nonsense")).status_code == 404


@pytest.mark.parametrize("offset", ["-1", "x", str(len(BLOB)), str(1 << 40)])
async def test_an_offset_outside_the_package_is_refused(site, offset):
    _, http = await site.enrol()
    await deploy(site)

    assert (await http.get(PATH, params={"offset": offset})).status_code == 400
