"""The registry of models over its interface: two people, a signed order, its end."""

import json
import uuid

import pytest

from cloud.access import Role
from contract.events import make
from contract.orders import OrderKind, peek_order
from contract.words import Words
from tests.cloud.api.conftest import PASSWORD
from tests.model_packages import package, sha256

WHY = {"reason": "new winter data"}
BLOB = package(2)
SHA = sha256(BLOB)
ORDER = {"sha256": SHA, "shadow_s": 60} | WHY


@pytest.fixture
async def engineer(cloud):
    async with cloud.signed_in(Role.ENGINEER) as client:
        yield client


async def upload(client, blob=BLOB):
    return await client.post("/api/v1/models", content=blob)


async def approve(client, sha=SHA):
    return await client.post(f"/api/v1/models/{sha}/approve", json={"note": "card and figures"})


@pytest.fixture
async def approved(engineer, admin) -> str:
    await upload(engineer)
    assert (await approve(admin)).status_code == 200
    return SHA


async def test_one_uploads_another_approves_and_both_are_written_down(cloud, engineer, admin):
    uploaded = await upload(engineer)
    approved = await approve(admin)

    assert uploaded.status_code == 201
    assert uploaded.json()["approved_by"] is None
    assert uploaded.json()["card"] == "# LFP 280 Ah\n"
    assert (approved.json()["uploaded_by"], approved.json()["approved_by"]) == (
        "engineer-user",
        "admin-user",
    )
    async with cloud.worker.services.pool.connection() as conn:
        rows = await (
            await conn.execute("SELECT actor, action FROM audit WHERE object = %s", (SHA,))
        ).fetchall()
    assert set(rows) == {("engineer-user", "upload_model"), ("admin-user", "approve_model")}


async def test_who_uploads_a_model_cannot_approve_it(engineer):
    await upload(engineer)

    answer = await approve(engineer)

    assert (answer.status_code, answer.json()["code"]) == (422, "second_person")


async def test_not_even_the_database_takes_one_person_for_two(cloud, engineer):
    await upload(engineer)
    async with cloud.worker.services.pool.connection() as conn:
        with pytest.raises(Exception, match="two_people"):
            await conn.execute("UPDATE models SET approved_by = uploaded_by, approved_at = now()")


async def test_the_same_package_again_changes_nothing_and_another_of_its_version_is_refused(
    engineer, admin
):
    await upload(engineer)

    again = await upload(admin)
    other = await upload(admin, package(2, more=b"x"))

    assert again.json()["uploaded_by"] == "engineer-user"
    assert (other.status_code, other.json()["code"]) == (409, "model_exists")


@pytest.mark.parametrize("blob", [b"", b"noise", BLOB[:-1], BLOB + b"x"])
async def test_what_is_no_package_is_refused(engineer, blob):
    answer = await upload(engineer, blob)

    assert (answer.status_code, answer.json()["code"]) == (422, "model_refused")


@pytest.mark.usefixtures("feeder")
async def test_an_operator_reads_of_models_and_changes_none(operator, approved):
    listed = await operator.get("/api/v1/models")
    sent = await operator.post("/api/v1/stations/haibin-1/models/deploy", json=ORDER)

    assert [m["sha256"] for m in listed.json()["models"]] == [approved]
    assert (await upload(operator)).status_code == 403
    assert (await approve(operator)).status_code == 403
    assert sent.status_code == 403


@pytest.mark.usefixtures("feeder")
async def test_a_model_that_nobody_approved_goes_nowhere(engineer):
    await upload(engineer)

    answer = await engineer.post("/api/v1/stations/haibin-1/models/deploy", json=ORDER)

    assert (answer.status_code, answer.json()["code"]) == (422, "model_not_deployable")


@pytest.mark.usefixtures("feeder")
async def test_a_withdrawn_model_goes_to_no_further_station(engineer, approved):
    withdrawn = await engineer.post(f"/api/v1/models/{approved}/withdraw", json=WHY)
    answer = await engineer.post("/api/v1/stations/haibin-1/models/deploy", json=ORDER)

    assert withdrawn.json()["withdrawn_by"] == "engineer-user"
    assert "withdrawn: new winter data" in answer.json()["message"]


