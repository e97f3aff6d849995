from cloud.catalogue import LayoutCatalogue
from cloud.epochs import EpochKeys
from cloud.history.blocks.compaction import Compactor

PLAN = "/api/v1/stations/haibin-1/history/plan"


async def test_the_plan_of_a_station_is_measured_on_its_own_blocks(cloud, feeder, viewer):
    none_yet = await viewer.get(PLAN)
    services = cloud.worker.services
    epochs, layouts = EpochKeys(services.pool, services.keys), LayoutCatalogue(services.pool)
    await Compactor(services.pool, epochs, services.vault, layouts).compact("haibin-1", age_s=0)

    plan = (await viewer.get(PLAN)).json()

    assert none_yet.status_code == 404
    assert plan["station"] == "haibin-1"
    assert "measured on" in plan["sources"][0]
    assert plan["day"]["values"] > 0
    assert plan["day"]["raw_bytes"] > plan["day"]["sent_bytes"] > 0
    assert plan["database"]["bytes"] > plan["database"]["year_bytes"] > 0
    assert {"raw", "1 min", "15 min"} <= {row["tier"] for row in plan["rows"]}


async def test_the_plan_of_an_unknown_station_is_not_found(viewer):
    answer = await viewer.get("/api/v1/stations/nowhere/history/plan")

    assert answer.status_code == 404
