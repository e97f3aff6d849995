from cloud import fleet
from cloud.db import connection
from cloud.history.known import first_ms
from cloud.history.rollups.store import DAY_MS, QUARTERS
from tests.cloud.web.console import FACTS
from tests.cloud.web.feeder import now_ms
from tests.cloud.web.plant import CELLS, Plant

PATH = "/api/v1/stations/haibin-1/signals"


async def test_every_signal_is_listed_with_unit_label_and_number_of_cells(feeder, viewer):
    answer = (await viewer.get(PATH)).json()

    layouts = {one["layout"]: {s["signal"]: s for s in one["signals"]} for one in answer["layouts"]}
    devices = {one["device"]: one["layouts"] for one in answer["devices"]}
    power = layouts["station"]["delivered_power_kw"]
    assert (power["unit"], power["label_en"], power["label_zh"]) == (
        "kW",
        "delivered power",
        "实际功率",
    )
    assert devices["C1-R07"] == [
        *("estimate", f"estimate.cells/{CELLS}", "estimate.limit"),
        *("rack", f"rack.cells/{CELLS}"),
    ]
    assert layouts[f"rack.cells/{CELLS}"]["cell_voltage_v"]["cells"] == CELLS
    assert layouts["rack"]["contactor_closed"]["states"] == [
        {"value": 0, "en": "open", "zh": "断开"},
        {"value": 1, "en": "closed", "zh": "闭合"},
    ]
    assert set(devices) == {frame.device for frame in Plant(0).frames(0)}


async def test_every_listed_signal_can_be_asked_for(feeder, viewer):
    listed = (await viewer.get(PATH)).json()
    of = {one["layout"]: one["signals"] for one in listed["layouts"]}
    names = [
        f"{one['device']}:{s['signal']}" + (f":{s['cells']}" if s["cells"] > 1 else "")
        for one in listed["devices"]
        for layout in one["layouts"]
        for s in of[layout]
    ]

    for start in range(0, len(names), 150):
        asked = {
            "station": "haibin-1",
            "signal": names[start : start + 150],
            "from": now_ms() - 5_000,
            "to": now_ms(),
            "resolution": "raw",
        }
        answer = await viewer.get("/api/v1/series", params=asked)
        assert answer.status_code == 200, answer.text


async def test_the_first_time_is_that_of_the_oldest_sample(feeder, viewer, cloud):
    told = (await viewer.get(PATH)).json()["first_ms"]

    assert 60_000 <= now_ms() - told < 120_000

    month_ms = told // QUARTERS.long_ms * QUARTERS.long_ms - 10 * QUARTERS.long_ms
    async with connection(cloud.worker.services.pool) as conn:
        await conn.execute(
            "INSERT INTO rollup_blocks (station, device, layout, tier_ms, span_ms, start_ms, ends,"
            " body) VALUES ('haibin-1', 'METER', '\\x00', %s, %s, %s, '{}', '')",
            [QUARTERS.tier_ms, QUARTERS.long_ms, month_ms],
        )
        await conn.execute("INSERT INTO block_ledger VALUES ('haibin-1', %s, 1)", [month_ms])

    assert await first_ms(cloud.worker.services.pool, "haibin-1") == month_ms
    assert told - month_ms > 200 * DAY_MS


async def test_a_station_that_has_sent_nothing_has_no_signals(cloud, viewer):
    await fleet.create(cloud.worker.services.pool, FACTS, "test")

    answer = (await viewer.get(PATH)).json()

    assert answer == {"station": "haibin-1", "first_ms": None, "layouts": [], "devices": []}
    assert (await viewer.get("/api/v1/stations/nobody/signals")).status_code == 404