@pytest.mark.usefixtures("feeder", "approved")
async def test_a_deployment_is_a_signed_order_that_names_hash_sender_and_approver(cloud, engineer):
    answer = await engineer.post("/api/v1/stations/haibin-1/models/deploy", json=ORDER)

    assert answer.status_code == 201
    sent = answer.json()
    assert sent["kind"] == "model"
    assert sent["payload"] == {
        "action": "deploy",
        "package": SHA,
        "name": "lfp-280ah",
        "version": 2,
        "size": len(BLOB),
        "shadow_s": 60,
        "auto_promote": True,
    }
    from cloud.fleet.delivery import orders_after

    services = cloud.worker.services
    (blob,) = await orders_after(services.pool, services.vault, "haibin-1", 0)
    order = peek_order(blob)
    assert order.kind is OrderKind.MODEL
    assert order.approvals == ("engineer-user", "admin-user")
    listed = await engineer.get("/api/v1/stations/haibin-1/models")
    assert [d["state"] for d in listed.json()["deployments"]] == ["sent"]


@pytest.mark.usefixtures("approved")
async def test_where_a_model_stands_is_what_the_station_last_told(feeder, engineer):
    sent = await engineer.post("/api/v1/stations/haibin-1/models/deploy", json=ORDER)
    begun_ms = sent.json()["issued_ms"]

    async def tell(code: str, after_ms: int) -> dict:
        words = Words("lfp-280ah v2", "lfp-280ah v2")
        event = make(
            code,
            id=str(uuid.uuid4()),
            station="haibin-1",
            device="STATION",
            active=True,
            at_ms=begun_ms + after_ms,
            detail=words,
            tag=SHA,
        )
        await feeder.event(event)
        answer = await engineer.get(f"/api/v1/models/{SHA}")
        (placed,) = answer.json()["deployments"]
        return placed

    shadow = await tell("model.shadow", 1000)
    promoted = await tell("model.promoted", 60_000)
    back = await tell("model.rolled_back", 90_000)
    late = await tell("model.confirmed", 61_000)

    assert (shadow["state"], promoted["state"]) == ("shadow", "promoted")
    assert (back["state"], back["since_ms"]) == ("rolled_back", begun_ms + 90_000)
    assert "taken back: lfp-280ah v2" in back["why_en"]
    assert "已回退" in back["why_zh"]
    assert late["state"] == "rolled_back"


@pytest.mark.usefixtures("feeder", "approved")
async def test_promotion_and_return_are_orders_too(engineer):
    for action in ("promote", "rollback"):
        answer = await engineer.post(
            f"/api/v1/stations/haibin-1/models/{action}", json={"sha256": SHA} | WHY
        )
        assert answer.json()["payload"]["action"] == action


@pytest.mark.usefixtures("feeder", "approved")
@pytest.mark.parametrize(
    "changes",
    [
        {"shadow_s": -1},
        {"shadow_s": 0, "auto_promote": False},
        {"sha256": "x"},
        {"reason": ""},
    ],
)
async def test_an_order_that_no_station_could_follow_is_not_sent(engineer, changes):
    answer = await engineer.post("/api/v1/stations/haibin-1/models/deploy", json=ORDER | changes)

    assert answer.status_code == 422
    listed = await engineer.get("/api/v1/stations/haibin-1/models")
    assert listed.json()["deployments"] == []


async def test_an_unknown_model_is_not_found(engineer):
    assert (await engineer.get(f"/api/v1/models/{'0' * 64}")).status_code == 404


async def test_an_administrator_adds_the_second_person(cloud, admin):
    body = {"name": "wang", "password": PASSWORD, "roles": ["engineer"]}

    made = await admin.post("/api/v1/users", json=body)

    assert made.json() == {"name": "wang", "roles": ["engineer"]}
    async with cloud.client() as client:
        signed = await client.post("/api/v1/session", json={"user": "wang", "password": PASSWORD})
    assert signed.status_code == 201
    assert (await admin.post("/api/v1/users", json=body)).status_code == 422
    assert PASSWORD not in json.dumps(made.json())


async def test_nobody_else_adds_users(engineer):
    body = {"name": "wang", "password": PASSWORD, "roles": ["admin"]}

    assert (await engineer.post("/api/v1/users", json=body)).status_code == 403
