"""Trainings of bidding policies, as programs and people see them."""

import pytest

from cloud.access import Role
from cloud.app import open_worker
from cloud.config import CloudConfig
from cloud.web.user_app import create_user_app
from tests.cloud.api.conftest import Cloud
from tests.cloud.market.retraining.past import BEGUN_MS, MODEL, WEEK_MS, put_trainings
from tests.cloud.stations import create_station
from tests.cloud.web.console import PATIENT, quick_passwords

MARKET = "cn-shandong"
SECTION = {"station": "s1", "market": MARKET, "price": "tx.real_time", "every_days": 14}


@pytest.fixture
async def policy_cloud(dsn, tmp_path):
    config = CloudConfig(data_dir=tmp_path, database=PATIENT, market={"trainings": [SECTION]})
    async with open_worker(config, dsn) as worker:
        await create_station(worker.services.pool, "s1")
        yield Cloud(worker, create_user_app(worker.services, passwords=quick_passwords()))


async def test_a_policy_that_is_to_be_learnt_is_there_before_its_first_training(policy_cloud):
    async with policy_cloud.signed_in(Role.TRADER) as trader:
        (found,) = (await trader.get("/api/v1/policies")).json()
        page = (await trader.get("/forecasts")).text

    assert (found["station"], found["every_days"], found["trainings"]) == ("s1", 14.0, [])
    assert found["standing"] == {
        "model": None,
        "promoted_ms": None,
        "lacks": "none_passed",
        "error": "",
    }
    assert "Nothing has been trained yet." in page
    assert "learnt anew every 14 days" in page


async def test_the_last_trainings_have_their_verdicts_and_lost_files_are_told(policy_cloud):
    put_trainings(policy_cloud.worker.services.pool, "s1", MARKET)

    async with policy_cloud.signed_in(Role.TRADER) as trader:
        (found,) = (await trader.get(f"/api/v1/policies?station=s1&market={MARKET}")).json()
        others = (await trader.get("/api/v1/policies?station=s2")).json()

    failed, worse, unsure, passed = found["trainings"]
    assert others == []
    assert [one["state"] for one in (failed, worse, unsure, passed)] == [
        *("failed", "kept", "kept", "promoted"),
    ]
    assert (failed["fault"], failed["asked_by"], failed["verdict"]) == ("extra", "mei", None)
    assert (worse["verdict"]["cvar_policy"], worse["verdict"]["cvar_value"]) == (33.0, 31.5)
    assert (passed["begun_ms"], passed["model"], passed["share"]) == (BEGUN_MS, MODEL, 1.0)
    assert passed["begun_ms"] == unsure["begun_ms"] - WEEK_MS
    assert (found["standing"]["model"], found["standing"]["lacks"]) == (None, "files")
    assert "train it anew" in found["standing"]["error"]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                *("missing or altered", "failed: the libraries that train are not installed"),
                *("kept out: its worst days cost more", "passed the gate", "short history"),
                "sure to 42",
            ),
        ),
        ("zh-Hans", ("策略文件缺失", "未安装训练所需的库", "最差日亏损更大", "已通过准入")),
    ],
)
async def test_the_page_of_forecasts_shows_them_in_both_languages(policy_cloud, language, words):
    put_trainings(policy_cloud.worker.services.pool, "s1", MARKET)

    async with policy_cloud.signed_in(Role.TRADER) as trader:
        trader.cookies.set("sm_language", language)
        page = await trader.get("/forecasts")

    assert page.status_code == 200
    assert [one for one in words if one not in page.text] == []
    assert "torch is not installed" in page.text
    assert MODEL[:12] in page.text


async def test_only_who_reads_the_market_sees_policies(policy_cloud):
    async with policy_cloud.signed_in(Role.OPERATOR) as operator:
        assert (await operator.get("/api/v1/policies")).status_code == 403


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("was withdrawn on 2026", "passed the gate, withdrawn later")),
        ("zh-Hans", ("已于", "曾通过准入，后撤回")),
    ],
)
async def test_a_policy_that_was_withdrawn_is_told(policy_cloud, language, words):
    pool = policy_cloud.worker.services.pool
    put_trainings(pool, "s1", MARKET)
    async with pool.connection() as conn:
        await conn.execute(
            "UPDATE policy_trainings SET withdrawn_ms = %s WHERE state = 'promoted'",
            [BEGUN_MS + 30 * WEEK_MS // 7],
        )

    async with policy_cloud.signed_in(Role.TRADER) as trader:
        trader.cookies.set("sm_language", language)
        (found,) = (await trader.get("/api/v1/policies")).json()
        page = (await trader.get("/forecasts")).text

    assert found["standing"]["lacks"] == "withdrawn"
    assert found["trainings"][-1]["withdrawn_ms"] == BEGUN_MS + 30 * WEEK_MS // 7
    assert [one for one in words if one not in page] == []
